/**
 * How often a command looks: once, twice for rates, or again and again.
 *
 * @module
 */
import { CliError, EXIT_USAGE } from "./failure.ts";

/** Between two looks of `--rate`, s. */
const RATE_SECONDS = 1;
const SECONDS_LEAST = 0.1;
const SECONDS_MOST = 3600;
/** What is watched is there after this time, however seldom it is looked at later, s. */
const FIRST_SECONDS_MOST = 1;

/** Flags that say how often, as typed. */
export interface PaceFlags {
  /** Look twice. */
  readonly rate?: boolean;
  /** Again and again, every so many seconds. */
  readonly watch?: string;
  /** The same number, for `rate` too. */
  readonly seconds?: string;
}

/** How often. */
export interface Pace {
  /** From the first look to the second. */
  readonly firstMs: number;
  /** From any other to the next. */
  readonly ms: number;
  /** Until nobody reads; otherwise twice. */
  readonly again: boolean;
}

function secondsOf(flag: string, text: string): number {
  const number = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (number >= SECONDS_LEAST && number <= SECONDS_MOST) return number;
  throw new CliError(
    EXIT_USAGE,
    `--${flag} ${text} must be seconds from ${SECONDS_LEAST} to ${SECONDS_MOST}, such as 5`,
  );
}

/** Reads how often. @returns null: once @throws {CliError} */
export function paceOf({ rate = false, watch, seconds }: PaceFlags): Pace | null {
  const every = watch === undefined ? RATE_SECONDS : secondsOf("watch", watch);
  const chosen = seconds === undefined ? every : secondsOf("seconds", seconds);
  if (watch === undefined && seconds === undefined && !rate) return null;
  const again = watch !== undefined;
  const first = again ? Math.min(chosen, FIRST_SECONDS_MOST) : chosen;
  return { firstMs: 1000 * first, ms: 1000 * chosen, again };
}

/**
 * A text as a whole screen: when it was so, and as much of it as there is room for.
 * @param at when, ISO 8601
 */
export function screenText(
  text: string,
  { ms }: Pace,
  at: string,
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string {
  const lines = text.trimEnd().split("\n");
  const room = Math.max(1, rows - 2);
  const hidden = lines.length - room;
  const shown = hidden > 0 ? [...lines.slice(0, room - 1), `(${hidden + 1} more lines)`] : lines;
  const head = `every ${ms / 1000} s  ${at.slice(11, 19)} UTC`;
  return [head, ...shown].map((line) => `${line.slice(0, columns)}\n`).join("");
}
