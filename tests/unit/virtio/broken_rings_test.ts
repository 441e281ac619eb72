/**
 * Each rule that ends a ring, broken once: behind good chains, in both kinds of rings and both
 * directions. The good ones are served before that, and nothing behind.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { DESC, type OddDescriptor, writeDesc } from "../../../lib/guest/driver.ts";
import { isBadTable, TABLE_ENTRIES_MAX } from "../../../lib/virtio/bad_chain.ts";
import { CHAIN_BYTES_MAX, frameBytes, openFrames } from "../../../lib/virtio/burst.ts";
import { DELIVERED, OUTCOMES } from "../../../lib/virtio/deliver.ts";
import {
  RING_BAD_ADDRESS,
  RING_BAD_AVAIL,
  RING_BAD_INDEX,
  RING_BAD_INDIRECT,
  RING_LOOP,
  RING_OK,
} from "../../../lib/virtio/ring.ts";
import { Bench } from "./ring_bench.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const SIZE = 8;
/** Bytes of a frame with its header. */
const BYTES = 112;
/** The odd chain of a packed ring begins in this slot. */
const ODD_SLOT = 2;

type Kind = "split" | "packed";

/** A ring with good chains in front of the odd one. */
class Ring {
  readonly bench: Bench;
  readonly kind: Kind;
  /** Of a good descriptor: WRITE to receive. */
  readonly flags: number;
  /** An address outside all memory, right before it. */
  readonly outside: number;
  /** The last 100 bytes of memory. */
  readonly end: number;
  /** What the driver calls the odd chain: of a split ring, its first descriptor. */
  head = -1;

  constructor(kind: Kind, flags: number) {
    this.kind = kind;
    this.flags = flags;
    const setting = { packed: kind === "packed", size: SIZE, mergeable: false, eventIdx: false };
    this.bench = new Bench(setting);
    const { regions } = this.bench.memory;
    const { guestAddr = 0, sizeBytes = 0 } = regions[0] ?? {};
    this.outside = guestAddr - 4096;
    this.end = guestAddr + sizeBytes - 100;
  }

  /** A good descriptor. */
  piece(bytes = BYTES): OddDescriptor {
    return { address: this.bench.ram.take(bytes, 1), bytes, flags: this.flags };
  }

  offer(chain: readonly OddDescriptor[]): void {
    this.head = this.bench.driver.addOdd(chain);
    this.bench.driver.publish();
  }

  /** An indirect table with these entries; in a split ring they lead on as `next` says. */
  table(entries: readonly OddDescriptor[], next = (i: number): number => i + 1): OddDescriptor {
    const address = this.bench.ram.take(DESC * entries.length, 16);
    entries.forEach((entry, i) => {
      const more = this.kind === "split" && next(i) !== entries.length ? NEXT : 0;
      const flags = entry.flags | more;
      const words: [number, number] = this.kind === "split" ? [flags, next(i)] : [0, flags];
      writeDesc(this.bench.ram, address + DESC * i, entry, ...words);
    });
    return { address, bytes: DESC * entries.length, flags: INDIRECT };
  }

  /** Changes a descriptor of the ring. */
  write(index: number, offset: 12 | 14, change: (word: number) => number): void {
    const { ram, driver } = this.bench;
    const at = ram.at(driver.areas[0]) + DESC * index + offset;
    ram.view.setUint16(at, change(ram.view.getUint16(at, true)), true);
  }

  /** A word of a split ring's available ring: flags, index, heads. */
  writeAvail(word: number, value: number): void {
    const { ram, driver } = this.bench;
    ram.view.setUint16(ram.at(driver.areas[1]) + 2 * word, value, true);
  }

  /** Has packed slots from the odd one's first lead on to the next, `count` in all. */
  join(count: number): void {
    const { ram, driver } = this.bench;
    this.write(ODD_SLOT, 14, (flags) => flags | NEXT);
    for (let i = 1; i < count; i++) {
      const address = driver.areas[0] + DESC * ((ODD_SLOT + i) % SIZE);
      writeDesc(ram, address, this.piece(4), 0, this.flags | NEXT);
    }
  }
}

interface Odd {
  readonly name: string;
  readonly reason: number;
  readonly kind?: Kind;
  /** To receive alone. */
  readonly receive?: true;
  readonly chain: (ring: Ring) => readonly OddDescriptor[];
  /** What the driver does after it has made the chain available. */
  readonly then?: (ring: Ring) => void;
  /** Good chains in front of it are not served either. */
  readonly all?: true;
  /** The good chain is served before it is there. */
  readonly apart?: true;
}

const one = (ring: Ring): OddDescriptor[] => [ring.piece()];
const at = (address: (ring: Ring) => number) => (ring: Ring): OddDescriptor[] => [
  { ...ring.piece(), address: address(ring) },
];

const ODDS: readonly Odd[] = [
  { name: "a buffer outside memory", reason: RING_BAD_ADDRESS, chain: at((r) => r.outside) },
  { name: "a buffer that leaves memory", reason: RING_BAD_ADDRESS, chain: at((r) => r.end) },
  ...[53, 54, 62, 63].map((bit): Odd => ({
    name: `a buffer's address with bit ${bit} set`,
    reason: RING_BAD_ADDRESS,
    chain: at((r) => r.outside + 2 * 4096 + 2 ** bit),
  })),
  {
    name: "a second buffer outside memory",
    reason: RING_BAD_ADDRESS,
    chain: (r) => [r.piece(40), ...at(() => r.outside)(r)],
  },
  {
    name: "a table outside memory",
    reason: RING_BAD_ADDRESS,
    chain: (r) => [{ address: r.outside, bytes: 2 * DESC, flags: INDIRECT }],
  },
  {
    name: "a buffer of a table outside memory",
    reason: RING_BAD_ADDRESS,
    chain: (r) => [r.table([r.piece(40), ...at(() => r.outside)(r)])],
  },
  ...[2 ** 31, 2 ** 32 - 1].flatMap((bytes): Odd[] => [
    {
      name: `a buffer to receive of ${bytes} bytes`,
      ...{ reason: RING_BAD_ADDRESS, receive: true },
      chain: (r) => [{ ...r.piece(), bytes }],
    },
    {
      name: `a buffer to receive of ${bytes} bytes in a table`,
      ...{ reason: RING_BAD_ADDRESS, receive: true },
      chain: (r) => [r.table([{ ...r.piece(), bytes }])],
    },
  ]),
  ...[SIZE, 0xffff].flatMap((index): Odd[] => [
    {
      name: `a chain that goes on at ${index}`,
      ...{ reason: RING_BAD_INDEX, kind: "split", chain: (r) => [r.piece(40)] },
      then: (r) => {
        r.write(r.head, 12, (flags) => flags | NEXT);
        r.write(r.head, 14, () => index);
      },
    },
    {
      name: `a chain that begins at ${index}`,
      ...{ reason: RING_BAD_INDEX, kind: "split", chain: one },
      then: (r) => r.writeAvail(2 + ODD_SLOT, index),
    },
    {
      name: `a buffer's id of ${index}`,
      ...{ reason: RING_BAD_INDEX, kind: "packed", chain: one },
      then: (r) => r.write(ODD_SLOT, 12, () => index),
    },
    {
      name: `an id of ${index} at a chain's end`,
      ...{ reason: RING_BAD_INDEX, kind: "packed", chain: (r) => [r.piece(40), r.piece()] },
      then: (r) => r.write(ODD_SLOT + 1, 12, () => index),
    },
  ]),
  {
    name: "a table's entry that leads behind it",
    ...{ reason: RING_BAD_INDEX, kind: "split" },
    chain: (r) => [r.table([r.piece(40), r.piece(40)], (i) => i === 0 ? 1 : 3)],
  },
  {
    name: "a chain that leads to itself",
    ...{ reason: RING_LOOP, kind: "split", chain: (r) => [r.piece(1)] },
    then: (r) => {
      r.write(r.head, 12, (flags) => flags | NEXT);
      r.write(r.head, 14, () => r.head);
    },
  },
  {
    name: "a table that leads to itself",
    ...{ reason: RING_LOOP, kind: "split" },
    chain: (r) => [r.table([r.piece(1), r.piece(1)], () => 0)],
  },
  {
    name: "a chain without end",
    ...{ reason: RING_LOOP, kind: "packed", chain: (r) => [r.piece(1)], apart: true },
    then: (r) => r.join(SIZE),
  },
  {
    name: "a chain of the wrong direction without end",
    ...{ reason: RING_LOOP, kind: "packed", apart: true },
    chain: (r) => [{ ...r.piece(1), flags: r.flags ^ WRITE }],
    then: (r) => r.join(SIZE),
  },
  {
    name: "a table that is continued",
    ...{ reason: RING_BAD_INDIRECT, kind: "packed" },
    chain: (r) => [r.table([r.piece(40)]), r.piece(40)],
  },
  {
    name: "more chains than there are entries",
    ...{ reason: RING_BAD_AVAIL, kind: "split", chain: one, all: true },
    then: (r) => r.writeAvail(1, 1 + SIZE + 1),
  },
];

/** Sends what is there. @returns frames taken until there are no more */
function sendAll({ bench }: Ring): number {
  let frames = 0;
  while (bench.queue.broken === RING_OK) {
    const count = bench.take(SIZE);
    if (count === 0) break;
    frames += count;
    if (bench.queue.broken === RING_OK) bench.finish(count);
  }
  return frames;
}

/** Delivers so many frames of another guest. @returns frames that arrived */
function receive({ bench }: Ring, frames: number, plain = true): number {
  const sender = new Ring("split", 0);
  for (let i = 0; i < frames; i++) {
    sender.offer(plain ? [sender.piece()] : [sender.piece(60), sender.piece(52)]);
  }
  const count = sender.bench.take(SIZE);
  assert.equal(count, frames);
  openFrames(count, 12);
  const outcomes = new Int32Array(OUTCOMES);
  bench.deliver(Uint16Array.from({ length: count }, (_, i) => i), count, outcomes);
  sender.bench.release();
  return outcomes[DELIVERED] ?? 0;
}

for (const { name, reason, kind, receive: toReceive, chain, then, all, apart } of ODDS) {
  Deno.test(`${name} ends its ring, and what came before is served`, () => {
    for (const ringKind of ["split", "packed"] as const) {
      if (kind !== undefined && kind !== ringKind) continue;
      for (const flags of [0, WRITE]) {
        if (toReceive && flags !== WRITE) continue;
        const ring = new Ring(ringKind, flags);
        const serve = (frames: number): number => flags ? receive(ring, frames) : sendAll(ring);
        // Its memory is known then: what follows may go the plain way.
        ring.offer([ring.piece()]);
        assert.equal(serve(1), 1);
        ring.offer([ring.piece()]);
        if (apart) assert.equal(serve(1), 1);
        ring.offer(chain(ring));
        then?.(ring);
        assert.equal(serve(2), all || apart ? 0 : 1, `${ringKind}, ${flags}`);
        assert.equal(ring.bench.queue.broken, reason, `${ringKind}, ${flags}`);
        ring.bench.release();
      }
    }
  });
}

Deno.test("a packed chain that ends in a slot that is held ends its ring", () => {
  for (const flags of [0, WRITE]) {
    const ring = new Ring("packed", flags);
    ring.offer([ring.piece()]);
    assert.equal(flags ? receive(ring, 1) : sendAll(ring), 1);
    ring.offer([ring.piece()]);
    // What was taken to send is held until it is given back, what was filled until it is published.
    if (flags === 0) assert.equal(ring.bench.take(SIZE), 1);
    ring.offer([ring.piece(1)]);
    ring.join(SIZE - 1);
    assert.equal(flags ? receive(ring, 2, false) : ring.bench.take(SIZE), flags ? 1 : 0);
    assert.equal(ring.bench.queue.broken, RING_LOOP);
    ring.bench.release();
  }
});

Deno.test("a table may be as long as any driver makes it, and longer in a longer ring", () => {
  const long = DESC * TABLE_ENTRIES_MAX;
  for (const size of [1, 64, TABLE_ENTRIES_MAX]) {
    assert.deepEqual([long, long + DESC].map((bytes) => isBadTable(bytes, size)), [false, true]);
  }
  assert.deepEqual([2 * long, 2 * long + DESC].map((bytes) => isBadTable(bytes, 2048)), [
    ...[false, true],
  ]);
  for (const bytes of [0, -DESC, DESC - 1, DESC + 1]) assert(isBadTable(bytes, 64));
});

Deno.test("a frame longer than any is one of too many bytes, and nothing more of it is looked at", () => {
  const lengths: readonly ((ring: Ring) => OddDescriptor[])[] = [
    (r) => [r.piece(CHAIN_BYTES_MAX + 1)],
    (r) => [{ ...r.piece(), bytes: 2 ** 31 }],
    (r) => [{ ...r.piece(), bytes: 2 ** 32 - 1 }, r.piece(0)],
    (r) => [r.piece(CHAIN_BYTES_MAX), r.piece(1), ...at(() => r.outside)(r)],
    (r) => [r.piece(CHAIN_BYTES_MAX + 1), ...at(() => r.outside)(r)],
  ];
  for (const kind of ["split", "packed"] as const) {
    for (const make of lengths) {
      for (const indirect of [false, true]) {
        const ring = new Ring(kind, 0);
        const chain = make(ring);
        ring.offer(indirect ? [ring.table(chain)] : chain);
        assert.equal(ring.bench.take(SIZE), 1);
        assert.equal(ring.bench.queue.broken, RING_OK);
        assert.equal(frameBytes[0], CHAIN_BYTES_MAX + 1);
        ring.bench.finish(1);
        ring.bench.release();
      }
    }
  }
});
