/**
 * Where a virtqueue that starts stands: by its records, by what the device knows, by the
 * front-end's word, in this order.
 *
 * @module
 */
import type { VringPosition } from "../../worker/wire.ts";
import type { MemoryHost, PlacedVring, RecordHost } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { type InflightArea, regionOf } from "./inflight_area.ts";
import { claimsNew, decodePacked, type PlacedAreas, type VringState } from "./vring.ts";

/** Offset of the flags of descriptor 0, and the USED flag there. */
const PACKED_SLOT0_FLAGS = 14;
const PACKED_USED_FLAG = 1 << 15;

/** A device as far as the positions of its rings go. */
export interface RingKeeper {
  /** Has the records, and reads guest memory. */
  readonly host: RecordHost & Pick<MemoryHost, "readU16">;
  /** VIRTIO_F_RING_PACKED was negotiated. */
  readonly packed: boolean;
  /** Where rings are tracked, or null. */
  readonly inflight: InflightArea | null;
}

/**
 * Finds out where a ring stands whose areas are known; an earlier process's unfinished work is
 * completed first.
 */
export function placeVring(
  keeper: RingKeeper,
  index: number,
  vring: VringState,
  areas: PlacedAreas,
): PlacedVring | Refusal {
  const { host, inflight, packed } = keeper;
  const { size } = vring;
  const exact = vring.resumeAt !== null;
  const position = vring.resumeAt ?? claimedPosition(keeper, vring, areas);
  if (packed && (position.availIndex >= size || position.usedIndex >= size)) {
    return { code: "bad-ring-base", detail: `vring ${index}: base beyond ${size} entries` };
  }
  const region = regionOf(inflight, index, size, packed);
  if (region !== null && isRefusal(region)) return region;
  const claimedNew = !vring.told && claimsNew(vring.base);
  return host.placeVring(index, {
    ...areas,
    ...{ size, packed, position, exact, claimedNew, region },
  });
}

/**
 * Where a ring stands that nobody kept a record of: packed, by the front-end's word; split, by the
 * used index in guest memory.
 */
function claimedPosition(
  { host, packed }: RingKeeper,
  vring: VringState,
  { descAddress, deviceAddress }: PlacedAreas,
): VringPosition {
  if (packed) {
    const flags = host.readU16(descAddress + PACKED_SLOT0_FLAGS);
    return decodePacked(vring.base, (flags & PACKED_USED_FLAG) !== 0);
  }
  // A ring that stops has given back all it took: both positions are the same number. It is read from
  // guest memory, because a front-end that lost its back-end does not know it.
  const index = host.readU16(deviceAddress + 2);
  return { availIndex: index, availWrap: 1, usedIndex: index, usedWrap: 1 };
}
