/**
 * Lengths of time as they are said to tools: `90s`, `5m`, `1h`.
 *
 * @module
 */

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds, above 0; null: it is no length of time. Without a unit it is seconds. */
export function spanSeconds(text: string): number | null {
  const [, number, unit = "s"] = /^([1-9][0-9]{0,5})([smh])?$/.exec(text) ?? [];
  return number === undefined ? null : Number(number) * (SECONDS[unit] ?? 1);
}

/** Seconds in words, as `1h02m`, `3m05s` or `40s`. */
export function spanWords(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number: number): string => String(Math.floor(number)).padStart(2, "0");
  if (whole >= 3600) return `${Math.floor(whole / 3600)}h${two(whole % 3600 / 60)}m`;
  return whole >= 60 ? `${Math.floor(whole / 60)}m${two(whole % 60)}s` : `${whole}s`;
}
