/**
 * How lanes of each kind are made. A new kind is a word of LANE_KINDS (lib/switch/ports/lane_port.ts),
 * a class in this folder, and a row here.
 *
 * @module
 */
import type { Lane, LaneKind, LanePort, LaneStart } from "../../switch/ports/lane_port.ts";
import { makeStreamLane } from "./stream.ts";
import { TapLane } from "./tap_lane.ts";

const MAKERS: Readonly<Record<LaneKind, (port: LanePort, start: LaneStart) => Lane>> = {
  tap: (port, start) => new TapLane(port, start),
  stream: (port, start) => makeStreamLane(port, start, false),
  seqpacket: (port, start) => makeStreamLane(port, start, true),
};

/** Makes a lane of a port, out of service until that has it. */
export function makeLane(kind: LaneKind, port: LanePort, start: LaneStart): Lane {
  return MAKERS[kind](port, start);
}
