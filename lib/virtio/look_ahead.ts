// deno-lint-ignore-file no-non-null-assertion
/**
 * What a virtqueue will need next of an IOTLB that has just missed: the addresses of its next
 * available chains. Asked for together, they cost one round trip instead of one each.
 *
 * Nothing here is relied on: whoever takes the chains later checks them.
 *
 * @module
 */
import { isBadTable } from "./bad_chain.ts";
import { SCRATCH_SEGMENTS } from "./burst.ts";
import { IOTLB_PAGE_BYTES, IOTLB_READ, IOTLB_WRITE } from "./memory/iotlb.ts";
import type { Iotlb } from "./memory/iotlb.ts";
import { copyWordsIn, type GuestMemory } from "./memory/guest_memory.ts";
import { availableSlots, type PackedQueue } from "./packed/queue.ts";
import {
  DESC_BYTES,
  indirectTable,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
} from "./ring.ts";
import type { SplitQueue } from "./split/queue.ts";

/** Descriptors looked at of each chain. */
const DESCRIPTORS_MAX = 24;
/** Pages asked for at once: what the events ring and the front-end's socket take easily. */
const PAGES_MAX = 64;
/** Pages of one buffer. */
const BUFFER_PAGES_MAX = 17;
const ADDRESS_MAX = 2 ** 53;

/** Asks for a page, by its first address, and a permission. */
export type Ask = (page: number, permission: number) => void;

/** Collects what is missing. */
class Wanted {
  readonly #iotlb: Iotlb;
  readonly #bytesMax: number;
  readonly #ask: Ask;
  #left = PAGES_MAX;
  #last = -1;

  constructor(iotlb: Iotlb, bytesMax: number, ask: Ask) {
    this.#iotlb = iotlb;
    this.#bytesMax = bytesMax;
    this.#ask = ask;
  }

  get enough(): boolean {
    return this.#left <= 0;
  }

  /** A buffer will be needed. @param length as in a descriptor: negative is 2^31 and more */
  range(low: number, high: number, length: number, permission: number): void {
    const first = (high >>> 0) * 2 ** 32 + (low >>> 0);
    const bytes = Math.min(length, this.#bytesMax);
    if (bytes <= 0 || first + bytes > ADDRESS_MAX) return;
    let page = first - first % IOTLB_PAGE_BYTES;
    for (let i = 0; i < BUFFER_PAGES_MAX && page < first + bytes && !this.enough; i++) {
      const known = this.#iotlb.entries.permissionAt(Math.max(page, first));
      // Small buffers often share a page.
      if ((known & permission) === 0 && page !== this.#last) {
        this.#last = page;
        this.#left--;
        this.#ask(page, permission);
      }
      page += IOTLB_PAGE_BYTES;
    }
  }
}

/**
 * Asks for what the next chains of a split ring need and the IOTLB of its guest lacks.
 * @param most chains to look at @param bytes of each buffer that will be used, as far as one can tell
 */
export function lookAheadSplit(
  queue: SplitQueue,
  memory: GuestMemory,
  iotlb: Iotlb,
  most: number,
  bytes: number,
  ask: Ask,
): void {
  const wanted = new Wanted(iotlb, bytes, ask);
  const { avail, desc, mask, size } = queue;
  const available = (Atomics.load(avail, 1) - queue.lastAvail) & 0xffff;
  const chains = Math.min(available, most, size);
  for (let chain = 0; chain < chains && !wanted.enough; chain++) {
    let index = avail[2 + ((queue.lastAvail + chain) & mask)]!;
    for (let step = 0; step < DESCRIPTORS_MAX && index < size; step++) {
      const flags = desc[4 * index + 3]!;
      const next = flags >>> 16;
      one(
        memory,
        wanted,
        queue.size,
        desc[4 * index]!,
        desc[4 * index + 1]!,
        desc[4 * index + 2]!,
        flags & 0xffff,
      );
      if ((flags & VRING_DESC_F_NEXT) === 0) break;
      index = next;
    }
  }
}

/** As {@linkcode lookAheadSplit}, for a packed ring. @param most slots to look at */
export function lookAheadPacked(
  queue: PackedQueue,
  memory: GuestMemory,
  iotlb: Iotlb,
  most: number,
  bytes: number,
  ask: Ask,
): void {
  const wanted = new Wanted(iotlb, bytes, ask);
  const { desc, size } = queue;
  const slots = availableSlots(queue, most);
  for (let i = 0; i < slots && !wanted.enough; i++) {
    const at = 4 * ((queue.availSlot + i) % size);
    one(memory, wanted, size, desc[at]!, desc[at + 1]!, desc[at + 2]!, desc[at + 3]! >>> 16);
  }
}

/** One descriptor of a ring, or the table it points to. */
function one(
  memory: GuestMemory,
  wanted: Wanted,
  size: number,
  low: number,
  high: number,
  bytes: number,
  flags: number,
): void {
  if ((flags & VRING_DESC_F_INDIRECT) === 0) {
    wanted.range(low, high, bytes, permissionOf(flags));
    return;
  }
  wanted.range(low, high, bytes, IOTLB_READ);
  if (isBadTable(bytes, size)) return;
  if (!copyWordsIn(memory, low, high, bytes, indirectTable, SCRATCH_SEGMENTS)) return;
  const words = Math.min(bytes, DESC_BYTES * DESCRIPTORS_MAX) / 4;
  for (let word = 0; word < words; word += 4) {
    const permission = permissionOf(indirectTable[word + 3]!);
    wanted.range(
      indirectTable[word]!,
      indirectTable[word + 1]!,
      indirectTable[word + 2]!,
      permission,
    );
  }
}

function permissionOf(flags: number): number {
  return (flags & VRING_DESC_F_WRITE) === 0 ? IOTLB_READ : IOTLB_WRITE;
}
