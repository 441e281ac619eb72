/**
 * What a data plane did with its time, worked out from its counters: since it started, or between
 * two looks at them. How the time is told apart stands in lib/worker/work_meter.ts.
 *
 * @module
 */
import { onlyGrows, WORKER_ROWS } from "../switch/counter_rows.ts";
import type { Of } from "./schema/builder.ts";
import type { SWITCH_SCHEMAS } from "./schema/switch.ts";

/** What a data plane did with some time. */
export type Work = Of<typeof SWITCH_SCHEMAS.WORK>;

/** Counters by name. */
export type Counts = Readonly<Record<string, number>>;

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

const NAMES = WORKER_ROWS.filter(onlyGrows).map(([name]) => name);

/** What a data plane did whose counters began at 0 and are these. */
export function workOf(counters: Counts): Work {
  return work((name) => counters[name] ?? 0);
}

/** What it did between two looks. If it was started anew in between: since then. */
export function workBetween(before: Counts, after: Counts): Work {
  const count = (counts: Counts, name: string): number => counts[name] ?? 0;
  const anew = NAMES.some((name) => count(after, name) < count(before, name));
  return work((name) => count(after, name) - (anew ? 0 : count(before, name)));
}

function work(growth: (name: string) => number): Work {
  const counters = Object.fromEntries(NAMES.map((name) => [name, growth(name)]));
  const { busyUs = 0, pollingUs = 0, asleepUs = 0, commandUs = 0, waitedUs = 0 } = counters;
  const { frames = 0 } = counters;
  const us = busyUs + pollingUs + asleepUs + commandUs + waitedUs;
  const share = (part: number): number | null => us === 0 ? null : rounded(part / us, 5);
  return {
    seconds: rounded(us / 1e6, 3),
    busy: share(busyUs),
    idle: share(pollingUs + asleepUs),
    polling: share(pollingUs),
    asleep: share(asleepUs),
    commands: share(commandUs),
    waited: share(waitedUs),
    nsPerFrame: frames === 0 ? null : rounded(1000 * busyUs / frames, 1),
    counters,
  };
}
