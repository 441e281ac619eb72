// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The dirty log: which pages of guest memory the device has written, for live migration
 * (vhost-user.rst «Migration»). One bit per page of 4096 bytes, page p in bit p % 8 of byte p / 8,
 * shared with the front-end, which takes bits away while we set others.
 *
 * A page is logged after it was written: the front-end clears a bit first and copies the page then,
 * so a bit set before the write may be gone when the write comes. For the same reason every bit is
 * set with a locked OR, also where it stands already: a plain load of it could be done before the
 * write it follows has reached memory.
 *
 * Rings and buffers are known by where they are mapped, so guest addresses are looked up backwards,
 * from window to region; this is the only way that also holds behind an IOMMU. Nothing here runs
 * while no migration is under way.
 *
 * @module
 */
import { BUFFER_SEGMENTS } from "../burst.ts";
import { bufferBytes } from "../deliver.ts";
import {
  type GuestMemory,
  type GuestRegion,
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "./guest_memory.ts";
import type { MappedArea } from "../ring.ts";
import { windowOwner, type WindowSet, windowStart } from "./window.ts";

/** Bytes of a page in the log, whatever pages the guest has. */
const PAGE_BYTES = 4096;
/** Guest addresses logged for one mapped byte: bounds what a table full of aliases costs others. */
const ALIASES_MAX = 8;

const USED_RING_OFFSET = 4;
const USED_ENTRY_BYTES = 8;
const DESC_BYTES = 16;
const EVENT_INDEX_BYTES = 2;
/** Packed: `flags` of an event suppression area, which is all the device writes of its own. */
const EVENT_FLAGS_OFFSET = 2;
const NO_REGIONS: readonly GuestRegion[] = [];

/** A log the front-end shares with us. */
export class DirtyLog {
  /** One bit a page; the front-end takes bits away meanwhile. */
  readonly bytes: Uint8Array;

  /** A log that is mapped. @param offset where the log starts in `buffer`, bytes */
  constructor(buffer: ArrayBuffer, offset: number, sizeBytes: number) {
    this.bytes = new Uint8Array(buffer, offset, sizeBytes);
  }
}

/** What one virtqueue logs, and what it needs for that. Made anew when anything of it changes. */
export class QueueLog {
  /** Gets what is written into buffers (VHOST_F_LOG_ALL), or null. */
  readonly payload: DirtyLog | null;
  /** Gets what is written into the ring (VHOST_VRING_F_LOG), or null. */
  readonly ring: DirtyLog | null;
  /** Where the front-end wants its device area logged (`log_guest_addr`), or LOG_BY_PLACE. */
  readonly deviceGuestAddr: number;
  /** Where the descriptors are mapped, which packed rings write. */
  readonly desc: MappedArea | null;
  /** Where the device area is mapped. */
  readonly device: MappedArea | null;
  /** Regions by the mapping that holds them. */
  readonly regions: ReadonlyMap<WindowSet, readonly GuestRegion[]>;

  /** For a queue whose areas are in `memory`; the others are the fields of these names. */
  constructor(
    memory: GuestMemory,
    desc: MappedArea | null,
    device: MappedArea | null,
    payload: DirtyLog | null,
    ring: DirtyLog | null,
    deviceGuestAddr: number,
  ) {
    this.payload = payload;
    this.ring = ring;
    this.deviceGuestAddr = deviceGuestAddr;
    this.desc = desc;
    this.device = device;
    const regions = new Map<WindowSet, GuestRegion[]>();
    for (const region of memory.regions) {
      const list = regions.get(region.windows);
      if (list === undefined) regions.set(region.windows, [region]);
      else if (list.length < ALIASES_MAX) list.push(region);
    }
    this.regions = regions;
  }
}

/** Logs a guest-physical range, above 0 bytes. What lies behind the log's end is left out. */
export function logRange(log: DirtyLog, guestAddr: number, sizeBytes: number): void {
  const bytes = log.bytes;
  const last = Math.floor((guestAddr + sizeBytes - 1) / PAGE_BYTES);
  for (let page = Math.floor(guestAddr / PAGE_BYTES); page <= last; page++) {
    const byte = Math.floor(page / 8);
    if (byte >= bytes.length) return;
    Atomics.or(bytes, byte, 1 << (page % 8));
  }
}

/** Logs a range of a mapping wherever the guest sees it. */
function logMapped(
  queue: QueueLog,
  log: DirtyLog,
  windows: WindowSet,
  offset: number,
  sizeBytes: number,
): void {
  const regions = queue.regions.get(windows) ?? NO_REGIONS;
  for (let i = 0; i < regions.length; i++) {
    const region = regions[i]!;
    const regionStart = region.mappingOffset;
    const start = offset > regionStart ? offset : regionStart;
    const end = Math.min(offset + sizeBytes, regionStart + region.sizeBytes);
    if (start < end) logRange(log, region.guestAddr + (start - regionStart), end - start);
  }
}

function logSegment(queue: QueueLog, log: DirtyLog, segment: number, sizeBytes: number): void {
  const number = segmentWindow[segment]!;
  const owner = windowOwner[number]!;
  const offset = windowStart[number]! + segmentOffset[segment]!;
  if (owner !== null) logMapped(queue, log, owner, offset, sizeBytes);
}

/**
 * Logs `count` buffers that were written, one segment each, headers included.
 * @param first number of the first buffer, the others follow
 */
export function logPlain(queue: QueueLog, first: number, count: number): void {
  const log = queue.payload;
  if (log === null) return;
  for (let i = 0; i < count; i++) {
    logSegment(queue, log, BUFFER_SEGMENTS + i, bufferBytes[first + i]!);
  }
}

/** Logs a frame that was written over several segments: `sizeBytes` with its header. */
export function logFrame(queue: QueueLog, sizeBytes: number): void {
  const log = queue.payload;
  if (log === null) return;
  let segment = BUFFER_SEGMENTS;
  for (let left = sizeBytes; left > 0; segment++) {
    const room = segmentBytes[segment]!;
    logSegment(queue, log, segment, room < left ? room : left);
    left -= room;
  }
}

/** Logs a piece of the device area: where the front-end said, and where it is found in memory. */
function logDevice(queue: QueueLog, log: DirtyLog, offset: number, sizeBytes: number): void {
  // It may lie outside the memory table, but only inside the log (vhost-user.rst «Migration»).
  if (queue.deviceGuestAddr >= 0) logRange(log, queue.deviceGuestAddr + offset, sizeBytes);
  const device = queue.device;
  if (device === null) return;
  logMapped(queue, log, device.windows, device.mappingOffset + offset, sizeBytes);
}

/** Logs the used ring: entries `from` to before `to`, both free running, and the index. */
export function logSplitUsed(queue: QueueLog, size: number, from: number, to: number): void {
  const log = queue.ring;
  if (log === null) return;
  const first = from & (size - 1);
  const count = (to - from) & 0xffff;
  const behind = first + count - size;
  const start = USED_RING_OFFSET + first * USED_ENTRY_BYTES;
  logDevice(queue, log, start, (behind > 0 ? size - first : count) * USED_ENTRY_BYTES);
  if (behind > 0) logDevice(queue, log, USED_RING_OFFSET, behind * USED_ENTRY_BYTES);
  logDevice(queue, log, 0, USED_RING_OFFSET);
}

/** Logs the used ring's flags, or its `avail_event`. */
export function logSplitKicks(queue: QueueLog, size: number, eventIdx: boolean): void {
  const log = queue.ring;
  if (log === null) return;
  const event = USED_RING_OFFSET + size * USED_ENTRY_BYTES;
  logDevice(queue, log, eventIdx ? event : 0, EVENT_INDEX_BYTES);
}

/** Logs a packed ring's slots from `from` to before `to`; all of them where both are equal. */
export function logPackedUsed(queue: QueueLog, size: number, from: number, to: number): void {
  const log = queue.ring;
  if (log === null || queue.desc === null) return;
  const { windows, mappingOffset } = queue.desc;
  const end = to > from ? to : size;
  const start = mappingOffset + from * DESC_BYTES;
  logMapped(queue, log, windows, start, (end - from) * DESC_BYTES);
  if (to <= from && to > 0) logMapped(queue, log, windows, mappingOffset, to * DESC_BYTES);
}

/** Logs a packed ring's device event suppression. */
export function logPackedKicks(queue: QueueLog): void {
  const log = queue.ring;
  if (log !== null) logDevice(queue, log, EVENT_FLAGS_OFFSET, EVENT_INDEX_BYTES);
}
