/**
 * What a bad guest does to its rings and memory between two visits of the switch: mostly what a
 * good one would do, so that cases get far, and any number now and then.
 *
 * @module
 */
import fc from "fast-check";
import { VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT } from "../../lib/virtio/ring.ts";
import { GOOD_FRAME_MAX, GOOD_FRAMES_MAX, type Kind } from "./arena.ts";
import { type Asking, askings } from "./hostile_asks.ts";
import { often } from "./often.ts";

/** A region of the bad guest. */
export interface Region {
  readonly guestAddr: number;
  readonly bytes: number;
}

/** Rings lie in the first region, then indirect tables, then frames. */
export const RING_BYTES = 8192;
/** Bytes between two indirect tables. */
export const TABLE_BYTES = 512;
const TABLES = 8;
/** Where tables start in the first region. */
export const TABLES_AT: number = 2 * RING_BYTES;
/** Where frames start in the first region. */
export const DATA_AT: number = TABLES_AT + TABLES * TABLE_BYTES;
/** Frames lie at multiples of this. */
export const DATA_STEP = 64;

/** Two regions that touch, in guest space only, and one far above 4 GiB. */
export const LOW: Region = { guestAddr: 0, bytes: 96 << 10 };
/** Behind {@linkcode LOW} for the guest. */
export const NEXT: Region = { guestAddr: LOW.bytes, bytes: 16 << 10 };
/** Far away. */
export const FAR: Region = { guestAddr: 5 * 2 ** 30, bytes: 8 << 10 };

/** A descriptor; `flags` are exclusive-ored with those that would be right. */
export interface Desc {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

/** One deed. Indices are taken modulo what there is. */
export type Op =
  | { readonly do: "desc"; readonly ring: 0 | 1; readonly slot: number; readonly desc: Desc }
  | {
    readonly do: "table";
    readonly ring: 0 | 1;
    readonly table: number;
    readonly entries: readonly Desc[];
  }
  | { readonly do: "offer"; readonly ring: 0 | 1; readonly heads: readonly (number | null)[] }
  | { readonly do: "jump"; readonly ring: 0 | 1; readonly to: number }
  | { readonly do: "poke"; readonly at: number; readonly value: number }
  /** Rewrites the last byte of a frame's destination. */
  | { readonly do: "frame"; readonly frame: number; readonly to: number }
  /** Puts a frame there that asks for a checksum or segments, and has a descriptor show it. */
  | {
    readonly do: "asks";
    readonly frame: number;
    readonly slot: number;
    readonly what: (headerBytes: number) => Asking;
  }
  /** Makes a descriptor claim more than it did. */
  | { readonly do: "grow"; readonly ring: 0 | 1; readonly slot: number }
  | { readonly do: "good"; readonly count: number; readonly bytes: number }
  /** Does it in the next visit, after as many looks of the switch at the guest's memory. */
  | { readonly do: "race"; readonly after: number; readonly op: Op }
  /** What a front-end says of its guest's IOMMU; pages of the first region and one of any. */
  | {
    readonly do: "iotlb";
    readonly forget: boolean;
    readonly page: number;
    readonly pages: number;
    readonly region: number;
    readonly target: number;
    readonly permission: number;
  }
  | { readonly do: "visit" | "kicks" };

function near(address: number): fc.Arbitrary<number> {
  return fc.integer({ min: Math.max(0, address - 80), max: address + 40 });
}

const frames = (LOW.bytes - DATA_AT) / DATA_STEP;
const address = often(
  [40, fc.nat(frames - 1).map((n) => DATA_AT + DATA_STEP * n)],
  [8, fc.integer({ min: DATA_AT, max: LOW.bytes - 1 })],
  [1, fc.nat(DATA_AT)],
  // Up to the very end of a region: a byte more is somebody else's.
  [
    8,
    fc.tuple(
      fc.constantFrom(LOW, NEXT, FAR),
      fc.constantFrom(60, 76, 600, 1514),
    ).map(([{ guestAddr, bytes }, length]) => guestAddr + bytes - length),
  ],
  // Around borders: of two regions, and of memory.
  [6, near(NEXT.guestAddr)],
  [1, near(NEXT.guestAddr + NEXT.bytes)],
  [2, near(FAR.guestAddr)],
  [2, near(FAR.guestAddr + FAR.bytes - 2048)],
  [1, fc.constantFrom(2 ** 31 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 47, 2 ** 53 - 1, 2 ** 53, 2 ** 62)],
);
const length = often(
  [20, fc.constantFrom(60, 76, 600, 1514, 2048)],
  [8, fc.nat(64)],
  [2, fc.nat(LOW.bytes)],
  [1, fc.constantFrom(0, 10, 12, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 65_562, 65_563)],
);
const flags = often(
  [20, fc.constant(0)],
  [5, fc.constant(VRING_DESC_F_NEXT)],
  [1, fc.nat(7)],
  [1, fc.nat(0xffff).map((bits) => bits & ~VRING_DESC_F_INDIRECT)],
);
const next = often([10, fc.nat(63)], [1, fc.nat(0xffff)]);
const desc: fc.Arbitrary<Desc> = often(
  [8, fc.record({ address, length, flags, next })],
  [
    2,
    fc.record({
      address: fc.nat(TABLES - 1).map((table) => TABLES_AT + TABLE_BYTES * table),
      length: often([6, fc.integer({ min: 1, max: 9 }).map((n) => 16 * n)], [1, fc.nat(600)]),
      flags: often([8, fc.constant(VRING_DESC_F_INDIRECT)], [1, fc.nat(7).map((n) => n | 4)]),
      next,
    }),
  ],
);
const ring = fc.constantFrom(0 as const, 1 as const);
const head = often<number | null>(
  [40, fc.constant(null)],
  [4, fc.nat(63)],
  [1, fc.nat(0xffff)],
);

/** What a guest may do at any moment. */
const deeds: readonly (readonly [number, fc.Arbitrary<Op>])[] = [
  [12, fc.record({ do: fc.constant("desc" as const), ring, slot: fc.nat(63), desc })],
  [
    3,
    fc.record({
      ...{ do: fc.constant("table" as const), ring, table: fc.nat(TABLES - 1) },
      entries: fc.array(desc, { minLength: 1, maxLength: 9 }),
    }),
  ],
  [
    10,
    fc.record({
      ...{ do: fc.constant("offer" as const), ring },
      heads: fc.array(head, { minLength: 1, maxLength: 12 }),
    }),
  ],
  [1, fc.record({ do: fc.constant("jump" as const), ring, to: fc.nat(0xffff) })],
  [
    3,
    fc.record({
      ...{ do: fc.constant("frame" as const), frame: fc.nat(frames - 1), to: fc.nat(3) },
    }),
  ],
  [3, fc.record({ do: fc.constant("grow" as const), ring, slot: fc.nat(63) })],
  [
    8,
    fc.record({
      ...{ do: fc.constant("asks" as const), frame: fc.nat(frames - 1) },
      ...{ slot: fc.nat(63), what: askings },
    }),
  ],
];

const op: fc.Arbitrary<Op> = often<Op>(
  ...deeds,
  [
    1,
    fc.record({
      do: fc.constant("poke" as const),
      at: fc.nat(RING_BYTES - 1),
      value: fc.nat(0xffff),
    }),
  ],
  [
    6,
    fc.record({
      ...{ do: fc.constant("race" as const), op: often(...deeds) },
      after: often([4, fc.nat(12)], [2, fc.nat(60)], [1, fc.nat(600)]),
    }),
  ],
  [
    6,
    fc.record({
      ...{ do: fc.constant("iotlb" as const), region: fc.nat(2), target: fc.nat(23) },
      forget: often([2, fc.constant(false)], [1, fc.constant(true)]),
      page: fc.nat(31),
      pages: often([4, fc.constant(1)], [1, fc.integer({ min: 1, max: 24 })]),
      permission: often([4, fc.constant(3)], [1, fc.integer({ min: 1, max: 2 })]),
    }),
  ],
  [8, fc.constant({ do: "visit" as const })],
  [
    6,
    fc.record({
      ...{ do: fc.constant("good" as const), count: fc.integer({ min: 1, max: GOOD_FRAMES_MAX }) },
      bytes: often([1, fc.constant(60)], [2, fc.integer({ min: 19, max: GOOD_FRAME_MAX })]),
    }),
  ],
  [1, fc.constant({ do: "kicks" as const })],
);

const kind: fc.Arbitrary<Kind> = fc.record({
  packed: fc.boolean(),
  size: fc.constantFrom(1, 2, 8, 64),
  mergeable: fc.boolean(),
  eventIdx: fc.boolean(),
  indirect: fc.boolean(),
  headerBytes: fc.constantFrom(10 as const, 12 as const),
});

/** A whole case. */
export interface Case {
  readonly kind: Kind;
  /** Its addresses are I/O virtual. */
  readonly iommu: boolean;
  /** Index of the first entry, free running. */
  readonly start: number;
  readonly goodPacked: boolean;
  /** It may ask for checksums and segments, and which of the good guests take them all. */
  readonly offloads: boolean;
  readonly takes: readonly [boolean, boolean];
  /** Whether bursts may go the plain way. */
  readonly plain: boolean;
  readonly ops: readonly Op[];
  /** Little may be sent to many, and few addresses be learned, from its port. */
  readonly limits: boolean;
}

/** Cases, small ones first when they are shrunk. */
export const cases: fc.Arbitrary<Case> = fc.record({
  kind,
  iommu: often([2, fc.constant(false)], [1, fc.constant(true)]),
  start: fc.constantFrom(0, 1, 0x7fff, 0xffff),
  goodPacked: fc.boolean(),
  offloads: often([3, fc.constant(true)], [1, fc.constant(false)]),
  takes: fc.tuple(fc.boolean(), fc.boolean()),
  plain: often([3, fc.constant(true)], [1, fc.constant(false)]),
  ops: fc.array(op, { minLength: 4, maxLength: 120, size: "max" }),
  limits: often([2, fc.constant(false)], [1, fc.constant(true)]),
});
