/**
 * Looking at a switch twice, to see how fast something grows: flags, and the two looks.
 *
 * @module
 */
import { ask, CLIENT_FLAGS, type Flags, type FlagsOf } from "./command.ts";
import { CliError, EXIT_USAGE } from "./failure.ts";

/** Between the two looks of `--rate` and `--watch`, s. */
const RATE_SECONDS = 1;
const RATE_SECONDS_MAX = 3600;

/** Flags of commands that can look twice. */
export const LOOK_FLAGS = {
  ...CLIENT_FLAGS,
  rate: { brief: "look twice and print growth per second as well", yes: true },
  watch: { brief: "the same again and again; with -o json a document a line", yes: true },
  seconds: { brief: "look twice, this far apart (1)", placeholder: "SECONDS" },
} as const satisfies Flags;

/** What such a command gets of them. */
export type LookFlags = FlagsOf<typeof LOOK_FLAGS>;

/** What was seen, and when by a clock that only goes forward, ms. */
interface Look<T> {
  readonly value: T;
  readonly atMs: number;
}

/** Reads how long a rate is measured, s. @throws {CliError} */
function rateSeconds({ rate, watch, seconds }: LookFlags): number | null {
  if (seconds === undefined) return rate || watch ? RATE_SECONDS : null;
  const number = /^\d*\.?\d+$/.test(seconds) ? Number(seconds) : NaN;
  if (number >= 0.1 && number <= RATE_SECONDS_MAX) return number;
  throw new CliError(
    EXIT_USAGE,
    `--seconds ${seconds} must be seconds from 0.1 to ${RATE_SECONDS_MAX}, such as 5`,
  );
}

/** Looks once, or twice as flags say: the first look is null if there was none. */
export async function look<T>(
  flags: LookFlags,
  path: string,
): Promise<{ first: T | null; last: T; seconds: number }> {
  const once = async (): Promise<Look<T>> => {
    const value = await ask<T>(flags, "GET", path);
    return { value, atMs: performance.now() };
  };
  const wait = rateSeconds(flags);
  const first = await once();
  if (wait === null) return { first: null, last: first.value, seconds: 0 };
  const { delay } = await import("@std/async/delay");
  await delay(1000 * wait);
  const last = await once();
  const seconds = Math.round(last.atMs - first.atMs) / 1000;
  return { first: first.value, last: last.value, seconds };
}
