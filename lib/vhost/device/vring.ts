/**
 * One virtqueue of a device: what the front-end said about it so far, where its areas lie
 * (virtio-v1.3 §2.7, §2.8), and the encodings of its position on the wire (vhost-user.rst
 * «VHOST_USER_SET_VRING_BASE»).
 *
 * @module
 */
import { areaBytes } from "../../virtio/areas.ts";
import type { VringPosition } from "../../worker/wire.ts";
import type { VringAddresses } from "../wire/payloads.ts";
import type { Refusal } from "../reasons.ts";

/** State of a virtqueue. Two independent axes: started or stopped, enabled or disabled. */
export class VringState {
  /** Entries, or 0 before SET_VRING_NUM. */
  size = 0;
  /** User virtual, or I/O virtual behind an IOMMU; null before SET_VRING_ADDR. */
  addresses: VringAddresses | null = null;
  /** Position as on the wire, of the last SET_VRING_BASE or stop. */
  base = 0;
  /** Where a ring taken from the data plane for a moment goes on: `base` can be ambiguous. */
  resumeAt: VringPosition | null = null;
  /**
   * By SET_VRING_ENABLE: while off, frames of a transmit queue are dropped and a receive queue gets
   * none.
   */
  enabled = false;
  /** A kick message came: the ring runs as soon as everything else is known. */
  started = false;
  /** The data plane serves it. */
  running = false;
  /** Running, but its areas are not translated at the moment (IOTLB): not touched. */
  held = false;
  /** Where its areas are while it runs. */
  areas: PlacedAreas | null = null;
  /** Guest address of the device area for the dirty log; null: its writes are not logged. */
  logGuestAddr: number | null = null;
  /** The front-end has asked where it stands: it knows a new ring from a lost one since then. */
  told = false;
  /** Why the data plane gave it up, until it is stopped. */
  broken: string | null = null;
  /** How often it was given up since the front-end came, by reason. */
  readonly errors: Map<string, number> = new Map();
  /** Kick descriptor, owned here, or -1. See {@linkcode VringState.kickGiven} for what -1 means. */
  kickFd: number = -1;
  /** Call descriptor, owned here, or -1. */
  callFd: number = -1;
  /** Err descriptor, owned here, or -1. */
  errFd: number = -1;
  /** A kick message said where kicks come from; with `kickFd` -1, that the ring is polled. */
  kickGiven = false;
  /** A call message said where calls go; with `callFd` -1, that the driver polls. */
  callGiven = false;
  /** In-band calls the front-end has not answered: 0, 1, or 2 for one more after that. */
  callsDue: 0 | 1 | 2 = 0;
}

const INDEX_MASK = 0x7fff;
const WRAP_SHIFT = 15;
const USED_SHIFT = 16;

/** Position on the wire: split, the next available index; packed, both indices with their wraps. */
export function encodePosition(packed: boolean, position: VringPosition): number {
  if (!packed) return position.availIndex;
  const avail = position.availIndex | (position.availWrap << WRAP_SHIFT);
  const used = position.usedIndex | (position.usedWrap << WRAP_SHIFT);
  return (avail | (used << USED_SHIFT)) >>> 0;
}

/**
 * Position of a packed ring from the wire.
 *
 * DPDK leaves the upper half 0: its rings are always drained when they stop, so used is where
 * available is. All 0 is what User-Mode Linux sends for a new ring, whose wrap counters are 1, and
 * what anybody sends for a ring that stands at slot 0 of an odd round: the used flag of slot 0
 * tells, because a first round leaves it set.
 * @param slot0Used whether the USED flag of descriptor 0 is set in guest memory
 */
export function decodePacked(base: number, slot0Used: boolean): VringPosition {
  if (base === 0) {
    const wrap = slot0Used ? 0 : 1;
    return { availIndex: 0, availWrap: wrap, usedIndex: 0, usedWrap: wrap };
  }
  const avail = base & 0xffff;
  const upper = base >>> USED_SHIFT;
  const used = upper === 0 ? avail : upper;
  return {
    availIndex: avail & INDEX_MASK,
    availWrap: avail >>> WRAP_SHIFT,
    usedIndex: used & INDEX_MASK,
    usedWrap: used >>> WRAP_SHIFT,
  };
}

/** Whether a packed ring's base says slot 0 of the first round, in any of the ways in use. */
export function claimsNew(base: number): boolean {
  return base === 0 || base === 0x8000 || base === 0x80008000;
}

/** Host addresses of a ring's three areas, named as the data plane does. */
export interface PlacedAreas {
  /** Descriptor table (split) or descriptor ring (packed). */
  readonly descAddress: number;
  /** Available ring, or driver event suppression. */
  readonly driverAddress: number;
  /** Used ring, or device event suppression. */
  readonly deviceAddress: number;
}

/** Bytes of `used_event` and `avail_event`, which only VIRTIO_RING_F_EVENT_IDX gives a meaning. */
const EVENT_INDEX_BYTES = 2;

/** What ring addresses are looked up in. */
export interface AreaSource {
  /** Host address of `sizeBytes` at an address, all in one piece and aligned, or null. */
  translate(address: number, sizeBytes: number, align: number): number | null;
}

/**
 * Finds a ring's areas in a memory table: each aligned as its kind of ring wants, wholly inside one
 * region, and clear of the others.
 */
export function placeAreas(
  memory: AreaSource,
  addresses: VringAddresses,
  size: number,
  packed: boolean,
): PlacedAreas | Refusal {
  const { desc, avail, used } = addresses;
  const { desc: descBytes, driver: driverBytes, device: deviceBytes } = areaBytes(size, packed);
  const descAddress = memory.translate(desc, descBytes, 16);
  const driverAddress = memory.translate(avail, driverBytes, packed ? 4 : 2);
  const deviceAddress = memory.translate(used, deviceBytes, 4);
  if (descAddress === null || driverAddress === null || deviceAddress === null) {
    return { code: "bad-ring-address", detail: "an area is unaligned or not in one region" };
  }
  // Old drivers lay the rings out without the event indices at their ends.
  const spare = packed ? 0 : EVENT_INDEX_BYTES;
  const overlap = overlaps(descAddress, descBytes, driverAddress, driverBytes - spare) ||
    overlaps(descAddress, descBytes, deviceAddress, deviceBytes - spare) ||
    overlaps(driverAddress, driverBytes - spare, deviceAddress, deviceBytes - spare);
  if (overlap) return { code: "bad-ring-address", detail: "its areas overlap" };
  return { descAddress, driverAddress, deviceAddress };
}

function overlaps(a: number, aBytes: number, b: number, bBytes: number): boolean {
  return a < b + bBytes && b < a + aBytes;
}
