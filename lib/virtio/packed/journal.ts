// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The journal of a packed virtqueue: where it stands, in a file of ours that outlives the process.
 * The ring itself does not say it as a split one does, and QEMU, when its back-end was lost, claims
 * that the ring is new. Frames are dropped or sent twice where we crash; buffers never get lost.
 *
 * Words of a record, 32 bits each, little-endian:
 *
 * ```
 * 0 JOURNAL_VALID   1 entries   2-9 identity   10 used   11 pending   12 plain   13 receives
 * 16… chains of the visit under way: id | slots << 16, bytes written; or bytes written alone
 * ```
 *
 * A position is slot | wrap << 15. Before anything is written into the ring, `pending` is stored:
 * where the ring will stand, and in its upper half how many chains are listed. `used` follows after
 * the first flags, which publish all. If they differ, the process died in between, and the next one
 * finishes from the list. Chains of one slot each have their ids in the ring, so for them the upper
 * half is 0 and only the bytes are listed; nothing is, where the device writes no buffers.
 *
 * @module
 */
import type { PackedQueue } from "./queue.ts";

/** Word 0 of a record in use. */
export const JOURNAL_VALID = 0x76737731;
/** Word: entries of the ring. */
export const JOURNAL_ENTRIES = 1;
/** First word of the identity: device, inode, file offset, region bytes, a u64 each. */
export const JOURNAL_IDENTITY = 2;
/** Word: the position that is published. */
export const JOURNAL_USED = 10;
/** Word: the position after the visit under way, and how many chains are listed. */
export const JOURNAL_PENDING = 11;
/** 1: every chain since the ring was new had one slot. */
export const JOURNAL_PLAIN = 12;
/** 1: the device writes the buffers. */
export const JOURNAL_RECEIVES = 13;
/** First word of the list of chains. */
export const JOURNAL_LIST = 16;

/** Bytes of a record for a ring of `size` entries. */
export function journalBytes(size: number): number {
  return 4 * JOURNAL_LIST + 8 * size;
}

/** The record of a running virtqueue. Data-plane thread only. */
export class PackedJournal {
  /** The whole record. */
  readonly words: Int32Array;
  /** The device writes the buffers: how many bytes is noted. */
  readonly receives: boolean;

  /** A record that is in use. @param offset of the record in `buffer`, bytes, a multiple of 4 */
  constructor(buffer: ArrayBuffer, offset: number, size: number) {
    this.words = new Int32Array(buffer, offset, journalBytes(size) / 4);
    this.receives = this.words[JOURNAL_RECEIVES] === 1;
  }
}

/** `count` chains are about to be written used, up to the queue's available position. */
export function journalGiving(
  queue: PackedQueue,
  journal: PackedJournal,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
  slots: Int32Array,
): void {
  const { words } = journal;
  const { availSlot, size, usedSlot } = queue;
  const total = availSlot > usedSlot ? availSlot - usedSlot : availSlot - usedSlot + size;
  const position = availSlot | (queue.availWrap << 15);
  if (total === count) {
    if (journal.receives) { for (let i = 0; i < count; i++) words[JOURNAL_LIST + i] = bytes[i]!; }
    words[JOURNAL_PENDING] = position;
    return;
  }
  words[JOURNAL_PLAIN] = 0;
  for (let i = 0; i < count; i++) {
    words[JOURNAL_LIST + 2 * i] = ids[i]! | (slots[i]! << 16);
    words[JOURNAL_LIST + 2 * i + 1] = bytes[i]!;
  }
  words[JOURNAL_PENDING] = position | (count << 16);
}

/** The chains of {@linkcode journalGiving} are published. */
export function journalGiven(queue: PackedQueue, journal: PackedJournal): void {
  journal.words[JOURNAL_USED] = queue.usedSlot | (queue.usedWrap << 15);
}
