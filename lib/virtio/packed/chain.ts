// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Chains of a packed virtqueue (virtio-v1.3 §2.8.6, §2.8.7): consecutive slots, or one slot that
 * points to an indirect table.
 *
 * @module
 */
import {
  BAD_CHAIN,
  CHAIN_BAD_DIRECTION,
  CHAIN_BAD_INDIRECT,
  isBadTable,
  noteBadChain,
} from "../bad_chain.ts";
import { CHAIN_BYTES_MAX, SCRATCH_SEGMENTS } from "../burst.ts";
import { copyWordsIn, type GuestMemory, pushSegments } from "../memory/guest_memory.ts";
import type { PackedQueue } from "./queue.ts";
import {
  DESC_BYTES,
  indirectTable,
  RING_BAD_ADDRESS,
  RING_BAD_INDEX,
  RING_BAD_INDIRECT,
  RING_LOOP,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  walk,
  WALK_BYTES,
  WALK_ID,
  WALK_REASON,
  WALK_SLOTS,
  WALK_STEPS,
} from "../ring.ts";

/**
 * Follows the chain that starts in slot `head` and appends its segments from index `at`; `walk`
 * receives bytes, id and slots. The only walker of packed chains.
 * @param deviceWrites whether the descriptors must be device-writable
 * @returns index behind the last segment; BAD_CHAIN if it is one, with 0 bytes in `walk`; or -1
 * with the reason in `walk`: the queue is to be given up
 */
export function walkPackedChain(
  queue: PackedQueue,
  memory: GuestMemory,
  head: number,
  at: number,
  deviceWrites: number,
): number {
  const { desc, size } = queue;
  let slot = head;
  let segment = at;
  let bytes = 0;
  for (let slots = 1; slots <= size; slots++) {
    const low = desc[4 * slot]!;
    const high = desc[4 * slot + 1]!;
    const length = desc[4 * slot + 2]!;
    const idFlags = desc[4 * slot + 3]!;
    const flags = idFlags >>> 16;
    if ((flags & VRING_DESC_F_INDIRECT) !== 0) {
      // A packed chain is either direct or one indirect descriptor (virtio-v1.3 §2.8.8).
      if (slots !== 1 || (flags & VRING_DESC_F_NEXT) !== 0) {
        return skipRest(queue, head, slot, slots, idFlags, CHAIN_BAD_INDIRECT);
      }
      segment = walkIndirect(queue, memory, low, high, length, at, deviceWrites);
      if (segment < 0 && segment !== BAD_CHAIN) return -1;
      return endChain(queue, head, segment, walk[WALK_BYTES]!, idFlags & 0xffff, 1);
    }
    if ((flags & VRING_DESC_F_WRITE) !== deviceWrites) {
      return skipRest(queue, head, slot, slots, idFlags, CHAIN_BAD_DIRECTION);
    }
    // A receive buffer of 2^31 bytes and more would count without being translated.
    if (length < 0 && deviceWrites !== 0) return fail(RING_BAD_ADDRESS);
    if (length < 0 || bytes > CHAIN_BYTES_MAX) bytes = CHAIN_BYTES_MAX + 1;
    else if (length > 0) {
      segment = pushSegments(memory, segment, low, high, length);
      if (segment < 0) return fail(RING_BAD_ADDRESS);
      bytes = length > CHAIN_BYTES_MAX ? CHAIN_BYTES_MAX + 1 : bytes + length;
    }
    if ((flags & VRING_DESC_F_NEXT) === 0) {
      return endChain(queue, head, segment, bytes, idFlags & 0xffff, slots);
    }
    if (++slot === size) slot = 0;
  }
  return fail(RING_LOOP);
}

/**
 * Looks for the end of a bad chain, where its id is: as many slots are given back.
 * @param idFlags of the descriptor in `slot`, the last one of `taken`
 */
function skipRest(
  queue: PackedQueue,
  head: number,
  slot: number,
  taken: number,
  idFlags: number,
  reason: number,
): number {
  const { desc, size } = queue;
  let last = slot;
  let word = idFlags;
  for (let slots = taken; slots <= size; slots++) {
    const flags = word >>> 16;
    if ((flags & VRING_DESC_F_NEXT) === 0) {
      noteBadChain(queue, reason);
      return endChain(queue, head, BAD_CHAIN, 0, word & 0xffff, slots);
    }
    // The table says where it ends, NEXT says that it goes on (virtio-v1.3 §2.8.8): devices differ.
    if ((flags & VRING_DESC_F_INDIRECT) !== 0) return fail(RING_BAD_INDIRECT);
    if (++last === size) last = 0;
    word = desc[4 * last + 3]!;
  }
  return fail(RING_LOOP);
}

function endChain(
  queue: PackedQueue,
  head: number,
  segment: number,
  bytes: number,
  id: number,
  slots: number,
): number {
  if (id >= queue.size) return fail(RING_BAD_INDEX);
  if (slots > 1) {
    // All from the used position to its head is held: beyond that, its end lies in another chain.
    const held = head - queue.usedSlot;
    if ((held < 0 ? held + queue.size : held) + slots > queue.size) return fail(RING_LOOP);
  }
  walk[WALK_BYTES] = bytes;
  walk[WALK_ID] = id;
  walk[WALK_SLOTS] = slots;
  walk[WALK_STEPS]! -= slots;
  return segment;
}

function fail(reason: number): number {
  walk[WALK_REASON] = reason;
  return -1;
}

/** The entries of an indirect table, in order; only WRITE means anything in their flags. */
function walkIndirect(
  queue: PackedQueue,
  memory: GuestMemory,
  low: number,
  high: number,
  length: number,
  at: number,
  deviceWrites: number,
): number {
  if (!queue.indirect || isBadTable(length, queue.size)) return badTable(queue, CHAIN_BAD_INDIRECT);
  if (!copyWordsIn(memory, low, high, length, indirectTable, SCRATCH_SEGMENTS)) {
    return fail(RING_BAD_ADDRESS);
  }
  walk[WALK_STEPS]! -= length / DESC_BYTES;
  let segment = at;
  let bytes = 0;
  for (let word = 0; word < length / 4; word += 4) {
    const entryBytes = indirectTable[word + 2]!;
    const entryFlags = indirectTable[word + 3]! >>> 16;
    if ((entryFlags & VRING_DESC_F_INDIRECT) !== 0) return badTable(queue, CHAIN_BAD_INDIRECT);
    // DPDK 22.11 leaves WRITE set on the header's entry of its transmit tables. Reading a buffer
    // that the device might have written hurts nobody; writing a readable one is never done.
    if ((entryFlags & VRING_DESC_F_WRITE) < deviceWrites) {
      return badTable(queue, CHAIN_BAD_DIRECTION);
    }
    if (entryBytes < 0 && deviceWrites !== 0) return fail(RING_BAD_ADDRESS);
    if (entryBytes < 0 || bytes > CHAIN_BYTES_MAX) bytes = CHAIN_BYTES_MAX + 1;
    else if (entryBytes > 0) {
      segment = pushSegments(
        memory,
        segment,
        indirectTable[word]!,
        indirectTable[word + 1]!,
        entryBytes,
      );
      if (segment < 0) return fail(RING_BAD_ADDRESS);
      bytes = entryBytes > CHAIN_BYTES_MAX ? CHAIN_BYTES_MAX + 1 : bytes + entryBytes;
    }
  }
  walk[WALK_BYTES] = bytes;
  return segment;
}

function badTable(queue: PackedQueue, reason: number): number {
  noteBadChain(queue, reason);
  walk[WALK_BYTES] = 0;
  return BAD_CHAIN;
}
