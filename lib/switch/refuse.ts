/**
 * What is not to be switched at all, and why: no frame, or one longer than the port allows. An MTU is
 * judged on what there is after large frames are cut, wherever that is done.
 *
 * @module
 */
import {
  FRAME_BAD_OFFLOAD,
  FRAME_GUARDED,
  FRAME_LIMITED,
  FRAME_RUNT,
  FRAME_SLOW,
  frameBytes,
} from "../virtio/burst.ts";
import { segmentFrameBytes } from "../virtio/offloads.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Port } from "./ports/port.ts";

/** Whether frame `frame` is large and the longest of its segments has `most` bytes at most. */
export function cutFits(frame: number, most: number): boolean {
  const bytes = segmentFrameBytes(frame);
  return bytes >= 0 && bytes <= most;
}

/**
 * Judges frame `frame` from a port, whose `frameBytes` is below 0 or above the port's limit: counts why
 * it is dropped, if it is. @returns whether it is
 */
export function refuses({ counters }: Datapath, port: Port, frame: number): boolean {
  const bytes = frameBytes[frame] ?? FRAME_RUNT;
  if (bytes >= 0 && cutFits(frame, port.frameBytesMax)) return false;
  if (bytes === FRAME_GUARDED) return true;
  const counter = port.counterBase + reasonOf(bytes);
  counters[counter] = (counters[counter] ?? 0) + 1;
  return true;
}

function reasonOf(bytes: number): number {
  if (bytes === FRAME_BAD_OFFLOAD) return PORT.rxDroppedBadOffload;
  if (bytes === FRAME_SLOW) return PORT.rxDroppedSlow;
  if (bytes === FRAME_LIMITED) return PORT.rxDroppedRate;
  return bytes === FRAME_RUNT ? PORT.rxDroppedMalformed : PORT.rxDroppedOversize;
}
