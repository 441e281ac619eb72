// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The plain way of a burst through a packed virtqueue: see plain.ts beside this folder, and
 * split/plain.ts, which is the same with other rings.
 *
 * @module
 */
import {
  beginPlainBurst,
  BURST_BYTES_MAX,
  CHAIN_BYTES_MAX,
  frameBytes,
  frameId,
  frameSlots,
  HEAD_BYTES,
} from "../burst.ts";
import { bufferBytes, bufferId, DELIVERED, DELIVERED_BYTES } from "../deliver.ts";
import { packedTaken } from "../inflight/region.ts";
import {
  GRANULE_BITS,
  GRANULE_MASK,
  type GuestMemory,
  HIGH_BITS,
  segmentBytes,
  segmentOffset,
  segmentWindow,
  SLOT_DELTA,
  SLOT_END,
  SLOT_START,
  SLOT_TAG,
  SLOT_WINDOW,
  SLOT_WORDS,
  SLOTS,
} from "../memory/guest_memory.ts";
import {
  NOT_PLAIN,
  openPlainFrames,
  plainOffset,
  plainWindow,
  writePlainFrames,
} from "../plain.ts";
import { ANY_DESC_FLAG, loadsInOrder, VRING_DESC_F_WRITE } from "../ring.ts";
import { PackedJournal } from "./journal.ts";
import {
  availableSlots,
  PACKED_USED_FLAGS,
  packedAvailable,
  packedHasWork,
  type PackedQueue,
} from "./queue.ts";
import { giveBack, ONE_SLOT } from "./used.ts";

/** No granule. */
const NONE = -1;
/** Of a slot's last word, the flags that decide: available, and what kind of descriptor. */
const PLAIN_MASK = (PACKED_USED_FLAGS | ANY_DESC_FLAG) << 16;

/**
 * Takes plain frames from the front of a transmit queue into the burst, opened.
 * @returns frames taken; 0: there is none; NOT_PLAIN: the next one is not, or the driver broke a rule
 */
export function takePlainPacked(
  queue: PackedQueue,
  memory: GuestMemory,
  framesMax: number,
): number {
  if (!packedHasWork(queue)) return 0;
  const count = slotsToLookAt(queue, framesMax);
  const { desc, headerBytes, ledger, offloads, size } = queue;
  const { slots } = memory;
  let plain = packedAvailable(queue.availWrap) << 16;
  const least = headerBytes + HEAD_BYTES;
  let slot = queue.availSlot;
  let known = NONE;
  let start = 0;
  let end = 0;
  let delta = 0;
  let window = 0;
  let bytesLeft = BURST_BYTES_MAX;
  let taken = 0;
  for (; taken < count && bytesLeft > 0; taken++) {
    const idFlags = desc[4 * slot + 3]!;
    const id = idFlags & 0xffff;
    if ((idFlags & PLAIN_MASK) !== plain || id >= size) break;
    const low = desc[4 * slot]!;
    const high = desc[4 * slot + 1]!;
    const length = desc[4 * slot + 2]!;
    if (high >>> HIGH_BITS !== 0) break;
    const tag = (high << 2) | (low >>> GRANULE_BITS);
    if (tag !== known) {
      const entry = (tag & (SLOTS - 1)) * SLOT_WORDS;
      if (slots[entry + SLOT_TAG] !== tag) break;
      known = tag;
      start = slots[entry + SLOT_START]!;
      end = slots[entry + SLOT_END]!;
      delta = slots[entry + SLOT_DELTA]! + least;
      window = slots[entry + SLOT_WINDOW]!;
    }
    const at = low & GRANULE_MASK;
    if (at < start || length > end - at || length <= least || length > CHAIN_BYTES_MAX) break;
    segmentWindow[taken] = window;
    segmentOffset[taken] = at + delta;
    segmentBytes[taken] = length - least;
    frameBytes[taken] = length - headerBytes;
    bytesLeft -= length;
    frameId[taken] = id;
    if (++slot === size) {
      slot = 0;
      plain ^= PACKED_USED_FLAGS << 16;
    }
  }
  taken = openPlainFrames(taken, headerBytes, offloads);
  if (taken === 0) return NOT_PLAIN;
  beginPlainBurst();
  if (ledger !== null && !(ledger instanceof PackedJournal)) {
    packedTaken(queue, ledger, queue.availSlot, taken, frameSlots);
  }
  consume(queue, taken);
  return taken;
}

/**
 * How many slots may be looked at in one loop, each flags first. Where loads are done in program
 * order the loop finds the end itself; elsewhere what is available is counted first, with Atomics.
 */
function slotsToLookAt(queue: PackedQueue, most: number): number {
  if (!loadsInOrder()) return availableSlots(queue, most);
  return most < queue.size ? most : queue.size;
}

/** Moves the available position over chains of one slot each, at most a ring of them. */
function consume(queue: PackedQueue, chains: number): void {
  queue.availSlot += chains;
  if (queue.availSlot < queue.size) return;
  queue.availSlot -= queue.size;
  queue.availWrap ^= 1;
}

/**
 * Delivers frames of a plain burst, as long as the next buffer is plain.
 * @param list frame numbers, from `listStart` on, `count` of them
 * @returns frames delivered, counted in `outcomes`, their buffers published
 */
export function deliverPlainPacked(
  queue: PackedQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
  outcomes: Int32Array,
): number {
  const run = gather(queue, memory, list, listStart, count);
  if (run === 0) return 0;
  const bytes = writePlainFrames(list, listStart, run, queue.headerBytes);
  consume(queue, run);
  giveBack(queue, run, bufferId, bufferBytes, ONE_SLOT);
  outcomes[DELIVERED]! += run;
  outcomes[DELIVERED_BYTES]! += bytes;
  return run;
}

/** Finds a plain buffer for each frame. @returns frames that have one */
function gather(
  queue: PackedQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
): number {
  if (queue.log !== null) return 0;
  const most = slotsToLookAt(queue, count);
  const { desc, headerBytes, size } = queue;
  const { slots } = memory;
  let plain = (packedAvailable(queue.availWrap) | VRING_DESC_F_WRITE) << 16;
  let slot = queue.availSlot;
  let known = NONE;
  let start = 0;
  let end = 0;
  let delta = 0;
  let window = 0;
  let run = 0;
  for (; run < most; run++) {
    const idFlags = desc[4 * slot + 3]!;
    const id = idFlags & 0xffff;
    if ((idFlags & PLAIN_MASK) !== plain || id >= size) break;
    const low = desc[4 * slot]!;
    const high = desc[4 * slot + 1]!;
    const length = desc[4 * slot + 2]!;
    if (high >>> HIGH_BITS !== 0) break;
    const tag = (high << 2) | (low >>> GRANULE_BITS);
    if (tag !== known) {
      const entry = (tag & (SLOTS - 1)) * SLOT_WORDS;
      if (slots[entry + SLOT_TAG] !== tag) break;
      known = tag;
      start = slots[entry + SLOT_START]!;
      end = slots[entry + SLOT_END]!;
      delta = slots[entry + SLOT_DELTA]!;
      window = slots[entry + SLOT_WINDOW]!;
    }
    const at = low & GRANULE_MASK;
    const bytes = headerBytes + frameBytes[list[listStart + run]!]!;
    if (at < start || bytes > end - at || length < bytes) break;
    bufferId[run] = id;
    bufferBytes[run] = bytes;
    plainWindow[run] = window;
    plainOffset[run] = at + delta;
    if (++slot === size) {
      slot = 0;
      plain ^= PACKED_USED_FLAGS << 16;
    }
  }
  return run;
}
