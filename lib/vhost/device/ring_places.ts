/**
 * Where a device's virtqueues lie: ring addresses are user addresses, or I/O virtual ones behind an
 * IOMMU.
 *
 * @module
 */
import { BIT, hasFeature } from "../features/bits.ts";
import { LOG_BY_PLACE, LOG_OFF } from "../../virtio/ring.ts";
import type { MemoryTable } from "./memory_table.ts";
import type { IotlbHost } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import type { RingIotlb } from "./ring_iotlb.ts";
import type { VringAddresses } from "../wire/payloads.ts";
import { placeAreas, type PlacedAreas, type VringState } from "./vring.ts";

/** What ring addresses are looked up in, and what they mean there. */
export interface RingSpace {
  /** Asked for translations that are missing. */
  readonly host: IotlbHost;
  /** Translates user addresses to host addresses. */
  readonly memory: MemoryTable;
  /** Addresses are I/O virtual. */
  readonly iotlb: RingIotlb | null;
  /** VIRTIO_F_RING_PACKED was negotiated. */
  readonly packed: boolean;
  /** Negotiated virtio features. */
  readonly features: bigint;
}

/** Whether a running ring's areas stay where they are with this memory table. */
export function staysIn(
  { iotlb, packed }: RingSpace,
  vring: VringState,
  memory: MemoryTable,
): boolean {
  if (vring.addresses === null || vring.areas === null) return false;
  const source = iotlb?.over(memory) ?? memory;
  const areas = placeAreas(source, vring.addresses, vring.size, packed);
  return !isRefusal(areas) && areas.descAddress === vring.areas.descAddress &&
    areas.driverAddress === vring.areas.driverAddress &&
    areas.deviceAddress === vring.areas.deviceAddress;
}

/** What helps when memory is not there: QEMU's word, and that of every guide to vhost-user. */
export const SHARE_HINT = "add share=on to the guest's memory backend";

/** What is wrong with a ring whose address is in no region of the table, or null. */
export function strayRing(memory: MemoryTable, addresses: VringAddresses): string | null {
  const { desc, avail, used } = addresses;
  const stray = [desc, avail, used].find((address) => memory.translate(address, 1, 1) === null);
  if (stray === undefined) return null;
  return `address 0x${stray.toString(16)} is in no shared region: ${SHARE_HINT}`;
}

/** Where a ring's areas are now; null: not all of them are translated, which was asked for. */
export function placeRing(
  { host, iotlb, memory, packed }: RingSpace,
  vring: VringState,
  addresses: VringAddresses,
): PlacedAreas | Refusal | null {
  if (iotlb === null) {
    const areas = placeAreas(memory, addresses, vring.size, packed);
    const detail = isRefusal(areas) ? strayRing(memory, addresses) : null;
    return detail === null ? areas : { code: "bad-ring-address", detail };
  }
  const source = iotlb.over(memory);
  const areas = placeAreas(source, addresses, vring.size, packed);
  if (source.missing.length === 0) return areas;
  for (const page of source.missing) host.askForRing(page);
  return null;
}

/** Where the data plane logs a ring's device area. Behind an IOMMU QEMU gives its IOVA instead. */
export function ringLog({ features }: RingSpace, { logGuestAddr }: VringState): number {
  if (logGuestAddr === null) return LOG_OFF;
  return hasFeature(features, BIT.VIRTIO_F_ACCESS_PLATFORM) ? LOG_BY_PLACE : logGuestAddr;
}
