/**
 * Chains that are no good, among good ones, in both directions: each goes back in its turn with
 * length 0 and is counted, nothing of it is touched, the ring goes on, and the reason is told once.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { DESC, type OddDescriptor, writeDesc } from "../../lib/guest/driver.ts";
import { PORT, VRING } from "../../lib/switch/counters.ts";
import { RING_BAD_INDIRECT } from "../../lib/virtio/ring.ts";
import { TABLE_ENTRIES_MAX } from "../../lib/virtio/bad_chain.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "./two_ports.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
/** Header, frame and some more: room for any frame of these tests. */
const ROOM = 256;
const RAM_BYTES = 1 << 18;

/** A kind of bad chain. `good` is WRITE to receive and 0 to send, `bad` the other one. */
interface Odd {
  readonly name: string;
  readonly reason: "bad-direction" | "bad-indirect";
  /** Null: this is no bad chain in such a ring. */
  readonly make: (
    bench: Bench,
    at: number,
    good: number,
    bad: number,
  ) => readonly OddDescriptor[] | null;
}

/** An indirect table of two entries. @returns its address */
function table(bench: Bench, at: number, flags: readonly [number, number]): number {
  const { ram, shape } = bench;
  const address = ram.take(2 * DESC);
  flags.forEach((word, i) => {
    const more = i === 0 ? NEXT : 0;
    const words: [number, number] = shape.packed ? [0, word] : [word | more, 1];
    writeDesc(ram, address + DESC * i, { address: at + 64 * i, bytes: 64 }, ...words);
  });
  return address;
}

/** A table that claims to be this long. */
function ofLength(bytes: number): Odd["make"] {
  return (bench, at, good) => [{ address: table(bench, at, [good, good]), bytes, flags: INDIRECT }];
}

const ODDS: readonly Odd[] = [
  {
    name: "alone and of the wrong direction",
    reason: "bad-direction",
    make: (_, address, _good, flags) => [{ address, bytes: 80, flags }],
  },
  {
    name: "the wrong direction behind the right one",
    reason: "bad-direction",
    make: (_, address, good, bad) => [
      { address, bytes: 80, flags: good },
      { address: address + 80, bytes: 80, flags: bad },
    ],
  },
  {
    name: "the wrong direction before the right one",
    reason: "bad-direction",
    make: (_, address, good, bad) => [
      { address, bytes: 12, flags: bad },
      { address: address + 80, bytes: 80, flags: good },
    ],
  },
  {
    name: "the wrong direction in an indirect table",
    reason: "bad-direction",
    make: (bench, at, good, bad) => {
      // DPDK 22.11 leaves WRITE on the header's entry of its packed transmit tables.
      if (bench.shape.packed && bad === WRITE) return null;
      return [{ address: table(bench, at, [good, bad]), bytes: 2 * DESC, flags: INDIRECT }];
    },
  },
  { name: "an empty table", reason: "bad-indirect", make: ofLength(0) },
  { name: "a table cut short", reason: "bad-indirect", make: ofLength(2 * DESC - 1) },
  { name: "a table and a byte", reason: "bad-indirect", make: ofLength(2 * DESC + 1) },
  {
    name: "a table longer than any",
    reason: "bad-indirect",
    make: ofLength(DESC * (TABLE_ENTRIES_MAX + 1)),
  },
  { name: "a table of 4 GiB", reason: "bad-indirect", make: ofLength(2 ** 32 - DESC) },
  {
    name: "a table in a table",
    reason: "bad-indirect",
    make: (bench, at, good) => {
      const inner = table(bench, at, [good, good | INDIRECT]);
      return [{ address: inner, bytes: 2 * DESC, flags: INDIRECT }];
    },
  },
  {
    name: "a table that is continued, or continues",
    reason: "bad-indirect",
    make: (bench, at, good) => {
      const data = { address: at, bytes: 80, flags: good };
      const one = {
        address: table(bench, at, [good, good]),
        bytes: 2 * DESC,
        flags: INDIRECT,
      };
      // A split chain may end in a table, a packed one is a table or is none.
      return bench.shape.packed ? [data, data, one] : [one, data];
    },
  },
];

type Job = { readonly odd: number | null; readonly bytes: number };

const job: fc.Arbitrary<Job> = fc.record({
  odd: fc.option(fc.nat(ODDS.length - 1), { freq: 2 }),
  bytes: fc.integer({ min: 14, max: ROOM - 12 }),
});

const shape: fc.Arbitrary<Shape> = fc.record({
  packed: fc.boolean(),
  size: fc.constant(64),
  mergeable: fc.boolean(),
  eventIdx: fc.boolean(),
  start: fc.constantFrom(0, 65_530),
});

/** Where bad chains point to: nothing of it may change. */
class Forbidden {
  readonly #bench: Bench;
  readonly address: number;

  constructor(bench: Bench) {
    this.#bench = bench;
    this.address = bench.ram.take(ROOM, 16);
    bench.ram.write(this.address, new Uint8Array(ROOM).fill(0x5a));
  }

  check(): void {
    const bytes = this.#bench.ram.read(this.address, ROOM);
    assert(bytes.every((byte) => byte === 0x5a), "nothing is written where a bad chain points");
  }
}

/** Adds a bad chain. @returns its reason, or null if there is none or no room */
function addOdd(bench: Bench, ring: "rx" | "tx", number: number, at: number): string | null {
  const odd = ODDS[number] as Odd;
  const good = ring === "rx" ? WRITE : 0;
  const chain = odd.make(bench, at, good, WRITE - good);
  if (chain === null || bench[ring].addOdd(chain) < 0) return null;
  bench[ring].publish();
  return odd.reason;
}

function counter(path: ReturnType<typeof makePath>, base: number, index: number): number {
  return path.counters[base + index] ?? 0;
}

Deno.test("bad chains cost themselves alone, in rings of any kind and both directions", () => {
  const jobs = fc.array(job, { maxLength: 40 });
  fc.assert(
    fc.property(shape, shape, jobs, jobs, (a, b, sends, offers) => {
      const sender = new Bench(0, a, 0, RAM_BYTES);
      const receiver = new Bench(1, b, 2 ** 32, RAM_BYTES);
      const path = makePath([sender, receiver]);
      const [there, here] = [new Forbidden(sender), new Forbidden(receiver)];
      receiver.rx.wantCalls(true);
      const buffers: (string | null)[] = [];
      for (const { odd } of offers) {
        if (odd === null) { if (receiver.offer([ROOM], false)) buffers.push(null); }
        else {
          const reason = addOdd(receiver, "rx", odd, here.address);
          if (reason !== null) buffers.push(reason);
        }
      }
      const frames: Uint8Array[] = [];
      const badSends: string[] = [];
      for (const [i, { odd, bytes }] of sends.entries()) {
        if (odd === null) {
          const frame = frameOf(bytes, i, true);
          if (sender.send(frame, [], false)) frames.push(frame);
        } else {
          const reason = addOdd(sender, "tx", odd, there.address);
          if (reason !== null) badSends.push(reason);
        }
      }
      while (poll(path, sender) > 0);
      // What the receiver must see: each frame takes the next good buffer, and bad ones on the way.
      const got: Uint8Array[] = [];
      const badOffers: string[] = [];
      let next = 0;
      for (const frame of frames) {
        while (next < buffers.length && buffers[next] !== null) {
          badOffers.push(buffers[next++] as string);
        }
        if (next === buffers.length) break;
        next++;
        got.push(frame);
      }
      assert.deepEqual(receiver.received(), got);
      assert.equal(receiver.returnedEmpty, badOffers.length);
      assert.equal(sender.tx.takeUsed().length, frames.length + badSends.length);
      assert.equal(sender.tx.free, a.size, "every chain came back");
      assert.equal(receiver.calls, got.length + badOffers.length > 0 ? 1 : 0);
      there.check();
      here.check();
      const { counterBase } = sender.port;
      assert.equal(counter(path, counterBase, PORT.rxDroppedMalformed), badSends.length);
      assert.equal(counter(path, counterBase, PORT.rxFrames), frames.length);
      const [rx, tx] = [receiver.port.vrings[0], sender.port.vrings[1]];
      assert.equal(counter(path, rx?.counterBase ?? 0, VRING.badChains), badOffers.length);
      assert.equal(counter(path, tx?.counterBase ?? 0, VRING.badChains), badSends.length);
      const once = (ring: number, reasons: string[]): string[] =>
        [...new Set(reasons)].map((reason) => `${ring} ${reason}`).sort();
      assert.deepEqual(receiver.badChains.toSorted(), once(0, badOffers));
      assert.deepEqual(sender.badChains.toSorted(), once(1, badSends));
    }),
    { numRuns: 400, seed: 7 },
  );
});

Deno.test("a table is a bad chain where none was negotiated", () => {
  for (const packed of [false, true]) {
    const plain = { packed, size: 8, mergeable: true, eventIdx: false, start: 0, indirect: false };
    const sender = new Bench(0, plain, 0);
    const receiver = new Bench(1, plain, 2 ** 32);
    const path = makePath([sender, receiver]);
    assert(receiver.offer([ROOM], true));
    assert(receiver.offer([ROOM], false));
    assert(sender.send(frameOf(60, 1, true), [], true));
    assert(sender.send(frameOf(60, 2, true), [], false));
    assert.equal(poll(path, sender), 2);
    assert.equal(sender.tx.takeUsed().length, 2);
    assert.deepEqual(receiver.received(), [frameOf(60, 2, true)]);
    assert.deepEqual(sender.badChains, ["1 bad-indirect"]);
    assert.deepEqual(receiver.badChains, ["0 bad-indirect"]);
  }
});

Deno.test("a table longer than its ring is served, as Linux makes them in small rings", () => {
  for (const packed of [false, true]) {
    for (const entries of [20, TABLE_ENTRIES_MAX]) {
      const plain = { packed, size: 4, mergeable: false, eventIdx: false, start: 0 };
      const sender = new Bench(0, plain, 0);
      const receiver = new Bench(1, plain, 2 ** 32);
      const path = makePath([sender, receiver]);
      const frame = frameOf(1500, 3, true);
      assert(receiver.offer(Array<number>(entries).fill(1512 / 12), true));
      const cuts = Array.from({ length: entries - 1 }, (_, i) => i + 1);
      assert(sender.send(frame, cuts, true));
      assert.equal(poll(path, sender), 1);
      assert.deepEqual(receiver.received(), [frame]);
      assert.deepEqual([...sender.badChains, ...receiver.badChains], []);
    }
  }
});

Deno.test("a packed table that is continued stops its ring: nobody can tell where it ends", () => {
  for (const first of [true, false]) {
    const plain = { packed: true, size: 8, mergeable: true, eventIdx: false, start: 0 };
    const sender = new Bench(0, plain, 0);
    const path = makePath([sender]);
    const broken: number[] = [];
    Object.assign(path.host, { ringBroken: () => broken.push(1) });
    const data = { address: sender.ram.take(64), bytes: 64, flags: 0 };
    const one = { address: table(sender, data.address, [0, 0]), bytes: 2 * DESC, flags: INDIRECT };
    sender.tx.addOdd(first ? [one, data] : [data, one, data]);
    sender.tx.publish();
    assert.equal(poll(path, sender), 0);
    assert.equal(sender.port.vrings[1]?.queue.broken, RING_BAD_INDIRECT);
    assert.equal(broken.length, 1);
  }
});
