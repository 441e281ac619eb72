// HOT
/**
 * Isolation groups: ports of one group never get a frame of one another, whatever led there (flooding,
 * a learned or static address, a link, an announcement of the switch's own in a guest's name). Ports of
 * other groups, of none, and uplinks are theirs to speak with, as on the isolated ports of a private
 * VLAN. An uplink is in no group.
 *
 * @module
 */
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port } from "../ports/port.ts";

/** {@linkcode Port.isolation} of a port that is in no group. */
export const NOT_ISOLATED = 0;

/** Whether two ports are of one group. */
export function areIsolated(one: Port, other: Port): boolean {
  return one.isolation !== NOT_ISOLATED && one.isolation === other.isolation;
}

/** Frames from a port stand listed for another one of its group: they are dropped. */
export function dropIsolated({ counters }: Datapath, from: Port, listed: number): void {
  const counter = from.counterBase + PORT.rxDroppedIsolated;
  counters[counter] = (counters[counter] ?? 0) + listed;
}
