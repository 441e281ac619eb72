/**
 * The switch is killed 200 times under load and started again. Guests that live on check every
 * chain: none is lost, none comes back twice, and traffic flows again each time.
 *
 * @module
 */
import { WAIT_MS_MAX } from "../harness/until.ts";
import { strict as assert } from "node:assert";
import { LastingGuest } from "../harness/lasting_guest.ts";
import { Bed } from "../harness/bed.ts";
import { isNumbered, macOf, numberedFrame, turn } from "../harness/traffic.ts";

/** Switches killed side by side: one starts while the other one carries. */
const WORLDS = 2;
const KILLS = 100;
const RING = 64;
/** Guest 2n + 1 and 2n + 2 talk to each other. */
const GUESTS = [
  { packed: false, tracked: true },
  { packed: true, tracked: true },
  { packed: true, tracked: false },
  { packed: false, tracked: false },
];

/** Numbers from 0 to before `bound`, the same in every run. */
function random(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** One switch and its guests. */
class World {
  readonly guests: readonly LastingGuest[];
  readonly bed: Bed;
  readonly #next: (bound: number) => number;
  /** Frames each guest has got that were for it. */
  readonly arrived: number[];
  #sent = 0;
  #filling = true;

  constructor(bed: Bed, seed: number) {
    this.bed = bed;
    this.#next = random(seed);
    this.guests = GUESTS.map((kind, i) =>
      new LastingGuest({
        ...kind,
        mac: macOf(i + 1),
        socket: bed.socket(i + 1),
        ringSize: RING,
      })
    );
    this.arrived = GUESTS.map(() => 0);
  }

  async attach(): Promise<void> {
    await Promise.all(this.guests.map((guest) => guest.attach()));
  }

  /** Every driver does what it has to do once; `frames` more are sent by each. */
  drive(frames: number): void {
    for (const [i, guest] of this.guests.entries()) {
      const mac = guest.options.mac;
      for (const frame of guest.receive()) {
        assert(isNumbered(frame));
        const number = new DataView(frame.buffer, frame.byteOffset).getUint32(14);
        const to = frame.subarray(0, 6);
        const from = frame.subarray(6, 12);
        const text = (bytes: Uint8Array): string =>
          Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
        const sent = numberedFrame(text(to), text(from), number, frame.length);
        assert.deepEqual(frame, sent, `frame ${number}`);
        if (text(to) === mac) this.arrived[i] = (this.arrived[i] ?? 0) + 1;
      }
      if (this.#filling) guest.refill();
      guest.reap();
      const peer = this.guests[i ^ 1] as LastingGuest;
      for (let n = 0; n < frames; n++) {
        const bytes = 60 + this.#next(300);
        const frame = numberedFrame(peer.options.mac, mac, this.#sent++, bytes);
        guest.add(frame, 1 + this.#next(3), this.#next(2) === 0);
      }
      guest.publish();
    }
  }

  /** Drives, with `frames` more by each guest every time, until something holds. */
  async #driveUntil(what: string, frames: number, holds: () => boolean): Promise<void> {
    const end = Date.now() + WAIT_MS_MAX;
    while (!holds()) {
      assert(Date.now() < end, `waited too long for ${what}`);
      this.drive(frames);
      await turn();
    }
  }

  /** Load until every guest has got something. */
  async flow(): Promise<void> {
    const before = [...this.arrived];
    await this.#driveUntil(
      "traffic in every direction",
      2,
      () => this.arrived.every((count, i) => count > (before[i] ?? 0)),
    );
  }

  /** Load for a while, then a kill in the middle. */
  async live(): Promise<void> {
    for (let i = this.#next(12); i > 0; i--) {
      this.drive(this.#next(16));
      await turn();
    }
    this.drive(16);
    const end = performance.now() + this.#next(800) / 1000;
    while (performance.now() < end);
    await this.bed.kill();
    for (const guest of this.guests) guest.detach();
  }

  /** What is left of the last life arrives; then every buffer comes back, and none twice. */
  async drain(): Promise<void> {
    await this.#driveUntil(
      "every chain to come back",
      0,
      () => this.guests.every((guest) => guest.tx.free === RING),
    );
    this.#filling = false;
    await this.#driveUntil(
      "every receive buffer to be used",
      4,
      () => this.guests.every((guest) => guest.rx.free === RING),
    );
  }

  close(): void {
    for (const guest of this.guests) guest.close();
  }
}

/** All lives of one world. @returns ms from each kill to traffic in every direction */
async function liveOften(seed: number): Promise<number[]> {
  await using bed = await Bed.make(GUESTS.length);
  const world = new World(bed, seed);
  const gaps: number[] = [];
  try {
    await world.attach();
    await world.flow();
    for (let kill = 1; kill <= KILLS; kill++) {
      await world.live();
      const killed = performance.now();
      await bed.start();
      await world.attach();
      await world.flow();
      gaps.push(performance.now() - killed);
    }
    await world.drain();
  } catch (error) {
    throw new Error(`after ${gaps.length} kills: ${bed.process.log}`, { cause: error });
  } finally {
    world.close();
  }
  return gaps;
}

Deno.test("killed 200 times under load: no buffer lost, none twice, traffic each time", async () => {
  const gaps = (await Promise.all(
    Array.from({ length: WORLDS }, (_, i) => liveOften(1009 * (i + 1))),
  )).flat().sort((a, b) => a - b);
  assert.equal(gaps.length, WORLDS * KILLS);
  const at = (share: number): string =>
    (gaps[Math.floor(share * (gaps.length - 1))] ?? 0).toFixed(0);
  console.log(
    `    ${gaps.length} kills; traffic again after ${at(0.5)} ms, at most ${at(1)} ms, ` +
      `the switch's start included`,
  );
});
