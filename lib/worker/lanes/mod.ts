/**
 * How lanes of each kind are made. A new kind is a word of LANE_KINDS (lib/switch/ports/lane_port.ts),
 * a class in this folder, and a row here.
 *
 * @module
 */
import type { Lane, LaneKind, LanePort } from "../../switch/ports/lane_port.ts";
import { TapLane } from "./tap_lane.ts";

/** What a lane is made of. */
export interface LaneStart {
  /** Its number on the port. */
  readonly number: number;
  /** Does not block, and stays the control thread's. */
  readonly fd: number;
  /** What its frames may ask for, both ways, OFFLOAD_ bits. */
  readonly offloads: number;
}

const MAKERS: Readonly<Record<LaneKind, (port: LanePort, start: LaneStart) => Lane>> = {
  tap: (port, start) => new TapLane(port, start),
};

/** Makes a lane of a port, out of service until that has it. */
export function makeLane(kind: LaneKind, port: LanePort, start: LaneStart): Lane {
  return MAKERS[kind](port, start);
}
