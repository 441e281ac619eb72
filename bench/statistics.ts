/**
 * Medians, spread, ratios of neighbouring runs, quantiles: the arithmetic behind every claim.
 *
 * @module
 */

/** What several runs gave. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many runs. */
  readonly n: number;
}

/** The middle one, or the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** Median and ends; null for no runs. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const [min, max] = [Math.min(...values), Math.max(...values)];
  return { median: median(values), min, max, n: values.length };
}

/** A run's round and what it gave; null if it failed. */
export interface Turn {
  readonly round: number;
  readonly value: number | null;
}

/**
 * Ratios of `subject` to `other`, round by round: only runs that were neighbours are compared, and a
 * round in which either failed, or gave nothing, has no ratio.
 */
export function pairRatios(subject: readonly Turn[], other: readonly Turn[]): number[] {
  return subject.flatMap(({ round, value }) => {
    const beside = other.find((turn) => turn.round === round)?.value ?? null;
    return value === null || beside === null || beside <= 0 ? [] : [value / beside];
  });
}

/** Shares of a latency distribution that are kept: enough to draw its tail. */
export const QUANTILES: readonly number[] = [
  ...[0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  ...[0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1],
];

/**
 * The smallest value that a share of all values does not exceed (nearest rank).
 * @param sorted ascending @param share 0-1
 */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.ceil(share * sorted.length - 1e-9);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1] ?? NaN;
}

/** Rounds to so many significant digits: what was measured has no more. */
export function digits(value: number, count = 4): number {
  return Number.isFinite(value) ? Number(value.toPrecision(count)) : value;
}
