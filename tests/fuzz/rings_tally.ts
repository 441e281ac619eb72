/**
 * What came of the cases of a bad guest.
 *
 * @module
 */
import { PORT } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import type { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import type { GoodGuest } from "./arena.ts";

/** What came of cases, to see that they get far. */
export interface Tally {
  /** Frames of the bad guest that were taken as good ones, and frames it was given. */
  frames: number;
  received: number;
  /** Why its rings broke, and how often. */
  readonly reasons: Map<string, number>;
  /** Deeds between two looks of the switch. */
  races: number;
  /** Pages that a translation was asked for. */
  misses: number;
  /** Reasons told why chains went back unused. */
  badChains: number;
  /** Frames that asked for nonsense; cut, completed, or passed on whole for the good guests. */
  badOffloads: number;
  cut: number;
  completed: number;
  large: number;
  /** Frames of the bad guest above a storm limit. */
  limited: number;
}

/** Nothing came of anything yet. */
export function newTally(): Tally {
  return {
    ...{ frames: 0, received: 0, reasons: new Map(), races: 0, misses: 0, badChains: 0 },
    ...{ badOffloads: 0, cut: 0, completed: 0, large: 0, limited: 0 },
  };
}

/** Adds what a case has counted. */
export function tallyCounters(
  tally: Tally,
  { counters }: Datapath,
  bad: VhostPort,
  good: readonly GoodGuest[],
): void {
  const count = (port: VhostPort, name: keyof typeof PORT): number =>
    counters[port.counterBase + PORT[name]] ?? 0;
  tally.frames += count(bad, "rxFrames");
  tally.received += count(bad, "txFrames");
  tally.badOffloads += count(bad, "rxDroppedBadOffload");
  tally.limited += count(bad, "rxDroppedBroadcastStorm") + count(bad, "rxDroppedMulticastStorm") +
    count(bad, "rxDroppedUnknownStorm");
  for (const guest of good) {
    tally.cut += count(guest.port, "txCut");
    tally.completed += count(guest.port, "txCompleted");
    tally.large += guest.large;
  }
}
