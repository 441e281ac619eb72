// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Guest-physical memory: descriptor addresses to windows. A whole range is checked, never only its
 * start, and a range may cross from one region into the next.
 *
 * Addresses come as two int32 halves, as a descriptor holds them. Guest memory is cut in granules
 * of 1 GiB; a small direct-mapped cache remembers where each granule lies, 1.7 ns a look-up
 * against 11 for a scan of three regions.
 *
 * @module
 */
import { WINDOW_BYTES_MAX, WINDOW_STRIDE } from "./arena.ts";
import type { Iotlb } from "./iotlb.ts";
import { type WindowSet, windowView } from "./window.ts";

/** Bits of an address inside its granule. */
export const GRANULE_BITS = 30;
/** See {@linkcode GRANULE_BITS}. */
export const GRANULE_MASK: number = 2 ** GRANULE_BITS - 1;
/** 64 granules: guests up to 64 GiB never miss twice. */
export const SLOTS = 64;
/** Words of a slot. */
export const SLOT_WORDS = 8;
/** In a slot, the granule's number, or -1: it is empty. */
export const SLOT_TAG = 0;
/** In a slot, where the region's first byte in the granule is, and where its last one ends. */
export const SLOT_START = 1;
/** See {@linkcode SLOT_START}. */
export const SLOT_END = 2;
/** In a slot, what leads from an offset in the granule to one in the window. */
export const SLOT_DELTA = 3;
/** In a slot, the window. */
export const SLOT_WINDOW = 4;
/** High halves above this belong to addresses of 2^53 and more: in no region. */
export const HIGH_BITS = 21;

/** One region as the data plane sees it. */
export interface GuestRegion {
  /** First guest-physical address, below 2^53. */
  readonly guestAddr: number;
  /** Bytes of the region. */
  readonly sizeBytes: number;
  /** Windows over the mapping that holds it. */
  readonly windows: WindowSet;
  /** Where the region starts in the mapping, bytes. */
  readonly mappingOffset: number;
}

/** Segments of chains being worked on, in three parallel arrays; chains fill runs of them. */
export const SEGMENTS_MAX = 14 * 32768;
/** Window of each segment. */
export const segmentWindow: Int32Array<ArrayBuffer> = new Int32Array(SEGMENTS_MAX);
/** Byte offset of each segment in its window. */
export const segmentOffset: Int32Array<ArrayBuffer> = new Int32Array(SEGMENTS_MAX);
/** Bytes of each segment, above 0. */
export const segmentBytes: Int32Array<ArrayBuffer> = new Int32Array(SEGMENTS_MAX);

/** The guest address that was last looked for in vain, and whose memory it is not in. */
export const stray: { memory: GuestMemory | null; address: number } = { memory: null, address: -1 };

/** The memory of one guest, replaced as a whole when its table changes. */
export class GuestMemory {
  /** The regions, by address. */
  readonly regions: readonly GuestRegion[];
  /** The cache: SLOT_WORDS words a granule, in one array, so that a hit touches one line. */
  readonly slots: Int32Array = new Int32Array(SLOTS * SLOT_WORDS).fill(-1);
  /** Translates addresses that are I/O virtual; the cache above stays empty then. */
  iotlb: Iotlb | null = null;

  /** A guest with these regions, which must not overlap. */
  constructor(regions: readonly GuestRegion[]) {
    this.regions = regions.toSorted((a, b) => a.guestAddr - b.guestAddr);
  }
}

/**
 * Translates a guest-physical range and appends it as segments from index `at` on (one, or more
 * where it crosses regions or windows).
 * @param low bits 0-31 of the address @param high bits 32-63
 * @param sizeBytes above 0 @returns the index behind the last segment, or -1: not guest memory
 */
export function pushSegments(
  memory: GuestMemory,
  at: number,
  low: number,
  high: number,
  sizeBytes: number,
): number {
  const tag = (high << 2) | (low >>> GRANULE_BITS);
  const inGranule = low & GRANULE_MASK;
  const slots = memory.slots;
  const slot = (tag & (SLOTS - 1)) * SLOT_WORDS;
  if (
    high >>> HIGH_BITS === 0 && slots[slot + SLOT_TAG] === tag &&
    inGranule >= slots[slot + SLOT_START]! && sizeBytes <= slots[slot + SLOT_END]! - inGranule
  ) {
    segmentWindow[at] = slots[slot + SLOT_WINDOW]!;
    segmentOffset[at] = inGranule + slots[slot + SLOT_DELTA]!;
    segmentBytes[at] = sizeBytes;
    return at + 1;
  }
  return pushUncached(memory, at, low, high, sizeBytes);
}

// cold
function noteStray(memory: GuestMemory, address: number): void {
  stray.memory = memory;
  stray.address = address;
}

// cold: the first touch of a granule, or a range that crosses regions.
function pushUncached(
  memory: GuestMemory,
  at: number,
  low: number,
  high: number,
  sizeBytes: number,
): number {
  if (memory.iotlb !== null) return memory.iotlb.push(at, low, high, sizeBytes);
  if (high >>> HIGH_BITS !== 0) return -1;
  let address = high * 2 ** 32 + (low >>> 0);
  let left = sizeBytes;
  let index = at;
  while (left > 0) {
    const slot = fillSlot(memory, address);
    if (slot < 0) noteStray(memory, address);
    if (slot < 0 || index >= SEGMENTS_MAX) return -1;
    const inGranule = address % WINDOW_STRIDE;
    const part = Math.min(left, memory.slots[slot + SLOT_END]! - inGranule);
    segmentWindow[index] = memory.slots[slot + SLOT_WINDOW]!;
    segmentOffset[index] = inGranule + memory.slots[slot + SLOT_DELTA]!;
    segmentBytes[index] = part;
    index++;
    address += part;
    left -= part;
  }
  return index;
}

/** The last region that starts at or below an address; a guest may have 509 of them. */
// cold
function regionBelow(regions: readonly GuestRegion[], address: number): GuestRegion | undefined {
  let low = 0;
  let high = regions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (regions[middle]!.guestAddr <= address) low = middle + 1;
    else high = middle;
  }
  return regions[low - 1];
}

// cold
function fillSlot(memory: GuestMemory, address: number): number {
  const region = regionBelow(memory.regions, address);
  if (region === undefined || address - region.guestAddr >= region.sizeBytes) return -1;
  const tag = Math.floor(address / WINDOW_STRIDE);
  const granule = tag * WINDOW_STRIDE;
  const start = Math.max(0, region.guestAddr - granule);
  // Mapping offset of the granule's first byte; negative where the region starts inside it.
  const inMapping = region.mappingOffset + granule - region.guestAddr;
  // The same from the start of the mapping's first window.
  const origin = region.windows.skew + inMapping;
  const windowStart = Math.floor((origin + start) / WINDOW_STRIDE) * WINDOW_STRIDE;
  const regionEnd = region.guestAddr + region.sizeBytes - granule;
  const windowEnd = windowStart + WINDOW_BYTES_MAX - origin;
  const slot = (tag & (SLOTS - 1)) * SLOT_WORDS;
  memory.slots[slot + SLOT_TAG] = tag;
  memory.slots[slot + SLOT_START] = start;
  memory.slots[slot + SLOT_END] = Math.min(regionEnd, windowEnd, 2 ** 31 - 1);
  memory.slots[slot + SLOT_DELTA] = origin - windowStart;
  memory.slots[slot + SLOT_WINDOW] = region.windows.window(inMapping + start);
  return slot;
}

/**
 * Copies guest memory once into private words: an indirect table is checked on the copy only.
 * @param sizeBytes a multiple of 4 @param scratch first segment index that may be overwritten
 * @returns false if the range is not guest memory
 */
export function copyWordsIn(
  memory: GuestMemory,
  low: number,
  high: number,
  sizeBytes: number,
  into: Int32Array,
  scratch: number,
): boolean {
  const end = pushSegments(memory, scratch, low, high, sizeBytes);
  if (end < 0) return false;
  let word = 0;
  for (let segment = scratch; segment < end; segment++) {
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]!;
    const bytes = segmentBytes[segment]!;
    // Regions are page-sized and tables 16-byte aligned in them; a word that would straddle two
    // regions belongs to no sane guest.
    if ((bytes & 3) !== 0) return false;
    for (let i = 0; i < bytes; i += 4) into[word++] = view.getInt32(offset + i, true);
  }
  return true;
}
