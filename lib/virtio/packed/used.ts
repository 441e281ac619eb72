// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Giving chains of a packed virtqueue back to the driver (virtio-v1.3 §2.8.4, §2.8.6): one used
 * descriptor over the first slot of each, in order, and what the next process must know of that.
 *
 * @module
 */
import { BURST_FRAMES, frameId, frameSlots, isPlainBurst } from "../burst.ts";
import { packedGiven, packedGiving, packedTaken } from "../inflight/region.ts";
import { logPackedUsed } from "../memory/dirty_log.ts";
import { VRING_DESC_F_WRITE } from "../ring.ts";
import { journalGiven, journalGiving, PackedJournal } from "./journal.ts";
import { PACKED_USED_FLAGS, type PackedQueue } from "./queue.ts";

/** id and flags of slot n stand at 8n + 6 and 8n + 7 in units of 16 bits. */
const ID = 6;
const FLAGS = 7;
/** What a device writes into chains of the driver's frames. */
const NOTHING_WRITTEN = new Int32Array(BURST_FRAMES);

/** Slots of chains that take one each, as plain ones do. */
export const ONE_SLOT: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES).fill(1);

/** Gives the first `count` frames of the burst back to the driver. */
export function finishPacked(queue: PackedQueue, count: number): void {
  if (count === 0) return;
  giveBack(queue, count, frameId, NOTHING_WRITTEN, isPlainBurst() ? ONE_SLOT : frameSlots);
}

/**
 * Writes chains used, in order from the used position to the available one, the first one last.
 * @param bytes that were written into each
 * @param slots of each; {@linkcode ONE_SLOT}: into all of them something was written, or into none
 */
export function giveBack(
  queue: PackedQueue,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
  slots: Int32Array,
): void {
  const { desc16, ledger } = queue;
  const first = queue.usedSlot;
  if (ledger !== null) noteGiving(queue, count, ids, bytes, slots);
  const firstFlags = slots === ONE_SLOT
    ? writePlainUsed(queue, count, ids, bytes)
    : writeUsed(queue, count, ids, bytes, slots);
  // The driver stops at the first descriptor that is not used yet: this store shows it all.
  Atomics.store(desc16, 8 * first + FLAGS, firstFlags);
  if (queue.log !== null) logPackedUsed(queue.log, queue.size, first, queue.usedSlot);
  if (ledger !== null) noteGiven(queue);
}

/** Writes all used descriptors but the flags of the first one. @returns these */
function writeUsed(
  queue: PackedQueue,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
  slots: Int32Array,
): number {
  const { desc, desc16, size } = queue;
  let slot = queue.usedSlot;
  let flags = queue.usedWrap === 0 ? 0 : PACKED_USED_FLAGS;
  let firstFlags = flags;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const written = bytes[i]!;
    // Without WRITE a driver may not rely on the length (virtio-v1.3 §2.8.4).
    const usedFlags = written > 0 ? flags | VRING_DESC_F_WRITE : flags;
    desc[4 * slot + 2] = written;
    if (i === 0) {
      desc16[8 * slot + ID] = ids[0]!;
      firstFlags = usedFlags;
    } else desc[4 * slot + 3] = ids[i]! | (usedFlags << 16);
    const taken = slots[i]!;
    total += taken;
    slot += taken;
    if (slot >= size) {
      slot -= size;
      flags ^= PACKED_USED_FLAGS;
    }
  }
  queue.usedSlot = slot;
  queue.usedWrap = flags === 0 ? 0 : 1;
  queue.unsignalled += total;
  return firstFlags;
}

/** The same for chains of one slot each: 2 ns a frame less. */
function writePlainUsed(
  queue: PackedQueue,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
): number {
  const { desc, desc16, size } = queue;
  let slot = queue.usedSlot;
  const write = bytes[0]! > 0 ? VRING_DESC_F_WRITE : 0;
  const firstFlags = (queue.usedWrap === 0 ? 0 : PACKED_USED_FLAGS) | write;
  let flags = firstFlags << 16;
  desc[4 * slot + 2] = bytes[0]!;
  desc16[8 * slot + ID] = ids[0]!;
  for (let i = 1; i < count; i++) {
    if (++slot === size) {
      slot = 0;
      flags ^= PACKED_USED_FLAGS << 16;
    }
    desc[4 * slot + 2] = bytes[i]!;
    desc[4 * slot + 3] = ids[i]! | flags;
  }
  queue.unsignalled += count;
  queue.usedSlot += count;
  if (queue.usedSlot >= size) {
    queue.usedSlot -= size;
    queue.usedWrap ^= 1;
  }
  return firstFlags;
}

/** Notes down, for the next process, what is about to be written. */
function noteGiving(
  queue: PackedQueue,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
  slots: Int32Array,
): void {
  const ledger = queue.ledger!;
  if (ledger instanceof PackedJournal) {
    journalGiving(queue, ledger, count, ids, bytes, slots);
    return;
  }
  // Receive buffers count as taken from here on.
  if (ledger.held === 0) packedTaken(queue, ledger, queue.usedSlot, count, slots);
  packedGiving(queue, ledger);
}

function noteGiven(queue: PackedQueue): void {
  const ledger = queue.ledger!;
  if (ledger instanceof PackedJournal) journalGiven(queue, ledger);
  else packedGiven(queue, ledger);
}
