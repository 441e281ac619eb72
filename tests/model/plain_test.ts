/**
 * The plain way of a burst against the general one, which is the reference: the same traffic goes
 * both ways, and afterwards every byte of all guests' memory, rings included, and every counter that
 * is not one of bursts is the same.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  portBase,
  VRING,
  vringBase,
  WORKER,
  WORKER_BASE,
  WORKER_COUNTERS,
} from "../../lib/switch/counters.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { allowPlainBursts, isPlainBurst } from "../../lib/virtio/burst.ts";
import { inflightBytes } from "../../lib/virtio/inflight/region.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";
import { journalBytes } from "../../lib/virtio/packed/journal.ts";
import { RING_BAD_ADDRESS, trustLoadOrder } from "../../lib/virtio/ring.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "./two_ports.ts";

const RAM_BYTES = 2 << 20;
/** Whatever policies remember is over after it. */
const LONG_MS = 60_000;
const GUESTS = 3;
/** Where the regions of a guest in pieces meet: in the middle of its buffers. */
const CUT = 0x41000;

interface Job {
  readonly from: number;
  /** 0 or 1: the guests; 2: everybody; 3: the sender itself. */
  readonly to: number;
  readonly bytes: number;
  readonly cuts: readonly number[];
  readonly indirect: boolean;
}
type Buffers = readonly (readonly number[])[];
interface Guest {
  readonly shape: Shape;
  readonly base: number;
  /** Its memory is two regions. */
  readonly pieces: boolean;
  readonly ledger: boolean;
  /** Receive chains, offered over and over. */
  readonly buffers: Buffers;
  readonly mtu: number;
}
interface Case {
  readonly guests: readonly Guest[];
  /** Each burst is sent, polled and received before the next one. */
  readonly bursts: readonly (readonly Job[])[];
  /** The processor is one that loads in order. */
  readonly ordered?: boolean;
  /** What drivers write into descriptors before the last burst is polled; nothing is received then. */
  readonly spoils?: readonly Spoil[];
}
/** A word of a descriptor of a receive (0) or transmit (1) ring. */
interface Spoil {
  readonly guest: number;
  readonly ring: number;
  readonly slot: number;
  readonly word: number;
  readonly value: number;
}

const chance = <T>(often: T, seldom: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(often) }, { weight: 1, arbitrary: seldom });

const guest: fc.Arbitrary<Guest> = fc.record({
  shape: fc.record({
    packed: fc.boolean(),
    size: fc.constantFrom(4, 16, 64, 256),
    mergeable: fc.boolean(),
    eventIdx: fc.boolean(),
    start: fc.constantFrom(0, 0xfff0, 0xffff),
  }),
  base: fc.constantFrom(0, 0x4000_0000 - CUT, 0x1_0000_0000, 0x20_0000_0000),
  pieces: fc.boolean(),
  ledger: fc.boolean(),
  buffers: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Buffers>([[1600]]) },
    fc.array(fc.array(fc.constantFrom(8, 12, 28, 60, 300, 1600), { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    }),
  ),
  mtu: chance(65535, fc.constantFrom(68, 576)),
});

const job: fc.Arbitrary<Job> = fc.record({
  from: chance(0, fc.nat(GUESTS - 1)),
  to: chance(1, fc.nat(3)),
  bytes: fc.oneof(
    fc.integer({ min: 14, max: 20 }),
    fc.integer({ min: 40, max: 200 }),
    fc.integer({ min: 14, max: 1514 }),
  ),
  cuts: chance<readonly number[]>([], fc.array(fc.nat(80), { maxLength: 3 })),
  indirect: chance(false, fc.boolean()),
});

const cases: fc.Arbitrary<Case> = fc.record({
  ordered: fc.boolean(),
  guests: fc.array(guest, { minLength: GUESTS, maxLength: GUESTS }),
  bursts: fc.array(fc.array(job, { maxLength: 40 }), { maxLength: 6 }),
});

/** Memory of a guest in one region or two, of which the second lies elsewhere. */
function cut(bench: Bench, base: number): void {
  const buffer = bench.ram.view.buffer as ArrayBuffer;
  const windows = WindowSet.over(buffer);
  bench.port.memory = new GuestMemory([
    { guestAddr: base, sizeBytes: CUT, windows, mappingOffset: 0 },
    { guestAddr: base + CUT, sizeBytes: RAM_BYTES - CUT, windows, mappingOffset: CUT },
  ]);
}

/** What a process that comes after this one is told. @returns what it is told of the transmit queue */
function keepLedger({ port, shape: { packed, size } }: Bench): Uint8Array {
  const stride = Math.max(inflightBytes(packed, size), journalBytes(size));
  const kept = new ArrayBuffer(2 * stride);
  for (const number of [0, 1]) {
    const queue = port.vrings[number]?.queue;
    const area = { buffer: kept, offset: number * stride };
    // A record for the transmit queue of packed rings, an inflight region for all others.
    if (packed && number === 1) queue?.keepJournal(area, size);
    else queue?.keepInflight(area, size, 1, false);
  }
  return new Uint8Array(kept, stride);
}

function frameFrom({ from, to, bytes }: Job, seed: number): Uint8Array {
  const frame = frameOf(bytes, seed, to === 2);
  frame[11] = from + 1;
  frame[5] = to === 2 ? 9 : to === 3 ? from + 1 : to + 1;
  return frame;
}

function spoil(benches: readonly Bench[], { guest, ring, slot, word, value }: Spoil): void {
  const { ram, rx, tx, shape } = benches[guest] as Bench;
  const [desc = 0] = (ring === 0 ? rx : tx).areas;
  ram.view.setInt32(ram.at(desc) + 16 * (slot % shape.size) + 4 * word, value, true);
}

interface Outcome {
  readonly memories: readonly Uint8Array[];
  readonly broken: readonly unknown[];
  readonly ledgers: readonly Uint8Array[];
  readonly counters: Float64Array;
  readonly received: readonly (readonly Uint8Array[])[];
  /** Bursts that went the plain way, and all. */
  readonly plain: number;
  readonly bursts: number;
}

/** Counters of visits by the number of their frames. */
const BURST_NAMES = WORKER_COUNTERS.filter((name) => /^bursts\d/.test(name));

/** Runs a case. Nothing of it is left to chance. */
function run(
  { guests, bursts: sent, ordered = true, spoils = [] }: Case,
  plainAllowed: boolean,
): Outcome {
  allowPlainBursts(plainAllowed);
  trustLoadOrder(ordered);
  const benches = guests.map(({ shape, base }, index) => new Bench(index, shape, base, RAM_BYTES));
  const ledgers = benches.map((bench, i) => {
    if (guests[i]?.pieces) cut(bench, guests[i].base);
    bench.port.frameBytesMax = (guests[i]?.mtu ?? 0) + 22;
    return guests[i]?.ledger ? keepLedger(bench) : new Uint8Array();
  });
  const path = makePath(benches);
  // Which visits it looks at follows from how many there are.
  path.survey.left = Infinity;
  Object.assign(path.host, { ringBroken: () => assert(spoils.length > 0, "a ring broke") });
  const received: Uint8Array[][] = benches.map(() => []);
  let plain = 0;
  let taken = 0;
  let seed = 0;
  for (const burst of sent) {
    for (const [i, bench] of benches.entries()) {
      const { buffers } = guests[i] as Guest;
      for (let n = 0; bench.offer(buffers[n % buffers.length] ?? [], n % 3 === 0); n++);
    }
    for (const each of burst) {
      benches[each.from]?.send(frameFrom(each, seed++), each.cuts, each.indirect);
    }
    if (burst === sent.at(-1)) { for (const each of spoils) spoil(benches, each); }
    for (const bench of benches) {
      // Each visit is long after the last one: shares of a full ring would follow from how many
      // visits there are.
      for (; poll(path, bench) > 0; clock.ms += LONG_MS) {
        taken++;
        if (isPlainBurst()) plain++;
      }
      if (spoils.length === 0) bench.tx.takeUsed();
    }
    if (spoils.length > 0) continue;
    for (const [i, bench] of benches.entries()) received[i]?.push(...bench.received());
  }
  const broken = benches.flatMap(({ port }) => port.vrings.map((vring) => vring?.queue.broken));
  const { counters } = path;
  const [frames = 0, plainFrames = 0, generalFrames = 0, ...bursts] =
    (["frames", "plainFrames", "generalFrames", ...BURST_NAMES] as const)
      .map((name) => counters[WORKER_BASE + WORKER[name]] ?? NaN);
  assert.equal(plainFrames + generalFrames, frames);
  assert.equal(bursts.reduce((sum, count) => sum + count), taken, "each visit is in one row");
  assert(plainFrames >= plain && generalFrames >= taken - plain);
  // What went which way, and in how many visits, is what may differ.
  counters.fill(0, WORKER_BASE + WORKER.bursts, portBase(0, 2));
  for (let index = 0; index < GUESTS; index++) {
    for (const number of [0, 1]) {
      const base = vringBase(index, number, 2);
      for (const name of ["bursts", "calls", "callsSuppressed"] as const) {
        counters[base + VRING[name]] = 0;
      }
      // A bad chain is told of with the burst it is in; a ring that breaks in front of one tells none.
      if (spoils.length > 0) counters[base + VRING.badChains] = 0;
    }
  }
  const memories = benches.map(({ ram }) => new Uint8Array(ram.view.buffer));
  return { memories, broken, ledgers, counters, received, plain, bursts: taken };
}

function compare(one: Case): Outcome {
  try {
    const general = run(one, false);
    const plain = run(one, true);
    assert.equal(general.plain, 0);
    assert.deepEqual(plain.broken, general.broken);
    assert.deepEqual(plain.received, general.received);
    assert.deepEqual(plain.counters, general.counters);
    for (const [i, memory] of plain.memories.entries()) {
      assert(
        Buffer.compare(memory, general.memories[i] as Uint8Array) === 0,
        `memory ${i} differs`,
      );
    }
    // What is kept for the next process also tells which chains went back together.
    if (plain.bursts === general.bursts) assert.deepEqual(plain.ledgers, general.ledgers);
    return plain;
  } finally {
    allowPlainBursts(true);
    trustLoadOrder(false);
  }
}

Deno.test("a burst leaves the same behind whichever way it goes", () => {
  let plain = 0;
  let bursts = 0;
  fc.assert(
    fc.property(cases, (one) => {
      const outcome = compare(one);
      plain += outcome.plain;
      bursts += outcome.bursts;
    }),
    { numRuns: 150 },
  );
  assert(plain > 0.2 * bursts && plain < 0.9 * bursts, `${plain} of ${bursts} bursts were plain`);
});

Deno.test("rings that are broken break the same way, and with the same frames before that", () => {
  const spoilt = fc.record({
    ...{ guest: fc.nat(GUESTS - 1), ring: fc.nat(1), slot: fc.nat(8), word: fc.nat(3) },
    value: fc.oneof(
      fc.constantFrom(0, -1, 1 << 31, 1 << 30, 0x4000_0000 - 1, RAM_BYTES - 100, 27, 28, 29, 65549),
      fc.integer(),
      fc.nat(RAM_BYTES),
      // Flags as drivers have them, and an address whose upper bits get lost in a shift.
      fc.nat(0xffff).map((bits) => bits << 16),
      fc.constantFrom(1 << 30 | 1, 1 << 31 | 1, 1 << 21, 1 << 30, 3 << 30),
    ),
  });
  const one = fc.record({
    ...{ guests: fc.array(guest, { minLength: GUESTS, maxLength: GUESTS }) },
    bursts: fc.array(fc.array(job, { minLength: 1, maxLength: 20 }), {
      minLength: 1,
      maxLength: 3,
    }),
    ordered: fc.boolean(),
    spoils: fc.array(spoilt, { minLength: 1, maxLength: 3 }),
  });
  let broken = 0;
  fc.assert(
    fc.property(one, (each) => {
      broken += compare(each).broken.filter((reason) => reason !== 0).length;
    }),
    { numRuns: 150 },
  );
  assert(broken > 3, `${broken} rings broke`);
});

Deno.test("all bits of an address count", () => {
  for (const packed of [false, true]) {
    const shape = { packed, mergeable: true, size: 64, eventIdx: false, start: 0 };
    const guests = Array.from({ length: GUESTS }, () => ({
      ...{ shape, base: 0, pieces: false, ledger: false, buffers: [[1600]], mtu: 1500 },
    }));
    const jobs = [{ from: 0, to: 1, bytes: 60, cuts: [], indirect: false }];
    for (const ring of [0, 1]) {
      for (let bit = 0; bit < 32; bit++) {
        const spoils = [{ guest: 1 - ring, ring, slot: 1, word: 1, value: 1 << bit }];
        const { broken } = compare({ guests, bursts: [jobs, jobs], spoils });
        assert.equal(broken[2 * (1 - ring) + ring], RING_BAD_ADDRESS, `bit ${bit} of ring ${ring}`);
      }
    }
  }
});

Deno.test("what most drivers do is plain", () => {
  for (const packed of [false, true]) {
    for (const mergeable of [false, true]) {
      const shape = { packed, mergeable, size: 256, eventIdx: true, start: 0 };
      const guests = Array.from({ length: GUESTS }, () => ({
        ...{ shape, base: 0, pieces: false, ledger: false, buffers: [[1600]], mtu: 1500 },
      }));
      const jobs = Array.from({ length: 100 }, (_, i) => ({
        ...{ from: 0, to: 1, bytes: 60 + 14 * i, cuts: [], indirect: false },
      }));
      // The first frame of each guest finds nothing known of its memory.
      const { plain, bursts, received } = compare({ guests, bursts: [jobs, jobs, jobs] });
      assert.equal(received[1]?.length, 300);
      assert.equal(bursts - plain, 1);
    }
  }
});
