/**
 * The dirty log against all memory of a guest that runs: a copy of it that only follows the log is
 * equal when the rings have stopped, whatever was switched on, off or replaced meanwhile.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { NetGuest, type NetGuestOptions, RX, TX } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { MigratingGuest } from "../harness/migrating_guest.ts";
import { until } from "../harness/until.ts";
import { introduce, macOf, numberedFrame, turn } from "../harness/traffic.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SIZES = [60, 1514, 300, 64, 900, 1500];
const REGIONS = [{ base: 0, bytes: MIB }, { base: 5 * GIB, bytes: 3 * MIB }];
/** Frames of one stretch of traffic; all fit the receive ring, the driver has no turn meanwhile. */
const FRAMES = 40;

const VARIANTS: readonly [string, Partial<NetGuestOptions>][] = [
  ["split", { eventIdx: false, mergeable: false, indirect: false }],
  ["split, event index, mergeable", { bufferPieces: [400] }],
  ["split, indirect chains", { mergeable: false, indirectBuffers: true, bufferPieces: [12, 2000] }],
  ["packed", { packed: true, eventIdx: false, mergeable: false, indirect: false }],
  ["packed, event index, mergeable", { packed: true, bufferPieces: [400] }],
  ["packed, chains", { packed: true, mergeable: false, bufferPieces: [5, 100, 2000] }],
  ["split, two regions, 10-byte header", {
    ...{ regions: REGIONS, version1: false, mergeable: false, bufferPieces: [9, 1600] },
  }],
  ["packed, two regions, mergeable", { packed: true, regions: REGIONS, bufferPieces: [700] }],
];

/** One guest that migrates, one that talks to it. */
class Pair {
  readonly migrating: MigratingGuest;
  readonly peer: NetGuest;
  readonly #ctl: string;
  #number = 0;

  constructor(migrating: MigratingGuest, peer: NetGuest, ctl: string) {
    this.migrating = migrating;
    this.peer = peer;
    this.#ctl = ctl;
  }

  async #delivered(): Promise<number> {
    const { counters } = await callSwitch(this.#ctl, "GET", "/v1/ports/vm1") as PortStatus;
    return counters["txFrames"] as number;
  }

  #frame(to: NetGuest, from: NetGuest): Uint8Array {
    const bytes = SIZES[this.#number % SIZES.length] as number;
    return numberedFrame(to.options.mac, from.options.mac, this.#number++, bytes);
  }

  /** The guest receives, and its log is read all the time. @param midway done after half of it */
  async receive(midway?: () => Promise<void>): Promise<void> {
    const { migrating, peer } = this;
    const due = await this.#delivered() + FRAMES;
    for (let i = 0; i < FRAMES; i++) {
      assert(peer.send(this.#frame(migrating.guest, peer)));
      if (i % 4 === 3) await turn();
      migrating.harvest();
      if (i === FRAMES / 2) await midway?.();
    }
    await until("all frames", async () => {
      migrating.harvest();
      return await this.#delivered() === due;
    });
  }

  /** The guest sends what it left in its ring while that was stopped. */
  async send(): Promise<void> {
    const { guest } = this.migrating;
    const { indirect } = guest.options;
    for (let i = 0; i < FRAMES; i++) {
      assert(guest.sendPieces(this.#frame(this.peer, guest), i % 2 ? [100] : [], indirect));
    }
    this.migrating.copyAll();
    this.migrating.start(TX);
    let got = 0;
    await until("all frames", () => {
      got += this.peer.receive().length;
      return got === FRAMES;
    });
  }

  /** The rings stop; from here on the copy must be the guest. */
  async hold(): Promise<void> {
    await this.migrating.stop();
    this.migrating.harvest();
  }

  /** The driver has its turn: buffers go back to the device, and the memory is copied anew. */
  resume(): void {
    const { guest } = this.migrating;
    guest.receive();
    guest.reapTransmit();
    this.migrating.copyAll();
    this.migrating.start(RX, TX);
  }
}

/** A whole migration's worth of traffic, in both directions. @returns pages logged */
async function migrate(pair: Pair, midway?: () => Promise<void>): Promise<number> {
  const { migrating } = pair;
  const before = migrating.pages;
  await migrating.begin();
  await pair.receive(midway);
  await pair.hold();
  assert.deepEqual(migrating.missing(), [], "what was received, is logged");
  pair.resume();
  await pair.hold();
  await pair.send();
  await pair.hold();
  assert.deepEqual(migrating.missing(), [], "what sending wrote, is logged");
  pair.resume();
  return migrating.pages - before;
}

Deno.test("dirty log: a copy of memory that follows it is the guest", async (t) => {
  await using bed = await Bed.make(2);
  const peer = await bed.guest(2);
  for (const [name, options] of VARIANTS) {
    await t.step(name, async () => {
      using guest = await NetGuest.start({
        socket: bed.socket(1),
        mac: macOf(1),
        memoryBytes: 4 * MIB,
        ...options,
      });
      await introduce(guest, peer);
      using migrating = new MigratingGuest(guest);
      const pair = new Pair(migrating, peer, bed.process.ctl);
      const first = await migrate(pair);
      const second = await migrate(pair, () => migrating.replaceLog());
      // A migration that was given up: traffic goes on, nothing is logged.
      await migrating.cancel();
      migrating.harvest();
      await pair.receive();
      await pair.hold();
      assert.equal(migrating.harvest(), 0, "nothing is logged after the migration");
      assert.notDeepEqual(migrating.missing(), [], "and memory has changed");
      pair.resume();
      const third = await migrate(pair);
      console.log(`    ${first}, ${second}, ${third} pages logged`);
      guest.close();
      await until("the port", async () => (await bed.process.port("vm1")).link === "wait");
    });
  }
});
