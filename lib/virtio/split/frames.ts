// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames through a split virtqueue, device side (virtio-v1.3 §2.7): take a burst, deliver into
 * receive buffers. State, layout and notifications are in queue.ts, chains in chain.ts, what is
 * given back in used.ts.
 *
 * Everything the driver may change is read once into a local. The indices are read and published
 * with Atomics: once a burst, and what makes the order right on every processor.
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
  FREE_SEGMENTS,
  TAKEN_SEGMENTS,
} from "../burst.ts";
import {
  BUFFER_TOO_SMALL,
  BUFFER_UNUSABLE,
  bufferBytes,
  bufferId,
  DELIVERED,
  DELIVERED_BYTES,
  NO_BUFFER,
  openBuffers,
  SPENT_BUFFERS,
  writeFrame,
  writePlain,
} from "../deliver.ts";
import { logFrame, logPlain } from "../memory/dirty_log.ts";
import { splitTaken } from "../inflight/region.ts";
import { type GuestMemory, pushSegments } from "../memory/guest_memory.ts";
import {
  ANY_DESC_FLAG,
  RING_BAD_ADDRESS,
  RING_BAD_AVAIL,
  RING_BAD_INDEX,
  RING_OK,
  STEPS_MAX,
  VRING_DESC_F_WRITE,
  walk,
  WALK_BYTES,
  WALK_REASON,
  WALK_STEPS,
} from "../ring.ts";
import { walkSplitChain as walkChain } from "./chain.ts";
import { publishSplit, splitCopyHeads, type SplitQueue } from "./queue.ts";

const AVAIL_IDX = 1;
const AVAIL_RING = 2;

/** Results of {@linkcode gatherBuffers}: index behind the last segment, chains gathered. */
const gathered = new Int32Array(2);
const GATHERED_END = 0;
const GATHERED_BUFFERS = 1;

/**
 * Takes up to `framesMax` chains from a transmit queue into the burst. A bad chain becomes a frame
 * of no bytes; one after which nothing can be trusted ends the burst in front of it and marks the
 * queue broken.
 * @returns frames taken
 */
export function takeSplit(queue: SplitQueue, memory: GuestMemory, framesMax: number): number {
  beginBurst();
  const end = Atomics.load(queue.avail, AVAIL_IDX);
  const available = (end - queue.lastAvail) & 0xffff;
  if (available === 0) return 0;
  if (available > queue.size) {
    queue.broken = RING_BAD_AVAIL;
    return 0;
  }
  if (queue.heads !== queue.avail && !splitCopyHeads(queue, end)) return 0;
  const count = available < framesMax ? available : framesMax;
  const { desc, heads, mask, size } = queue;
  const first = queue.lastAvail;
  let segment = TAKEN_SEGMENTS + FREE_SEGMENTS;
  let taken = 0;
  let bytesLeft = BURST_BYTES_MAX;
  walk[WALK_STEPS] = STEPS_MAX;
  while (
    taken < count && segment <= CHAIN_SEGMENTS_MAX && walk[WALK_STEPS]! > 0 && bytesLeft > 0
  ) {
    const head = heads[AVAIL_RING + ((first + taken) & mask)]!;
    if (head >= size) {
      queue.broken = RING_BAD_INDEX;
      break;
    }
    const low = desc[4 * head]!;
    const high = desc[4 * head + 1]!;
    const length = desc[4 * head + 2]!;
    const flags = desc[4 * head + 3]! & ANY_DESC_FLAG;
    let last: number;
    // One readable descriptor, as nearly all are, needs no walk: 10 ns less.
    if (flags === 0 && length > 0 && length <= CHAIN_BYTES_MAX) {
      last = pushSegments(memory, segment, low, high, length);
      walk[WALK_BYTES] = length;
      walk[WALK_REASON] = RING_BAD_ADDRESS;
    } else last = walkChain(queue, memory, head, segment, 0);
    if (last < 0) {
      if (last !== BAD_CHAIN) {
        queue.broken = walk[WALK_REASON]!;
        break;
      }
      // A frame of no bytes: dropped as malformed, and given back in its turn.
      last = segment;
    }
    frameId[taken] = head;
    frameSegment[taken] = segment;
    frameSegmentEnd[taken] = last;
    frameBytes[taken] = walk[WALK_BYTES]!;
    bytesLeft -= walk[WALK_BYTES]!;
    segment = last + FREE_SEGMENTS;
    taken++;
  }
  queue.lastAvail = (first + taken) & 0xffff;
  if (queue.inflight !== null) splitTaken(queue.inflight, frameId, taken);
  return taken;
}

/**
 * Delivers frames of the burst into a receive queue and publishes them together. The outcome of
 * each (DELIVERED, NO_BUFFER, BUFFER_TOO_SMALL) is counted in `outcomes`, and so are DELIVERED_BYTES
 * and chains that went back with nothing in them, SPENT_BUFFERS.
 * @param list frame numbers, from `listStart` on, `count` of them
 */
export function deliverSplit(
  queue: SplitQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
  outcomes: Int32Array,
): void {
  const end = Atomics.load(queue.avail, AVAIL_IDX);
  const available = (end - queue.lastAvail) & 0xffff;
  if (available > queue.size) {
    queue.broken = RING_BAD_AVAIL;
    return;
  }
  if (queue.heads !== queue.avail && !splitCopyHeads(queue, end)) return;
  const { usedRing, mask, headerBytes, log } = queue;
  walk[WALK_STEPS] = STEPS_MAX;
  let left = available;
  let used = queue.lastUsed;
  let delivered = 0;
  let deliveredBytes = 0;
  for (let i = 0; i < count; i++) {
    const run = gatherPlain(
      queue,
      memory,
      list,
      listStart + i,
      count - i < left ? count - i : left,
    );
    openBuffers(run);
    for (let k = 0; k < run; k++) {
      writePlain(list[listStart + i + k]!, headerBytes, BUFFER_SEGMENTS + k);
      const entry = 2 * (used & mask);
      usedRing[entry] = bufferId[k]!;
      usedRing[entry + 1] = bufferBytes[k]!;
      used = (used + 1) & 0xffff;
      deliveredBytes += bufferBytes[k]! - headerBytes;
    }
    if (log !== null) logPlain(log, 0, run);
    i += run;
    left -= run;
    delivered += run;
    if (i === count) break;
    const frame = list[listStart + i]!;
    const buffers = gatherBuffers(queue, memory, headerBytes + frameBytes[frame]!, left);
    if (buffers <= 0) {
      if (queue.broken !== RING_OK) break;
      if (buffers === BUFFER_UNUSABLE) {
        const unusable = gathered[GATHERED_BUFFERS]!;
        outcomes[SPENT_BUFFERS]! += unusable;
        used = returnUnwritten(queue, used, unusable);
        left -= unusable;
        i--;
        continue;
      }
      outcomes[buffers === 0 ? NO_BUFFER : BUFFER_TOO_SMALL]!++;
      continue;
    }
    writeFrame(frame, headerBytes, buffers, gathered[GATHERED_END]!, 0);
    if (log !== null) logFrame(log, headerBytes + frameBytes[frame]!);
    for (let buffer = 0; buffer < buffers; buffer++) {
      const entry = 2 * (used & mask);
      usedRing[entry] = bufferId[buffer]!;
      usedRing[entry + 1] = bufferBytes[buffer]!;
      used = (used + 1) & 0xffff;
    }
    left -= buffers;
    queue.lastAvail = (queue.lastAvail + buffers) & 0xffff;
    delivered++;
    deliveredBytes += frameBytes[frame]!;
  }
  outcomes[DELIVERED]! += delivered;
  outcomes[DELIVERED_BYTES]! += deliveredBytes;
  if (used !== queue.lastUsed) publishSplit(queue, used, true);
}

/** Consumes gathered chains and writes used entries of length 0. @returns the next used index */
function returnUnwritten(queue: SplitQueue, from: number, count: number): number {
  const { usedRing, mask } = queue;
  let used = from;
  for (let buffer = 0; buffer < count; buffer++) {
    const entry = 2 * (used & mask);
    usedRing[entry] = bufferId[buffer]!;
    usedRing[entry + 1] = 0;
    used = (used + 1) & 0xffff;
  }
  queue.lastAvail = (queue.lastAvail + count) & 0xffff;
  return used;
}

/**
 * Takes a receive chain for each of `count` frames from `from` of the list on, as long as each
 * chain is one writable descriptor that is large enough: nearly all are. What it stops at is left
 * to the general way.
 * @returns frames that have a buffer now; those chains are consumed
 */
function gatherPlain(
  queue: SplitQueue,
  memory: GuestMemory,
  list: Uint16Array,
  from: number,
  count: number,
): number {
  const { desc, heads, mask, size, headerBytes } = queue;
  const next = queue.lastAvail;
  let run = 0;
  while (run < count) {
    const head = heads[AVAIL_RING + ((next + run) & mask)]!;
    if (head >= size) break;
    const low = desc[4 * head]!;
    const high = desc[4 * head + 1]!;
    const length = desc[4 * head + 2]!;
    const flags = desc[4 * head + 3]! & ANY_DESC_FLAG;
    const bytes = headerBytes + frameBytes[list[from + run]!]!;
    if (flags !== VRING_DESC_F_WRITE || length < bytes) break;
    const segment = BUFFER_SEGMENTS + run;
    if (pushSegments(memory, segment, low, high, bytes) !== segment + 1) break;
    bufferId[run] = head;
    bufferBytes[run] = bytes;
    run++;
  }
  queue.lastAvail = (next + run) & 0xffff;
  return run;
}

/**
 * Takes receive chains until they hold `bytes`: one without VIRTIO_NET_F_MRG_RXBUF, as many as it
 * needs with it. Nothing is consumed yet.
 * @returns how many, 0 if there are not enough (or the queue broke), -1 if one must do and is too
 * small, BUFFER_UNUSABLE if the last one is bad or cannot hold a header: all go back unwritten
 */
function gatherBuffers(
  queue: SplitQueue,
  memory: GuestMemory,
  bytes: number,
  available: number,
): number {
  let segment = BUFFER_SEGMENTS;
  let buffers = 0;
  let room = 0;
  while (room < bytes) {
    if (buffers === available || walk[WALK_STEPS]! <= 0) return 0;
    const head = queue.heads[AVAIL_RING + ((queue.lastAvail + buffers) & queue.mask)]!;
    if (head >= queue.size) {
      queue.broken = RING_BAD_INDEX;
      return 0;
    }
    segment = walkChain(queue, memory, head, segment, VRING_DESC_F_WRITE);
    const buffer = walk[WALK_BYTES]!;
    if (segment < 0 && segment !== BAD_CHAIN) {
      queue.broken = walk[WALK_REASON]!;
      return 0;
    }
    bufferId[buffers] = head;
    bufferBytes[buffers] = buffer;
    room += buffer;
    buffers++;
    if (buffer < queue.headerBytes) {
      if (segment >= 0) noteBadChain(queue, CHAIN_NO_ROOM);
      gathered[GATHERED_BUFFERS] = buffers;
      return BUFFER_UNUSABLE;
    }
    if (!queue.mergeable && room < bytes) return -1;
  }
  gathered[GATHERED_END] = segment;
  return buffers;
}
