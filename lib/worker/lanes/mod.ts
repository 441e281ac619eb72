/**
 * How lanes of each kind are made. A new kind is a word of LANE_KINDS (lib/switch/ports/lane_port.ts),
 * a class in this folder, and a row here.
 *
 * @module
 */
import type { Lane, LaneKind, LanePort } from "../../switch/ports/lane_port.ts";
import { TapLane } from "./tap_lane.ts";

const MAKERS: Readonly<Record<LaneKind, (port: LanePort, number: number, fd: number) => Lane>> = {
  tap: (port, number, fd) => new TapLane(port, number, fd),
};

/** Makes a lane. @param fd does not block, and stays the control thread's */
export function makeLane(kind: LaneKind, port: LanePort, number: number, fd: number): Lane {
  return MAKERS[kind](port, number, fd);
}
