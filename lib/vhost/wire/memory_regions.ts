/**
 * Memory regions as they stand in messages, read and checked (vhost-user.rst «Memory region
 * description»).
 *
 * ```
 * nregions u32@0  padding u32@4  then per region: guest_phys u64  size u64  user u64  mmap_offset u64
 * ```
 *
 * @module
 */
import type { MemoryRegion } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { exactU64, VHOST_MEMORY_BASELINE_NREGIONS } from "./message.ts";

/** Bytes of a table in front of its regions. */
export const TABLE_HEAD_BYTES = 8;
/** Bytes of a region in a message. */
export const REGION_BYTES = 32;
/** User addresses are below this: 47 bits on x86-64, 48 on aarch64. */
const USER_ADDR_MAX = 2 ** 48;
/** Guest-physical addresses are below this: more than any processor has. */
const GUEST_ADDR_MAX = 2 ** 52;
/** Files end below this: larger sums would not be exact. */
const FILE_OFFSET_MAX = 2 ** 52;
/** Smallest page of any processor: front-ends give whole pages of their files. */
const PAGE_BYTES = 4096;

function refuse(detail: string): Refusal {
  return { code: "bad-region", detail };
}

/** Reads and checks a payload of SET_MEM_TABLE, of TABLE_HEAD_BYTES at least, with `fdCount` descriptors. */
export function decodeMemoryTable(payload: DataView, fdCount: number): MemoryRegion[] | Refusal {
  const count = payload.getUint32(0, true);
  if (count === 0 || count > VHOST_MEMORY_BASELINE_NREGIONS) return refuse(`${count} regions`);
  // User-Mode Linux always sends 72 bytes, room for two regions: more of them is fine, fewer not.
  const slots = (payload.byteLength - TABLE_HEAD_BYTES) / REGION_BYTES;
  if (!Number.isInteger(slots) || slots < count) {
    return { code: "bad-size", detail: `${count} regions in ${payload.byteLength} bytes` };
  }
  if (fdCount !== count) {
    return { code: "fd-count", detail: `${fdCount} descriptors for ${count} regions` };
  }
  const regions: MemoryRegion[] = [];
  for (let i = 0; i < count; i++) {
    const region = decodeRegion(payload, TABLE_HEAD_BYTES + i * REGION_BYTES);
    if (isRefusal(region)) return region;
    const other = regions.find((known) => overlaps(known, region));
    if (other) return refuse(`regions ${regions.indexOf(other)} and ${i} overlap`);
    regions.push(region);
  }
  return regions;
}

/** Reads and checks one region at `offset` of a payload. */
export function decodeRegion(payload: DataView, offset: number): MemoryRegion | Refusal {
  const guestAddr = exactU64(payload, offset);
  const sizeBytes = exactU64(payload, offset + 8);
  const userAddr = exactU64(payload, offset + 16);
  const mmapOffset = exactU64(payload, offset + 24);
  if (guestAddr === null || sizeBytes === null || userAddr === null || mmapOffset === null) {
    return refuse("an address of 2^53 or more");
  }
  if (sizeBytes === 0) return refuse("a region of 0 bytes");
  if (mmapOffset % PAGE_BYTES !== 0) return refuse("a file offset inside a page");
  // Each operand is below 2^53, so the sums are exact or larger than either limit.
  if (guestAddr + sizeBytes > GUEST_ADDR_MAX) return refuse("guest addresses end beyond 2^52");
  if (userAddr + sizeBytes > USER_ADDR_MAX) return refuse("user addresses end beyond 2^48");
  if (mmapOffset + sizeBytes > FILE_OFFSET_MAX) return refuse("file offsets end beyond 2^52");
  return { guestAddr, sizeBytes, userAddr, mmapOffset };
}

/** Whether two regions share guest-physical or user addresses. */
export function overlaps(a: MemoryRegion, b: MemoryRegion): boolean {
  return (a.guestAddr < b.guestAddr + b.sizeBytes && b.guestAddr < a.guestAddr + a.sizeBytes) ||
    (a.userAddr < b.userAddr + b.sizeBytes && b.userAddr < a.userAddr + a.sizeBytes);
}
