/**
 * Commands on lanes: the descriptors of ports without a front-end.
 *
 * @module
 */
import { EBADF, ENOENT, SystemError } from "../../../ffi/mod.ts";
import { assert, present } from "../../base/assert.ts";
import type { LanePort } from "../../switch/ports/lane_port.ts";
import { makeLane } from "../lanes/mod.ts";
import type { Given, Handlers } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about lanes. */
export function laneCommands(place: Place): Pick<Handlers, "startLane" | "stopLane"> {
  return {
    startLane: (given) => startLane(place, given),
    stopLane: ({ port, lane }) => stopLane(place, place.lanePort(port), lane),
  };
}

/** Starts a lane. If that fails, the port is as before: without it. */
function startLane(place: Place, given: Given<"startLane">): void {
  const { port: index, lane: number, kind, fd, offloads } = given;
  const port = place.lanePort(index);
  assert(port.lanes[number] === null, `lane ${number} of port ${index} does not run`);
  const { host } = place;
  const watchRoom = (on: boolean): void => host.watchRoom(index, number, fd, on);
  const lane = makeLane(kind, port, { number, fd, offloads, watchRoom });
  try {
    host.watchKick(index, number, fd);
  } catch (error) {
    lane.release?.();
    throw error;
  }
  port.lanes[number] = lane;
}

/** Whatever fails, the lane is out of service after it. @returns descriptors that came by the lane */
function stopLane({ host }: Place, port: LanePort, number: number): number[] {
  const lane = present(port.lanes[number], `lane ${number} of port ${port.index}`);
  port.lanes[number] = null;
  try {
    host.forgetKick(lane.fd);
  } catch (error) {
    // Nothing is watched there: what was to be done is done.
    if (!(error instanceof SystemError && UNWATCHED.has(error.code))) throw error;
  }
  return lane.release?.() ?? [];
}

const UNWATCHED: ReadonlySet<number> = new Set([EBADF, ENOENT]);

/** Stops whatever runs on a port that is to be removed. */
export function stopLanes(place: Place, port: LanePort): void {
  for (const lane of port.lanes) if (lane !== null) stopLane(place, port, lane.number);
}
