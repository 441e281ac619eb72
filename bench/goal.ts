/**
 * What a cell is to reach, and whether it does.
 *
 * @module
 */
import type { CellRecord } from "./record.ts";
import { digits } from "./statistics.ts";

/** Whether a cell's goal is reached. */
export interface Verdict {
  readonly reached: boolean;
  /** Such as `goal 1.5 x OVS-DPDK: missed, 1.02`. */
  readonly words: string;
}

/** Judges a cell by its medians. @returns null if it has no goal, or lacks the runs to judge it */
export function judgeGoal(cell: CellRecord): Verdict | null {
  const { goal, better, subject, unit } = cell;
  if (goal === null) return null;
  const { times, value } = goal;
  const got = times === null ? cell.contenders[subject]?.median : cell.ratios[times]?.median;
  if (got === undefined) return null;
  const reached = better === "more" ? got >= value : got <= value;
  const what = times === null ? `${value} ${unit}` : `${value} x ${times}`;
  const how = reached ? "reached" : "missed";
  return { reached, words: `goal ${what}: ${how}, ${digits(got, 3)}` };
}
