// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Chains of a split virtqueue (virtio-v1.3 §2.7.5): descriptors that lead to one another, in the
 * descriptor table and from there in an indirect one.
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
import {
  DESC_BYTES,
  indirectTable,
  RING_BAD_ADDRESS,
  RING_BAD_INDEX,
  RING_LOOP,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  walk,
  WALK_BYTES,
  WALK_REASON,
  WALK_STEPS,
} from "../ring.ts";
import type { SplitQueue } from "./queue.ts";

/**
 * Follows one chain and appends its segments from index `at`; `walk` receives the rest. The only
 * walker of split chains: transmit, receive, direct and indirect.
 * @param deviceWrites whether the descriptors must be device-writable
 * @returns index behind the last segment; BAD_CHAIN if it is one, with 0 bytes in `walk`; or -1
 * with the reason in `walk`: the queue is to be given up
 */
export function walkSplitChain(
  queue: SplitQueue,
  memory: GuestMemory,
  head: number,
  at: number,
  deviceWrites: number,
): number {
  let table = queue.desc;
  let entries = queue.size;
  let index = head;
  let segment = at;
  let bytes = 0;
  // Zero-length descriptors count too: the loop ends after as many steps as the ring has entries.
  let budget = queue.size;
  for (let steps = 1; steps <= budget; steps++) {
    const low = table[4 * index]!;
    const high = table[4 * index + 1]!;
    const length = table[4 * index + 2]!;
    const flagsNext = table[4 * index + 3]!;
    if ((flagsNext & VRING_DESC_F_INDIRECT) !== 0) {
      if (table !== queue.desc) return bad(queue, CHAIN_BAD_INDIRECT, budget);
      entries = loadIndirect(queue, memory, low, high, length, flagsNext);
      if (entries < 0) return fail(RING_BAD_ADDRESS);
      if (entries === 0) return bad(queue, CHAIN_BAD_INDIRECT, steps);
      table = indirectTable;
      index = 0;
      // The table has its own entries to walk; nothing follows it.
      budget = steps + entries;
      continue;
    }
    if ((flagsNext & VRING_DESC_F_WRITE) !== deviceWrites) {
      return bad(queue, CHAIN_BAD_DIRECTION, table === queue.desc ? steps : budget);
    }
    // A length of 2^31 and more reads as negative. Too long is not a fault of a transmit ring: the
    // frame is dropped later, but nothing more of it is translated. A receive buffer must be
    // translated before it may count: what is written goes to segments, whoever's they were.
    if (length < 0 && deviceWrites !== 0) return fail(RING_BAD_ADDRESS);
    if (length < 0 || bytes > CHAIN_BYTES_MAX) bytes = CHAIN_BYTES_MAX + 1;
    else if (length > 0) {
      segment = pushSegments(memory, segment, low, high, length);
      if (segment < 0) return fail(RING_BAD_ADDRESS);
      bytes = length > CHAIN_BYTES_MAX ? CHAIN_BYTES_MAX + 1 : bytes + length;
    }
    if ((flagsNext & VRING_DESC_F_NEXT) === 0) {
      walk[WALK_BYTES] = bytes;
      // A table was copied as a whole.
      walk[WALK_STEPS]! -= table === queue.desc ? steps : budget;
      return segment;
    }
    index = flagsNext >>> 16;
    if (index >= entries) return fail(RING_BAD_INDEX);
  }
  return fail(RING_LOOP);
}

/** @param steps descriptors read */
function bad(queue: SplitQueue, reason: number, steps: number): number {
  noteBadChain(queue, reason);
  walk[WALK_BYTES] = 0;
  walk[WALK_STEPS]! -= steps;
  return BAD_CHAIN;
}

function fail(reason: number): number {
  walk[WALK_REASON] = reason;
  return -1;
}

/**
 * Copies an indirect table into private memory (virtio-v1.3 §2.7.5.3). WRITE on the descriptor that
 * points to the table is ignored, as the specification demands.
 * @returns its entries, 0 if the chain is bad, -1 if it is not guest memory
 */
function loadIndirect(
  queue: SplitQueue,
  memory: GuestMemory,
  low: number,
  high: number,
  length: number,
  flags: number,
): number {
  if (!queue.indirect || (flags & VRING_DESC_F_NEXT) !== 0) return 0;
  if (isBadTable(length, queue.size)) return 0;
  return copyWordsIn(memory, low, high, length, indirectTable, SCRATCH_SEGMENTS)
    ? length / DESC_BYTES
    : -1;
}
