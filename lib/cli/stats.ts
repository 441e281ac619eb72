/**
 * `stats`: counters, and how fast they grow.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { DocumentOf } from "../control/schema/mod.ts";
import type { ListenerStatus, PortStatus, SwitchStatus } from "../control/types.ts";
import { type CounterRow, FDB_ROWS, PORT_ROWS, WORKER_ROWS } from "../switch/counter_rows.ts";
import { ask, type ClientFlags } from "./client.ts";
import { CliError, EXIT_USAGE } from "./failure.ts";
import type { View } from "./view.ts";
import { portStatsTable, statsTable } from "./views.ts";

/** Between the two looks of `--rate` and `--watch`, s. */
const RATE_SECONDS = 1;
const RATE_SECONDS_MAX = 3600;

/** Flags of `stats`. */
export interface StatsFlags extends ClientFlags {
  /** Looks twice, and prints growth per second as well. */
  readonly rate?: boolean;
  /** The same again and again. */
  readonly watch?: boolean;
  /** Between two looks, from 0.1 to 3600. */
  readonly seconds?: string;
}

/** Counters by name. */
export type Counts = Readonly<Record<string, number>>;

/** What was counted, and when by a clock that only goes forward, ms. */
interface Look<T> {
  readonly value: T;
  readonly atMs: number;
}

/** How fast counters grew, per second. A port that was made anew begins at 0. */
export function ratesOf(
  rows: readonly CounterRow[],
  before: Counts,
  after: Counts,
  seconds: number,
): Record<string, number> {
  const counted = rows.filter(([, , , now]) => now === undefined);
  return Object.fromEntries(counted.map(([name]) => {
    const [first = 0, last = 0] = [before[name], after[name]];
    const grown = last < first ? last : last - first;
    return [name, Math.round(10 * grown / seconds) / 10];
  }));
}

/** Reads how long a rate is measured, s. @throws {CliError} */
function rateSeconds({ rate, watch, seconds }: StatsFlags): number | null {
  if (seconds === undefined) return rate || watch ? RATE_SECONDS : null;
  const number = /^\d*\.?\d+$/.test(seconds) ? Number(seconds) : NaN;
  if (number >= 0.1 && number <= RATE_SECONDS_MAX) return number;
  throw new CliError(
    EXIT_USAGE,
    `--seconds ${seconds} must be seconds from 0.1 to ${RATE_SECONDS_MAX}, such as 5`,
  );
}

/** Looks once, or twice: the first look is null then. */
async function look<T>(
  flags: StatsFlags,
  path: string,
): Promise<{ first: T | null; last: T; seconds: number }> {
  const once = async (): Promise<Look<T>> => {
    const value = await ask(flags, "GET", path) as T;
    return { value, atMs: performance.now() };
  };
  const wait = rateSeconds(flags);
  const first = await once();
  if (wait === null) return { first: null, last: first.value, seconds: 0 };
  await delay(1000 * wait);
  const last = await once();
  const seconds = Math.round(last.atMs - first.atMs) / 1000;
  return { first: first.value, last: last.value, seconds };
}

async function switchStats(flags: StatsFlags): Promise<DocumentOf<"stats">> {
  const { first, last, seconds } = await look<SwitchStatus>(flags, "/v1/switch");
  if (first === null) return last;
  const before = new Map(first.ports.map(({ name, counters }) => [name, counters]));
  const ports = last.ports.flatMap(({ name, counters }) => {
    const known = before.get(name);
    return known ? [[name, ratesOf(PORT_ROWS, known, counters, seconds)]] : [];
  });
  const rates = {
    seconds,
    ports: Object.fromEntries(ports),
    fdb: ratesOf(FDB_ROWS, first.fdb, last.fdb, seconds),
    worker: ratesOf(WORKER_ROWS, first.worker, last.worker, seconds),
  };
  return { ...last, rates };
}

async function portStats(flags: StatsFlags, port: string): Promise<DocumentOf<"port-stats">> {
  const path = `/v1/ports/${encodeURIComponent(port)}`;
  const { first, last, seconds } = await look<PortStatus | ListenerStatus>(flags, path);
  const countersOf = (port: PortStatus | ListenerStatus | null): Counts | null =>
    port !== null && "counters" in port ? port.counters : null;
  const [before, counters] = [countersOf(first), countersOf(last)];
  const { name, errors } = last;
  const stats = { name, at: new Date().toISOString(), counters, errors };
  if (before === null || counters === null) return stats;
  return { ...stats, rates: { seconds, counters: ratesOf(PORT_ROWS, before, counters, seconds) } };
}

/** `stats [PORT]`. */
export const stats: View<StatsFlags, "stats" | "port-stats"> = {
  document: (port?) => port === undefined ? "stats" : "port-stats",
  read: (flags, port?) => port === undefined ? switchStats(flags) : portStats(flags, port),
  draw: (value) => "ports" in value ? statsTable(value) : portStatsTable(value),
};
