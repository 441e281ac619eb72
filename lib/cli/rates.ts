/**
 * How fast counters grow, worked out from two looks by whoever looked.
 *
 * @module
 */
import type { PortStatus } from "../control/types.ts";
import { judgedLately } from "../control/verdict/judge.ts";
import type { Counts } from "../control/work.ts";
import { type CounterRow, onlyGrows, PORT_ROWS } from "../switch/counter_rows.ts";

/** How fast counters grew, per second. A port that was made anew begins at 0. */
export function ratesOf(
  rows: readonly CounterRow[],
  before: Counts,
  after: Counts,
  seconds: number,
): Record<string, number> {
  return Object.fromEntries(
    rows.filter(onlyGrows).map(([name]) => {
      const [first = 0, last = 0] = [before[name], after[name]];
      const grown = last < first ? last : last - first;
      return [name, Math.round(10 * grown / seconds) / 10];
    }),
  );
}

/** A port with its rates, and judged by them. */
export function portLately(first: PortStatus, last: PortStatus, seconds: number): PortStatus {
  const counters = ratesOf(PORT_ROWS, first.counters, last.counters, seconds);
  const growth = ratesOf(PORT_ROWS, first.counters, last.counters, 1);
  return { ...last, ...judgedLately(last, growth), rates: { seconds, counters } };
}
