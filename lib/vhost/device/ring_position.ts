/**
 * Where a virtqueue that starts stands: by its records, by what the device knows, by the
 * front-end's word, in this order.
 *
 * @module
 */
import type { VringPosition } from "../../worker/wire.ts";
import type { PlacedVring, SessionHost } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { type InflightArea, regionOf } from "./inflight_area.ts";
import { claimsNew, decodePacked, type PlacedAreas, type VringState } from "./vring.ts";

/** Offset of the flags of descriptor 0, and the USED flag there. */
const PACKED_SLOT0_FLAGS = 14;
const PACKED_USED_FLAG = 1 << 15;

/** A device as far as the positions of its rings go. */
export interface RingKeeper {
  readonly host: SessionHost;
  readonly packed: boolean;
  readonly inflight: InflightArea | null;
}

/** Finds out where a ring stands whose areas are known. */
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

/** Where the front-end says it stands; a split ring says so itself. */
function claimedPosition(
  { host, packed }: RingKeeper,
  vring: VringState,
  { descAddress, deviceAddress }: PlacedAreas,
): VringPosition {
  if (packed) {
    const flags = host.readU16(descAddress + PACKED_SLOT0_FLAGS);
    return decodePacked(vring.base, (flags & PACKED_USED_FLAG) !== 0);
  }
  // Everything taken is given back before a ring stops, so both positions are one; and of the two
  // that tell, only the ring still knows after its back-end was lost.
  const index = host.readU16(deviceAddress + 2);
  return { availIndex: index, availWrap: 1, usedIndex: index, usedWrap: 1 };
}
