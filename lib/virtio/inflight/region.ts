// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Inflight tracking (vhost-user.rst «Inflight I/O tracking»): which chains the device holds, kept in
 * memory the front-end shares with us and survives us with. One region per virtqueue:
 *
 * ```
 * split   features u64@0  version u16@8  desc_num u16@10  last_batch_head u16@12  used_idx u16@14
 *         entries @16, 16 bytes each: inflight u8@0  next u16@6  counter u64@8
 * packed  features u64@0  version u16@8  desc_num u16@10  free_head u16@12  old_free_head u16@14
 *         used_idx u16@16  old_used_idx u16@18  used_wrap u8@20  old_used_wrap u8@21
 *         entries @32, 32 bytes each: inflight u8@0  next u16@2  last u16@4  num u16@6
 *         counter u64@8  id u16@16  flags u16@18  len u32@20  addr u64@24
 * ```
 *
 * Everything taken is given back in the same visit, in order. Frames to send are marked when they
 * are taken. Receive buffers are marked when they are about to be given back: filling a buffer twice
 * hurts nobody, so until then they count as not taken. Nothing here is read again but by the next
 * process; a front-end that edits it hurts its own rings.
 *
 * @module
 */
import type { PackedQueue } from "../packed/queue.ts";
import type { SplitQueue } from "../split/queue.ts";

/** What `version` is once a region is in use; 0 before. */
export const INFLIGHT_VERSION = 1;
/** Regions start at multiples of this, bytes. */
export const INFLIGHT_ALIGN = 64;
/** Bytes before the entries of a split ring's region. */
export const SPLIT_HEADER_BYTES = 16;
/** Bytes of an entry there. */
export const SPLIT_ENTRY_BYTES = 16;
/** Bytes before the entries of a packed ring's region. */
export const PACKED_HEADER_BYTES = 32;
/** Bytes of an entry there. */
export const PACKED_ENTRY_BYTES = 32;

/** Offsets of the header's fields in units of 16 bits, and of bytes. */
const LAST_BATCH_HEAD = 6;
const USED_IDX = 7;
const FREE_HEAD = 6;
const HEADS_WORD = 3;
const USED_QUAD = 2;

/** Bytes of a region with `entries` entries. */
export function inflightBytes(packed: boolean, entries: number): number {
  const bytes = packed
    ? PACKED_HEADER_BYTES + PACKED_ENTRY_BYTES * entries
    : SPLIT_HEADER_BYTES + SPLIT_ENTRY_BYTES * entries;
  return Math.ceil(bytes / INFLIGHT_ALIGN) * INFLIGHT_ALIGN;
}

/** The region of a split virtqueue. Data-plane thread only. */
export class SplitInflight {
  /** The whole region, in bytes. */
  readonly bytes: Uint8Array;
  /** The whole region, in units of 16 bits. */
  readonly halves: Uint16Array;
  /** The whole region, in units of 32 bits. */
  readonly words: Int32Array;
  /** Order of the next chain taken, below 2^53. */
  counter: number;

  /**
   * A region in use.
   * @param offset of the region in `buffer`, a multiple of {@linkcode INFLIGHT_ALIGN}
   */
  constructor(buffer: ArrayBuffer, offset: number, entries: number, counter: number) {
    const bytes = SPLIT_HEADER_BYTES + SPLIT_ENTRY_BYTES * entries;
    this.bytes = new Uint8Array(buffer, offset, bytes);
    this.halves = new Uint16Array(buffer, offset, bytes / 2);
    this.words = new Int32Array(buffer, offset, bytes / 4);
    this.counter = counter;
  }
}

/** Marks chain `head` as held. The mark comes last: it is what counts. */
function markSplit(inflight: SplitInflight, head: number): void {
  const word = 4 + 4 * head;
  const counter = inflight.counter++;
  inflight.words[word + 2] = counter | 0;
  inflight.words[word + 3] = (counter / 4294967296) | 0;
  inflight.bytes[SPLIT_HEADER_BYTES + SPLIT_ENTRY_BYTES * head] = 1;
}

/** Marks `count` chains that were taken. @param heads below the ring's size */
export function splitTaken(inflight: SplitInflight, heads: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) markSplit(inflight, heads[i]!);
}

/**
 * The used entries from `from` to before `to`, both free running, are about to be published: links
 * them, so that whoever finds the used index ahead of ours knows which they are.
 * @param unmarked they are receive buffers, marked only now
 */
export function splitGiving(
  queue: SplitQueue,
  inflight: SplitInflight,
  from: number,
  to: number,
  unmarked: boolean,
): void {
  const { mask, size, usedRing } = queue;
  const { halves } = inflight;
  for (let index = from; index !== to; index = (index + 1) & 0xffff) {
    // Read back from the guest's memory, where it may have been changed.
    const head = usedRing[2 * (index & mask)]!;
    if (head < 0 || head >= size) continue;
    if (unmarked) markSplit(inflight, head);
    halves[8 + 8 * head + 3] = halves[LAST_BATCH_HEAD]!;
    halves[LAST_BATCH_HEAD] = head;
  }
}

/** The used entries from `from` to before `to` are published: their chains are held no longer. */
export function splitGiven(
  queue: SplitQueue,
  inflight: SplitInflight,
  from: number,
  to: number,
): void {
  const { mask, size, usedRing } = queue;
  for (let index = from; index !== to; index = (index + 1) & 0xffff) {
    const head = usedRing[2 * (index & mask)]!;
    if (head >= 0 && head < size) {
      inflight.bytes[SPLIT_HEADER_BYTES + SPLIT_ENTRY_BYTES * head] = 0;
    }
  }
  inflight.halves[USED_IDX] = to;
}

/**
 * The region of a packed virtqueue. Its entries are used from number 0 on and all free again after
 * each visit, the last one first, so that the list of free ones never changes: each leads to the
 * next. Data-plane thread only.
 */
export class PackedInflight {
  /** The whole region, in bytes. */
  readonly bytes: Uint8Array;
  /** The whole region, in units of 16 bits. */
  readonly halves: Uint16Array;
  /** The whole region, in units of 32 bits. */
  readonly words: Int32Array;
  /** The whole region, in units of 64 bits. */
  readonly quads: BigUint64Array;
  /** The 8 bytes of both used positions: one store changes them together. */
  readonly next: BigUint64Array = new BigUint64Array(1);
  /** `next` in units of 16 bits. */
  readonly nextHalves: Uint16Array = new Uint16Array(this.next.buffer);
  /** `next` in bytes. */
  readonly nextBytes: Uint8Array = new Uint8Array(this.next.buffer);
  /** Order of the next chain taken, below 2^53. */
  counter: number;
  /** Chains marked. */
  held = 0;
  /** First entry of each chain that is marked. */
  readonly heads: Int32Array;

  /**
   * A region in use.
   * @param offset of the region in `buffer`, a multiple of {@linkcode INFLIGHT_ALIGN}
   */
  constructor(buffer: ArrayBuffer, offset: number, entries: number, counter: number) {
    const bytes = PACKED_HEADER_BYTES + PACKED_ENTRY_BYTES * entries;
    this.bytes = new Uint8Array(buffer, offset, bytes);
    this.halves = new Uint16Array(buffer, offset, bytes / 2);
    this.words = new Int32Array(buffer, offset, bytes / 4);
    this.quads = new BigUint64Array(buffer, offset, bytes / 8);
    this.counter = counter;
    this.heads = new Int32Array(entries);
  }
}

/** Saves the descriptors of `count` chains that were taken from ring slot `first` on. */
export function packedTaken(
  queue: PackedQueue,
  inflight: PackedInflight,
  first: number,
  count: number,
  chainSlots: Int32Array,
): void {
  const { desc, size } = queue;
  const { bytes, halves, heads, words } = inflight;
  let slot = first;
  let entry = 0;
  for (let i = 0; i < count; i++) {
    const slots = chainSlots[i]!;
    const head = 8 + 8 * entry;
    const counter = inflight.counter++;
    words[head + 2] = counter | 0;
    words[head + 3] = (counter / 4294967296) | 0;
    halves[2 * head + 2] = entry + slots - 1;
    halves[2 * head + 3] = slots;
    bytes[4 * head] = 1;
    heads[i] = entry;
    for (let k = 0; k < slots; k++) {
      const word = 8 + 8 * entry++;
      words[word + 4] = desc[4 * slot + 3]!;
      words[word + 5] = desc[4 * slot + 2]!;
      words[word + 6] = desc[4 * slot]!;
      words[word + 7] = desc[4 * slot + 1]!;
      if (++slot === size) slot = 0;
    }
  }
  inflight.held = count;
  // Both heads of the list of free entries in one store: until here nothing was taken.
  words[HEADS_WORD] = entry | (entry << 16);
}

/** All chains held are about to be written used, up to the queue's available position. */
export function packedGiving(queue: PackedQueue, inflight: PackedInflight): void {
  const { next, nextBytes, nextHalves, quads } = inflight;
  inflight.halves[FREE_HEAD] = 0;
  next[0] = quads[USED_QUAD]!;
  nextHalves[0] = queue.availSlot;
  nextBytes[4] = queue.availWrap;
  quads[USED_QUAD] = next[0]!;
}

/** The chains of {@linkcode packedGiving} are published: they are held no longer. */
export function packedGiven(queue: PackedQueue, inflight: PackedInflight): void {
  const { bytes, heads, next, nextBytes, nextHalves, quads } = inflight;
  for (let i = 0; i < inflight.held; i++) {
    bytes[PACKED_HEADER_BYTES + PACKED_ENTRY_BYTES * heads[i]!] = 0;
  }
  inflight.held = 0;
  inflight.words[HEADS_WORD] = 0;
  nextHalves[1] = queue.usedSlot;
  nextBytes[5] = queue.usedWrap;
  quads[USED_QUAD] = next[0]!;
}
