// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The ring between the data plane, which puts captured frames in, and the control thread, which takes
 * them out. It never waits: a frame that finds no room is lost, and counted.
 *
 * ```
 *   0     head   u32   where the next record goes, bytes from RING_HEAD_BYTES; the data plane's
 *   64    tail   u32   where the oldest one stands; the control thread's
 *   128   for each interface, 16 bytes: frames seen, of those matched, of those lost, 4 free
 *   8192  records, each of whole 8 bytes, none over the end
 *
 *   record  0  u32  bytes of all of it       16  u32  bytes of the frame that are here
 *           4  u16  interface                20  u32  bytes that it has
 *           6  u8   direction                24  i32  why it was dropped: a counter of PORT; -1
 *           7  u8   1: none, goes on at 0    28  u32  frames of the interface lost so far
 *           8  f64  when, ms of the epoch    32       its virtio-net header, 12 bytes
 *                                            44  u32  1: it asks for offloads, and that one says so
 *           48      the frame
 * ```
 *
 * Numbers are those of the processor, all of which are little-endian here.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";
import { PORTS_MAX } from "../../base/limits.ts";

/** Captures at once, of one data plane. */
export const CAPTURES_MAX = 8;

/** Bytes in front of the records. */
export const RING_HEAD_BYTES = 8192;
/** Words of 32 bits where head and tail stand: a cache line each. */
export const RING_HEAD_WORD = 0;
/** See above. */
export const RING_TAIL_WORD = 16;
/** Where the counts of interfaces begin, and how far apart they are, words. */
export const RING_COUNTS_WORD = 32;
/** See above. */
export const RING_COUNTS_STRIDE = 4;
/** Bytes of a record in front of its frame. */
export const RECORD_BYTES = 48;
/** Smallest ring: it holds the longest frame twice. */
export const RING_BYTES_MIN: number = 2 ** 18;
/** Largest: within one window of the data plane. */
export const RING_BYTES_MAX: number = 2 ** 29;

/** Offsets in a record, as drawn above. */
export const RECORD = {
  bytes: 0,
  interface: 4,
  direction: 6,
  skip: 7,
  when: 8,
  captured: 16,
  original: 20,
  reason: 24,
  lost: 28,
  header: 32,
  asks: 44,
} as const;

/** From whoever is behind the port into the switch; values as pcapng's epb_flags have them. */
export const DIRECTION_IN = 1;
/** From the switch to whoever is behind the port. */
export const DIRECTION_OUT = 2;

assert(
  4 * (RING_COUNTS_WORD + RING_COUNTS_STRIDE * PORTS_MAX) <= RING_HEAD_BYTES,
  "counts of all ports stand in front of the records",
);

/** The data plane's end of a ring. */
export class CaptureRing {
  /** All of it. */
  readonly view: DataView;
  readonly #words: Int32Array;
  readonly #bytes: number;

  /** A ring of `sizeBytes` bytes, all zeros, from `offset` of a buffer on, both whole 8 bytes. */
  constructor(buffer: ArrayBufferLike, offset: number, sizeBytes: number) {
    assert(sizeBytes >= RING_BYTES_MIN && sizeBytes <= RING_BYTES_MAX, "a ring of a size");
    assert(sizeBytes % 8 === 0 && offset % 8 === 0, "a ring of whole words");
    this.view = new DataView(buffer, offset, sizeBytes);
    this.#words = new Int32Array(buffer, offset, RING_HEAD_BYTES / 4);
    this.#bytes = sizeBytes - RING_HEAD_BYTES;
  }

  /** Counts a frame of an interface. @param what 0: seen, 1: matched, 2: lost */
  count(interfaceNumber: number, what: number): void {
    const word = RING_COUNTS_WORD + RING_COUNTS_STRIDE * interfaceNumber + what;
    this.#words[word] = this.#words[word]! + 1;
  }

  /** Frames of an interface that were lost. */
  lost(interfaceNumber: number): number {
    return this.#words[RING_COUNTS_WORD + RING_COUNTS_STRIDE * interfaceNumber + 2]!;
  }

  /**
   * Finds room for a record. Nobody sees it before it is published.
   * @param bytes of the frame that it will hold
   * @returns where it begins in `view`, or -1
   */
  reserve(bytes: number): number {
    const size = RECORD_BYTES + ((bytes + 7) & ~7);
    const head = this.#words[RING_HEAD_WORD]!;
    const tail = Atomics.load(this.#words, RING_TAIL_WORD);
    // Head and tail are equal where it is empty: a record never fills it to the last byte.
    let at = -1;
    if (head < tail) {
      if (size < tail - head) at = head;
    } else {
      const end = this.#bytes - head;
      if (size < end || (size === end && tail > 0)) at = head;
      else if (size < tail) {
        this.view.setUint32(RING_HEAD_BYTES + head + RECORD.bytes, end, true);
        this.view.setUint8(RING_HEAD_BYTES + head + RECORD.skip, 1);
        at = 0;
      }
    }
    if (at < 0) return -1;
    this.view.setUint32(RING_HEAD_BYTES + at + RECORD.bytes, size, true);
    this.view.setUint8(RING_HEAD_BYTES + at + RECORD.skip, 0);
    return RING_HEAD_BYTES + at;
  }

  /** The record that was reserved last, at `at`, is whole. */
  publish(at: number): void {
    const end = at - RING_HEAD_BYTES + this.view.getUint32(at + RECORD.bytes, true);
    Atomics.store(this.#words, RING_HEAD_WORD, end === this.#bytes ? 0 : end);
  }
}
