// deno-lint-ignore-file no-non-null-assertion
/**
 * The IOTLB of one guest, data-plane side: descriptor addresses are I/O virtual, and the front-end
 * tells which of them lie where (vhost-user.rst «IOMMU support»). An address of which nothing is
 * known is no fault of the driver's: whoever walks the ring stops in front of it and asks.
 *
 * @module
 */
import { LIMITS } from "../../base/port_limits.ts";
import { BUFFER_SEGMENTS, SCRATCH_SEGMENTS } from "../burst.ts";
import {
  type GuestRegion,
  segmentBytes,
  segmentOffset,
  SEGMENTS_MAX,
  segmentWindow,
} from "./guest_memory.ts";
import { Translations } from "./translations.ts";
import { WINDOW_STRIDE } from "./arena.ts";

/** Translations kept for one guest: 16 MiB of single pages. */
export const IOTLB_ENTRIES_MAX: number = LIMITS.translations.most;
/** Unit in which translations are asked for, bytes. */
export const IOTLB_PAGE_BYTES = 4096;
/** Permission bits, as in IOTLB messages (VHOST_ACCESS_RO, VHOST_ACCESS_WO). */
export const IOTLB_READ = 1;
/** See {@linkcode IOTLB_READ}. */
export const IOTLB_WRITE = 2;
/** Questions remembered. */
const ASKED_MAX = 4096;
/** Chains whose translations are asked for together. */
export const AHEAD_MAX = 32;
const AHEAD_MIN = 4;
/** No buffer is as large: an invalidation of so much is a flush of everything. */
const FLUSH_BYTES_MIN = 2 ** 30;
/** Ranges up to this are looked at page by page. */
const BUFFER_BYTES_MAX = 2 ** 17;
/** High halves above this belong to addresses of 2^53 and more: nothing is ever there. */
const HIGH_BITS = 21;
const ADDRESS_MAX = 2 ** 53;

/** Translations of one guest. */
export class Iotlb {
  /** `target` is an offset in the mapping of region number `owner`. */
  readonly entries: Translations = new Translations(IOTLB_ENTRIES_MAX);
  readonly #regions: readonly GuestRegion[];
  #ahead = AHEAD_MIN;
  /** Questions that are open: page + permission. */
  readonly #asked = new Set<number>();
  /** The last push failed for want of a translation: of this address, with this permission. */
  missed = false;
  /** See {@linkcode missed}. */
  missedAddress = 0;
  /** See {@linkcode missed}. */
  missedPermission = 0;

  /**
   * Nothing is known at first.
   * @param regions of the memory table in force; with another one comes another IOTLB
   */
  constructor(regions: readonly GuestRegion[]) {
    this.#regions = regions;
  }

  /**
   * Enters a range that lies in one region. @param hostAddress where its first byte is mapped
   * @returns false if that is no guest memory
   */
  update(iova: number, sizeBytes: number, hostAddress: number, permission: number): boolean {
    for (const [index, region] of this.#regions.entries()) {
      const offset = hostAddress - region.windows.address;
      const inRegion = offset - region.mappingOffset;
      if (inRegion < 0 || inRegion + sizeBytes > region.sizeBytes) continue;
      this.entries.update(iova, sizeBytes, offset, index, permission);
      this.#close(iova, sizeBytes);
      return true;
    }
    return false;
  }

  /** Forgets a range, which may reach beyond 2^53. Questions stay open: they will be answered. */
  invalidate(iova: number, sizeBytes: number): void {
    this.entries.invalidate(iova, sizeBytes);
    if (sizeBytes >= FLUSH_BYTES_MIN) this.#ahead = AHEAD_MIN;
  }

  /**
   * How many receive buffers to ask for at once. Few after a flush: a guest in lazy mode flushes
   * everything every 10 ms, and what was not used until then was asked for in vain.
   */
  takeAhead(): number {
    const chains = this.#ahead;
    this.#ahead = Math.min(AHEAD_MAX, 2 * chains);
    return chains;
  }

  /**
   * Notes a question. @returns false if it is open already: an answer will come, and by the time of
   * a second one the guest may have unmapped the page, which is a fault in its log
   */
  ask(page: number, permission: number): boolean {
    const key = page + permission;
    if (this.#asked.has(key)) return false;
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear();
    this.#asked.add(key);
    return true;
  }

  /** A question may have been lost: it is no longer open. */
  unask(page: number, permission: number): void {
    this.#asked.delete(page + permission);
  }

  /** Questions about a range are answered. */
  #close(iova: number, sizeBytes: number): void {
    const end = iova + sizeBytes;
    const first = iova - iova % IOTLB_PAGE_BYTES;
    if (end - first > BUFFER_BYTES_MAX) {
      for (const key of this.#asked) if (key >= first && key < end) this.#asked.delete(key);
      return;
    }
    for (let page = first; page < end; page += IOTLB_PAGE_BYTES) {
      this.#asked.delete(page + IOTLB_READ);
      this.#asked.delete(page + IOTLB_WRITE);
    }
  }

  /**
   * Like pushSegments in guest_memory.ts, for I/O virtual addresses. What the segments are for follows
   * from where they go: receive buffers are written, all others are read.
   * @returns the index behind the last segment, or -1; then `missed` tells whether asking helps
   */
  push(at: number, low: number, high: number, sizeBytes: number): number {
    this.missed = false;
    if (high >>> HIGH_BITS !== 0) return -1;
    const permission = at >= BUFFER_SEGMENTS && at < SCRATCH_SEGMENTS ? IOTLB_WRITE : IOTLB_READ;
    const { entries } = this;
    let address = high * 2 ** 32 + (low >>> 0);
    if (address + sizeBytes > ADDRESS_MAX) return -1;
    let left = sizeBytes;
    let segment = at;
    while (left > 0) {
      const entry = entries.find(address);
      if (entry < 0 || (entries.permission[entry]! & permission) === 0) {
        this.missed = true;
        this.missedAddress = address;
        this.missedPermission = permission;
        return -1;
      }
      if (segment >= SEGMENTS_MAX) return -1;
      const offset = entries.target[entry]! + address - entries.start[entry]!;
      const part = Math.min(left, entries.end[entry]! - address, WINDOW_STRIDE);
      const { windows } = this.#regions[entries.owner[entry]!]!;
      segmentWindow[segment] = windows.window(offset);
      segmentOffset[segment] = (windows.skew + offset) % WINDOW_STRIDE;
      segmentBytes[segment] = part;
      segment++;
      address += part;
      left -= part;
    }
    return segment;
  }
}
