/**
 * A guest whose rings hold anything at all, beside two good ones. Whatever it does, the switch must
 * not throw, must touch no byte that is not the guest's to give, and must serve the good guests as
 * if it were not there.
 *
 * @module
 */
import { makeDatapath } from "../harness/datapath.ts";
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT } from "../../lib/switch/counters.ts";
import {
  type Datapath,
  type DatapathHost,
  pollSource,
  setKicks,
} from "../../lib/switch/datapath.ts";
import type { Vring } from "../../lib/switch/ports/vring.ts";
import { askAgain, forgetWaiting, rangeTranslated } from "../../lib/switch/stalled/untranslated.ts";
import { RING_OK, RING_REASONS, RING_UNTRANSLATED } from "../../lib/virtio/ring.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { Storm } from "../../lib/switch/policy/storm.ts";
import { PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { allowPlainBursts } from "../../lib/virtio/burst.ts";
import { CHECKSUMS, EVERY_OFFLOAD } from "./hostile_asks.ts";
import { betweenLooks } from "./looks.ts";
import { BadGuest } from "./bad_guest.ts";
import { Arena, GoodGuest, VRINGS } from "./arena.ts";
import { type Tally, tallyCounters } from "./rings_tally.ts";
import { type Case, cases, type Op } from "./hostile_ops.ts";

const ARENA_BYTES = 1 << 20;

/** More addresses than a case can bring, so that none is ever forgotten. */
const FDB_ENTRIES = 1024;

/** The VLAN that all are in, where there are VLANs. */
const VID = 0x111;

/** Where there are limits: addresses of a port, and frames a second to many, of each kind. */
const FEW_ENTRIES = 2;
const FEW_TO_MANY = [2, 2, 2] as const;
/** Time that passes between two visits where limits count it, ms. */
const VISIT_MS = 10;

/** The switch with its three guests. */
class World {
  readonly arena: Arena = new Arena(ARENA_BYTES);
  readonly bad: BadGuest;
  readonly good: readonly [GoodGuest, GoodGuest];
  readonly path: Datapath;
  readonly #broken: Vring[] = [];
  readonly #races: { readonly after: number; readonly op: Op }[] = [];
  readonly #tally: Tally;

  constructor(one: Case, tally: Tally) {
    this.#tally = tally;
    this.bad = new BadGuest(this.arena, one);
    this.good = [
      new GoodGuest(this.arena, 1, one.goodPacked, true, one.takes[0] ? EVERY_OFFLOAD : CHECKSUMS),
      new GoodGuest(this.arena, 2, !one.goodPacked, false, one.takes[1] ? EVERY_OFFLOAD : {}),
    ];
    const ports = [this.bad, ...this.good].map(({ port }) => port);
    this.path = makeDatapath(ports, {
      ...{ vringsPerPort: VRINGS, entriesMax: FDB_ENTRIES },
      portEntriesMax: one.limits ? FEW_ENTRIES : FDB_ENTRIES / 4,
      host: this.#host(),
    });
    if (one.limits) this.bad.port.storm = new Storm(FEW_TO_MANY);
    if (one.start === 1) this.#useVlans(one.goodPacked);
  }

  /** All are in one VLAN; the bad guest's frames have its tag or none, and lose it or get it. */
  #useVlans(badIsTrunk: boolean): void {
    this.path.setVlans(true);
    const members = vlanWords([[VID, VID]]);
    const access = new PortVlans(members, VID, true);
    const [one, other] = this.good;
    this.bad.port.vlans = badIsTrunk ? new PortVlans(members, 0, false) : access;
    one.port.vlans = badIsTrunk ? access : new PortVlans(members, VID, false);
    other.port.vlans = access;
    if (badIsTrunk) this.bad.tagFrames(VID);
  }

  #host(): Partial<DatapathHost> {
    return {
      // Now and then there is no room for news.
      badChain: ({ port, queue }, reason) => {
        assert.equal(port, this.bad.port, "good guests make no bad chains");
        assert.equal(queue.toldReasons & (1 << reason), 0, "a reason is told once");
        this.#tally.badChains++;
        return true;
      },
      untranslated: ({ port }) => {
        assert.equal(port.index, 0);
        return ++this.#tally.misses % 8 > 0;
      },
      accessFailed: ({ port }) => assert.equal(port.index, 0),
      ringBroken: (vring) => {
        assert.equal(vring.port.index, 0, "a good guest's ring broke");
        assert(!this.#broken.includes(vring), "a ring breaks once");
        assert.notEqual(vring.queue.broken, RING_OK);
        this.#broken.push(vring);
      },
    };
  }

  /** Something is to be done in the next visit, after as many looks. */
  race(after: number, op: Op): void {
    this.#races.push({ after, op });
    this.#tally.races++;
  }

  /** Serves a queue; what was kept for this moment happens meanwhile. */
  #poll(vring: Vring): number {
    const races = this.#races.splice(0);
    let taken = 0;
    if (races.length === 0) return pollSource(this.path, vring);
    const queues = this.bad.port.vrings.flatMap((bad) => bad ? [bad.queue] : []);
    let looks = 0;
    const look = (): void => {
      looks++;
      for (const { after, op } of races) if (after === looks) this.bad.act(op);
    };
    betweenLooks(queues, this.arena.windows.window(0), look, () => {
      taken = pollSource(this.path, vring);
    });
    return taken;
  }

  /** Serves the bad guest a few times; the good ones take what comes of it. */
  visit(): void {
    clock.ms += VISIT_MS;
    const vring = this.bad.port.vrings[1];
    assert(vring);
    for (let round = 0; round < 3; round++) {
      const taken = this.#poll(vring);
      for (const guest of this.good) guest.receive();
      if (taken === 0) break;
    }
    this.#mend();
  }

  /** Broken rings are set up anew, so that a case goes on. */
  #mend(): void {
    for (const vring of this.bad.port.vrings) {
      assert(vring);
      const { broken } = vring.queue;
      const given = broken !== RING_OK && broken !== RING_UNTRANSLATED;
      assert.equal(given, this.#broken.includes(vring), "it is reported");
    }
    this.bad.checkUsed();
    for (const vring of this.#broken.splice(0)) {
      const { number, queue } = vring;
      forgetWaiting(this.path, vring);
      const reason = RING_REASONS[queue.broken] ?? "unknown";
      this.#tally.reasons.set(reason, (this.#tally.reasons.get(reason) ?? 0) + 1);
      this.bad.restart(number as 0 | 1);
    }
    this.path.refresh();
  }

  /** The bad guest's front-end says something of its IOMMU; frames that waited go on. */
  translate(op: Op & { readonly do: "iotlb" }): void {
    const range = this.bad.translate(op);
    if (range) rangeTranslated(this.path, this.bad.port, range.at, range.bytes);
    else askAgain(this.path, this.bad.port);
    this.#mend();
  }

  /** Gives back what frames wait in, and all memory. */
  release(): void {
    for (const vring of this.bad.port.vrings) if (vring) forgetWaiting(this.path, vring);
    this.arena.release();
  }

  /** Each good guest sends frames to all: the other one has them, the bad one may. */
  exchange(count: number, frameBytes: number): void {
    const [a, b] = this.good;
    for (const [sender, receiver] of [[a, b], [b, a]] as const) {
      const numbers = sender.send(count, frameBytes);
      const vring = sender.port.vrings[1];
      assert(vring);
      assert.equal(this.#poll(vring), count);
      sender.reclaim();
      const got = receiver.receive().get(sender.port.index);
      assert.deepEqual(got, numbers, `frames of guest ${sender.port.index} arrived`);
      sender.receive();
      this.#mend();
    }
  }

  /** What is above a limit is the bad guest's alone. */
  #checkLimits(): void {
    const { counters } = this.path;
    const names = ["rxDroppedBroadcastStorm", "rxDroppedMulticastStorm", "rxDroppedUnknownStorm"];
    for (const { port } of this.good) {
      for (const name of names as (keyof typeof PORT)[]) {
        assert.equal(counters[port.counterBase + PORT[name]], 0);
      }
    }
  }

  /** What must be so at the end of every case. */
  check(): void {
    this.arena.checkGuards();
    this.bad.checkHolds();
    for (const guest of this.good) this.arena.checkNoSecret(guest.piece);
    this.#checkLimits();
    tallyCounters(this.#tally, this.path, this.bad.port, this.good);
  }
}

/** Runs one case. @throws if the bad guest got anywhere */
export function runCase(one: Case, tally: Tally): void {
  const world = new World(one, tally);
  allowPlainBursts(one.plain);
  try {
    // The good guests' addresses are known from now on.
    world.exchange(1, 60);
    for (const op of one.ops) {
      if (op.do === "visit") world.visit();
      else if (op.do === "good") world.exchange(op.count, op.bytes);
      else if (op.do === "kicks") setKicks(world.path, true);
      else if (op.do === "race") world.race(op.after, op.op);
      else if (op.do === "iotlb") world.translate(op);
      else world.bad.act(op);
    }
    world.visit();
    world.exchange(1, 60);
    world.check();
  } finally {
    allowPlainBursts(true);
    world.release();
  }
}

/** Of any case: {@linkcode runCase} does not throw. */
export function hostileRings(tally: Tally): fc.IPropertyWithHooks<[Case]> {
  return fc.property(cases, (one) => runCase(one, tally));
}
