// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The rates of a port at work, `limit=`: what is above one is dropped and counted, whichever way it goes,
 * and nothing waits. A port without one is asked that once a burst.
 *
 * Bytes are those that the port's counters count. A large frame weighs as many frames as it is to be cut
 * into, whoever cuts it, and the bytes of these if that is done for this port.
 *
 * What goes to a port comes from many: a sender that had more than its part of late leaves a quarter of
 * the bucket to the others, or whoever is visited first would have it all.
 *
 * @module
 */
import { burstHasOffloads, FRAME_LIMITED, frameBytes } from "../../virtio/burst.ts";
import {
  frameGsoSize,
  frameHeaders,
  frameOffloads,
  NO_OFFLOADS,
  OFFLOAD_CUTS,
} from "../../virtio/offloads.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port } from "../ports/port.ts";
import { Parts } from "./parts.ts";
import type { Rate } from "./rate.ts";

/** The rate of what goes to a port, and who has what of it. */
export class SharedRate {
  /** Of all senders together. */
  readonly rate: Rate;
  /** What each of them had of it. */
  readonly parts: Parts = new Parts();

  /** Nobody had anything yet. */
  constructor(rate: Rate) {
    this.rate = rate;
  }
}

/** Frames that a large one is to be cut into; 1: it is not large. */
function segmentsOf(frame: number): number {
  if ((frameOffloads[frame]! & OFFLOAD_CUTS) === 0) return 1;
  const payload = frameBytes[frame]! - frameHeaders[frame]!;
  return Math.max(1, Math.ceil(payload / frameGsoSize[frame]!));
}

/** Takes what frame `frame` weighs. @param accepts what its receiver takes, OFFLOAD_ bits */
function takeFrame(rate: Rate, frame: number, sparing: boolean, accepts: number): boolean {
  const bytes = frameBytes[frame]!;
  if (!burstHasOffloads()) return rate.take(bytes, 1, sparing);
  const segments = segmentsOf(frame);
  const isCut = segments > 1 && (frameOffloads[frame]! & ~accepts) !== NO_OFFLOADS;
  const more = isCut ? (segments - 1) * frameHeaders[frame]! : 0;
  return rate.take(bytes + more, segments, sparing);
}

/** Marks those of frames `first` to `end` that a port may not send now: they are refused later. */
export function limitFrom(rate: Rate, first: number, end: number): void {
  rate.fill();
  for (let frame = first; frame < end; frame++) {
    if (frameBytes[frame]! < 0 || takeFrame(rate, frame, false, ~0)) continue;
    frameBytes[frame] = FRAME_LIMITED;
  }
}

/**
 * Leaves in a port's list what may go to it now, the first ones. @param from whose frames they are;
 * null: the switch's own, which weigh nothing @returns how many are left
 */
export function limitTo(
  path: Datapath,
  port: Port,
  { rate, parts }: SharedRate,
  start: number,
  count: number,
  from: Port | null,
): number {
  if (from === null || count === 0) return count;
  rate.fill();
  const { list } = path;
  const sparing = parts.isHeavy(from.index);
  const accepts = port.receivers[0]!.accepts;
  let left = 0;
  let bytes = 0;
  while (left < count && takeFrame(rate, list[start + left]!, sparing, accepts)) {
    bytes += frameBytes[list[start + left]!]!;
    left++;
  }
  parts.add(from.index, bytes);
  if (left < count) path.counters[port.counterBase + PORT.txDroppedRate]! += count - left;
  return left;
}
