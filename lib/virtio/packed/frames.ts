// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames through a packed virtqueue, device side (virtio-v1.3 §2.8): take a burst, give it back,
 * deliver into receive buffers. State and notifications are in queue.ts, chains in
 * chain.ts.
 *
 * A chain takes consecutive slots; one used descriptor is written over its first slot and the rest
 * are skipped. Everything the driver may change is read once into a local. The flags that let the
 * other side in are read and written with Atomics, once a burst. Nothing is written into the ring
 * before all of a visit is known: what is about to be written can be noted down first.
 *
 * @module
 */
import { BAD_CHAIN, CHAIN_NO_ROOM, noteBadChain } from "../bad_chain.ts";
import {
  beginBurst,
  BUFFER_SEGMENTS,
  BURST_BYTES_MAX,
  CHAIN_BYTES_MAX,
  CHAIN_SEGMENTS_MAX,
  frameBytes,
  frameId,
  frameSegment,
  frameSegmentEnd,
  frameSlots,
  FREE_SEGMENTS,
  TAKEN_SEGMENTS,
} from "../burst.ts";
import {
  BUFFER_TOO_SMALL,
  BUFFER_UNUSABLE,
  bufferBytes,
  bufferId,
  bufferSlots,
  DELIVERED,
  DELIVERED_BYTES,
  NO_BUFFER,
  openBuffers,
  SPENT_BUFFERS,
  writeFrame,
  writePlain,
} from "../deliver.ts";
import { logFrame, logPlain } from "../memory/dirty_log.ts";
import { packedTaken } from "../inflight/region.ts";
import { type GuestMemory, pushSegments } from "../memory/guest_memory.ts";
import { walkPackedChain as walkChain } from "./chain.ts";
import { PackedJournal } from "./journal.ts";
import { availableSlots, type PackedQueue } from "./queue.ts";
import { giveBack } from "./used.ts";
import {
  ANY_DESC_FLAG,
  RING_BAD_ADDRESS,
  RING_LOOP,
  RING_OK,
  STEPS_MAX,
  VRING_DESC_F_WRITE,
  walk,
  WALK_BYTES,
  WALK_ID,
  WALK_REASON,
  WALK_SLOTS,
  WALK_STEPS,
} from "../ring.ts";

/** Results of {@linkcode gatherBuffers}: index behind the last segment, slots, chains gathered. */
const gathered = new Int32Array(3);
const GATHERED_END = 0;
const GATHERED_SLOTS = 1;
const GATHERED_BUFFERS = 2;

/**
 * Takes up to `framesMax` chains from a transmit queue into the burst. A bad chain becomes a frame
 * of no bytes; one after which nothing can be trusted ends the burst in front of it and marks the
 * queue broken.
 * @returns frames taken
 */
export function takePacked(queue: PackedQueue, memory: GuestMemory, framesMax: number): number {
  beginBurst();
  let left = availableSlots(queue, framesMax);
  if (left === 0) return 0;
  const { desc, size } = queue;
  let slot = queue.availSlot;
  let segment = TAKEN_SEGMENTS + FREE_SEGMENTS;
  let taken = 0;
  let bytesLeft = BURST_BYTES_MAX;
  walk[WALK_STEPS] = STEPS_MAX;
  // A chain whose head was seen may end behind the last slot counted: all of it is available.
  while (left > 0 && segment <= CHAIN_SEGMENTS_MAX && walk[WALK_STEPS]! > 0 && bytesLeft > 0) {
    const length = desc[4 * slot + 2]!;
    const idFlags = desc[4 * slot + 3]!;
    let id = idFlags & 0xffff;
    let slots = 1;
    let bytes = length;
    let end: number;
    // One readable descriptor, as nearly all are, needs no walk: 10 ns less.
    if (
      (idFlags & (ANY_DESC_FLAG << 16)) === 0 && length > 0 && length <= CHAIN_BYTES_MAX &&
      id < size
    ) {
      end = pushSegments(memory, segment, desc[4 * slot]!, desc[4 * slot + 1]!, length);
      walk[WALK_REASON] = RING_BAD_ADDRESS;
    } else {
      end = walkChain(queue, memory, slot, segment, 0);
      id = walk[WALK_ID]!;
      slots = walk[WALK_SLOTS]!;
      bytes = walk[WALK_BYTES]!;
    }
    if (end < 0) {
      if (end !== BAD_CHAIN) {
        queue.broken = walk[WALK_REASON]!;
        break;
      }
      // A frame of no bytes: dropped as malformed, and given back in its turn.
      end = segment;
    }
    frameId[taken] = id;
    frameSlots[taken] = slots;
    frameSegment[taken] = segment;
    frameSegmentEnd[taken] = end;
    frameBytes[taken] = bytes;
    bytesLeft -= bytes;
    segment = end + FREE_SEGMENTS;
    taken++;
    left -= slots;
    slot += slots;
    if (slot >= size) {
      slot -= size;
      queue.availWrap ^= 1;
    }
  }
  const { ledger } = queue;
  if (ledger !== null && !(ledger instanceof PackedJournal)) {
    packedTaken(queue, ledger, queue.availSlot, taken, frameSlots);
  }
  queue.availSlot = slot;
  return taken;
}

/** Moves the available position over a chain. */
function advanceAvail(queue: PackedQueue, slots: number): void {
  queue.availSlot += slots;
  if (queue.availSlot >= queue.size) {
    queue.availSlot -= queue.size;
    queue.availWrap ^= 1;
  }
}

/**
 * Delivers frames of the burst into a receive queue and publishes them together. The outcome of
 * each (DELIVERED, NO_BUFFER, BUFFER_TOO_SMALL) is counted in `outcomes`, and so are DELIVERED_BYTES
 * and chains that went back with nothing in them, SPENT_BUFFERS.
 * @param list frame numbers, from `listStart` on, `count` of them
 */
export function deliverPacked(
  queue: PackedQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
  outcomes: Int32Array,
): void {
  const { headerBytes, log, size } = queue;
  // One slot a frame is the common case; only a frame that needs more makes us look further.
  let available = availableSlots(queue, count);
  let seenAll = available < count;
  let filled = 0;
  let delivered = 0;
  let deliveredBytes = 0;
  walk[WALK_STEPS] = STEPS_MAX;
  for (let i = 0; i < count; i++) {
    const most = count - i < available ? count - i : available;
    const run = gatherPlain(queue, memory, list, listStart + i, most, filled);
    openBuffers(run);
    for (let k = 0; k < run; k++) {
      writePlain(list[listStart + i + k]!, headerBytes, BUFFER_SEGMENTS + k);
      deliveredBytes += bufferBytes[filled + k]! - headerBytes;
    }
    if (log !== null) logPlain(log, filled, run);
    filled += run;
    i += run;
    available -= run;
    delivered += run;
    if (i === count) break;
    const frame = list[listStart + i]!;
    const bytes = headerBytes + frameBytes[frame]!;
    const buffers = gatherBuffers(queue, memory, bytes, available, filled);
    if (buffers <= 0) {
      if (queue.broken !== RING_OK) break;
      if (buffers === BUFFER_UNUSABLE) {
        const unusable = gathered[GATHERED_BUFFERS]!;
        outcomes[SPENT_BUFFERS]! += unusable;
        for (let k = 0; k < unusable; k++) bufferBytes[filled + k] = 0;
        filled += unusable;
        available -= gathered[GATHERED_SLOTS]!;
        advanceAvail(queue, gathered[GATHERED_SLOTS]!);
        i--;
        continue;
      }
      if (buffers === 0 && !seenAll) {
        available = availableSlots(queue, size);
        seenAll = true;
        i--;
      } else outcomes[buffers === 0 ? NO_BUFFER : BUFFER_TOO_SMALL]!++;
      continue;
    }
    writeFrame(frame, headerBytes, buffers, gathered[GATHERED_END]!, filled);
    if (log !== null) logFrame(log, bytes);
    filled += buffers;
    available -= gathered[GATHERED_SLOTS]!;
    advanceAvail(queue, gathered[GATHERED_SLOTS]!);
    delivered++;
    deliveredBytes += frameBytes[frame]!;
  }
  outcomes[DELIVERED]! += delivered;
  outcomes[DELIVERED_BYTES]! += deliveredBytes;
  if (filled > 0) giveBack(queue, filled, bufferId, bufferBytes, bufferSlots);
}

/**
 * Takes a receive chain for each of `count` frames from `from` of the list on, as long as each
 * chain is one writable descriptor that is large enough: nearly all are. What it stops at is left
 * to the general way.
 * @param filled buffers of this visit so far
 * @returns frames that have a buffer now; those chains are consumed
 */
function gatherPlain(
  queue: PackedQueue,
  memory: GuestMemory,
  list: Uint16Array,
  from: number,
  count: number,
  filled: number,
): number {
  const { desc, size, headerBytes } = queue;
  let slot = queue.availSlot;
  let run = 0;
  while (run < count) {
    const length = desc[4 * slot + 2]!;
    const idFlags = desc[4 * slot + 3]!;
    const id = idFlags & 0xffff;
    const bytes = headerBytes + frameBytes[list[from + run]!]!;
    if ((idFlags >>> 16 & ANY_DESC_FLAG) !== VRING_DESC_F_WRITE || length < bytes) break;
    const segment = BUFFER_SEGMENTS + run;
    const low = desc[4 * slot]!;
    const high = desc[4 * slot + 1]!;
    if (id >= size || pushSegments(memory, segment, low, high, bytes) !== segment + 1) break;
    bufferId[filled + run] = id;
    bufferBytes[filled + run] = bytes;
    bufferSlots[filled + run] = 1;
    run++;
    if (++slot === size) {
      slot = 0;
      queue.availWrap ^= 1;
    }
  }
  queue.availSlot = slot;
  return run;
}

/**
 * Takes receive chains until they hold `bytes`: one without VIRTIO_NET_F_MRG_RXBUF, as many as it
 * needs with it. Nothing is consumed yet.
 * @param filled buffers of this visit so far
 * @returns how many, 0 if there are not enough (or the queue broke), -1 if one must do and is too
 * small, BUFFER_UNUSABLE if the last one is bad or cannot hold a header: all go back unwritten
 */
function gatherBuffers(
  queue: PackedQueue,
  memory: GuestMemory,
  bytes: number,
  available: number,
  filled: number,
): number {
  let segment = BUFFER_SEGMENTS;
  let slot = queue.availSlot;
  let slots = 0;
  let buffers = 0;
  let room = 0;
  while (room < bytes) {
    if (slots >= available || walk[WALK_STEPS]! <= 0) return 0;
    segment = walkChain(queue, memory, slot, segment, VRING_DESC_F_WRITE);
    const buffer = walk[WALK_BYTES]!;
    if (segment < 0 && segment !== BAD_CHAIN) {
      queue.broken = walk[WALK_REASON]!;
      return 0;
    }
    bufferId[filled + buffers] = walk[WALK_ID]!;
    bufferBytes[filled + buffers] = buffer;
    bufferSlots[filled + buffers] = walk[WALK_SLOTS]!;
    slots += walk[WALK_SLOTS]!;
    // Its end lies in a chain before it: the driver did not have so many slots to give.
    if (filled + slots > queue.size) {
      queue.broken = RING_LOOP;
      return 0;
    }
    slot += walk[WALK_SLOTS]!;
    if (slot >= queue.size) slot -= queue.size;
    room += buffer;
    buffers++;
    if (buffer < queue.headerBytes) {
      if (segment >= 0) noteBadChain(queue, CHAIN_NO_ROOM);
      gathered[GATHERED_BUFFERS] = buffers;
      gathered[GATHERED_SLOTS] = slots;
      return BUFFER_UNUSABLE;
    }
    if (!queue.mergeable && room < bytes) return -1;
  }
  gathered[GATHERED_END] = segment;
  gathered[GATHERED_SLOTS] = slots;
  return buffers;
}
