// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The plain way of a burst through a split virtqueue: see plain.ts beside this folder, and
 * packed/plain.ts, which is the same with other rings.
 *
 * @module
 */
import {
  beginPlainBurst,
  BURST_BYTES_MAX,
  CHAIN_BYTES_MAX,
  frameBytes,
  frameId,
  HEAD_BYTES,
} from "../burst.ts";
import { bufferBytes, bufferId, DELIVERED, DELIVERED_BYTES } from "../deliver.ts";
import { splitTaken } from "../inflight/region.ts";
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
import { ANY_DESC_FLAG, VRING_DESC_F_WRITE } from "../ring.ts";
import type { SplitQueue } from "./queue.ts";
import { askUsed, giveBackSplit } from "./used.ts";

const AVAIL_IDX = 1;
const AVAIL_RING = 2;
/** No granule. */
const NONE = -1;

/**
 * Takes plain frames from the front of a transmit queue into the burst, opened.
 * @returns frames taken; 0: there is none; NOT_PLAIN: the next one is not, or the driver broke a rule
 */
export function takePlainSplit(queue: SplitQueue, memory: GuestMemory, framesMax: number): number {
  const { avail, desc, headerBytes, mask, offloads, size } = queue;
  const first = queue.lastAvail;
  const available = (Atomics.load(avail, AVAIL_IDX) - first) & 0xffff;
  if (available === 0) return 0;
  if (available > size || queue.heads !== avail) return NOT_PLAIN;
  const count = available < framesMax ? available : framesMax;
  const { slots } = memory;
  const least = headerBytes + HEAD_BYTES;
  let known = NONE;
  let start = 0;
  let end = 0;
  let delta = 0;
  let window = 0;
  let bytesLeft = BURST_BYTES_MAX;
  let taken = 0;
  for (; taken < count && bytesLeft > 0; taken++) {
    const head = avail[AVAIL_RING + ((first + taken) & mask)]!;
    if (head >= size) break;
    const low = desc[4 * head]!;
    const high = desc[4 * head + 1]!;
    const length = desc[4 * head + 2]!;
    if ((desc[4 * head + 3]! & ANY_DESC_FLAG) !== 0 || high >>> HIGH_BITS !== 0) break;
    const tag = (high << 2) | (low >>> GRANULE_BITS);
    if (tag !== known) {
      const slot = (tag & (SLOTS - 1)) * SLOT_WORDS;
      if (slots[slot + SLOT_TAG] !== tag) break;
      known = tag;
      start = slots[slot + SLOT_START]!;
      end = slots[slot + SLOT_END]!;
      delta = slots[slot + SLOT_DELTA]! + least;
      window = slots[slot + SLOT_WINDOW]!;
    }
    const at = low & GRANULE_MASK;
    if (at < start || length > end - at || length <= least || length > CHAIN_BYTES_MAX) break;
    segmentWindow[taken] = window;
    segmentOffset[taken] = at + delta;
    segmentBytes[taken] = length - least;
    frameBytes[taken] = length - headerBytes;
    bytesLeft -= length;
    frameId[taken] = head;
  }
  taken = openPlainFrames(taken, headerBytes, offloads);
  if (taken === 0) return NOT_PLAIN;
  askUsed(queue, taken);
  beginPlainBurst();
  queue.lastAvail = (first + taken) & 0xffff;
  if (queue.inflight !== null) splitTaken(queue.inflight, frameId, taken);
  return taken;
}

/**
 * Delivers frames of a plain burst, as long as the next buffer is plain.
 * @param list frame numbers, from `listStart` on, `count` of them
 * @returns frames delivered, counted in `outcomes`, their buffers published
 */
export function deliverPlainSplit(
  queue: SplitQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
  outcomes: Int32Array,
): number {
  const run = gather(queue, memory, list, listStart, count);
  if (run === 0) return 0;
  askUsed(queue, run);
  const bytes = writePlainFrames(list, listStart, run, queue.headerBytes);
  queue.lastAvail = (queue.lastAvail + run) & 0xffff;
  giveBackSplit(queue, run, bufferId, bufferBytes, true);
  outcomes[DELIVERED]! += run;
  outcomes[DELIVERED_BYTES]! += bytes;
  return run;
}

/** Finds a plain buffer for each frame. @returns frames that have one */
function gather(
  queue: SplitQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
): number {
  const { avail, desc, headerBytes, mask, size } = queue;
  const first = queue.lastAvail;
  const available = (Atomics.load(avail, AVAIL_IDX) - first) & 0xffff;
  if (available > size || queue.heads !== avail || queue.log !== null) return 0;
  const most = available < count ? available : count;
  const { slots } = memory;
  let known = NONE;
  let start = 0;
  let end = 0;
  let delta = 0;
  let window = 0;
  let run = 0;
  for (; run < most; run++) {
    const head = avail[AVAIL_RING + ((first + run) & mask)]!;
    if (head >= size) break;
    const low = desc[4 * head]!;
    const high = desc[4 * head + 1]!;
    const length = desc[4 * head + 2]!;
    const flags = desc[4 * head + 3]! & ANY_DESC_FLAG;
    if (flags !== VRING_DESC_F_WRITE || high >>> HIGH_BITS !== 0) break;
    const tag = (high << 2) | (low >>> GRANULE_BITS);
    if (tag !== known) {
      const slot = (tag & (SLOTS - 1)) * SLOT_WORDS;
      if (slots[slot + SLOT_TAG] !== tag) break;
      known = tag;
      start = slots[slot + SLOT_START]!;
      end = slots[slot + SLOT_END]!;
      delta = slots[slot + SLOT_DELTA]!;
      window = slots[slot + SLOT_WINDOW]!;
    }
    const at = low & GRANULE_MASK;
    const bytes = headerBytes + frameBytes[list[listStart + run]!]!;
    if (at < start || bytes > end - at || length < bytes) break;
    bufferBytes[run] = bytes;
    bufferId[run] = head;
    plainWindow[run] = window;
    plainOffset[run] = at + delta;
  }
  return run;
}
