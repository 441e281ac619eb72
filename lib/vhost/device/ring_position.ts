/**
 * Where a virtqueue that starts stands: by its records, by what the session knows, by the
 * front-end's word, in this order.
 *
 * @module
 */
import type { VringPosition } from "../../worker/wire.ts";
import type { PlacedVring } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { regionOf } from "../requests/inflight.ts";
import type { Session } from "../session.ts";
import { claimsNew, decodePacked, type PlacedAreas, type VringState } from "./vring.ts";

/** Offset of the flags of descriptor 0, and the USED flag there. */
const PACKED_SLOT0_FLAGS = 14;
const PACKED_USED_FLAG = 1 << 15;

/** Finds out where a ring stands whose areas are known. */
export function placeVring(
  session: Session,
  index: number,
  areas: PlacedAreas,
): PlacedVring | Refusal {
  const vring = session.vring(index);
  const { packed } = session;
  const { size } = vring;
  const exact = vring.resumeAt !== null;
  const position = vring.resumeAt ?? claimedPosition(session, vring, areas);
  if (packed && (position.availIndex >= size || position.usedIndex >= size)) {
    return { code: "bad-ring-base", detail: `vring ${index}: base beyond ${size} entries` };
  }
  const region = regionOf(session.inflight, index, size, packed);
  if (region !== null && isRefusal(region)) return region;
  const claimedNew = !vring.told && claimsNew(vring.base);
  return session.host.placeVring(index, {
    ...areas,
    ...{ size, packed, position, exact, claimedNew, region },
  });
}

/** Where the front-end says it stands; a split ring says so itself. */
function claimedPosition(
  { host, packed }: Session,
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
