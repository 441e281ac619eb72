/**
 * `stats`: counters, and how fast they grow.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { ListenerStatus, PortStatus, SwitchStatus } from "../../control/types.ts";
import { type CounterRow, FDB_ROWS, PORT_ROWS, WORKER_ROWS } from "../../switch/counter_rows.ts";
import {
  ask,
  CLIENT_FLAGS,
  type CommandRow,
  type Flags,
  type FlagsOf,
  MAYBE_PORT,
  portPath,
  printing,
} from "../command.ts";
import { CliError, EXIT_USAGE } from "../failure.ts";
import { formatTable } from "../table.ts";
import type { View } from "../view.ts";

/** Between the two looks of `--rate` and `--watch`, s. */
const RATE_SECONDS = 1;
const RATE_SECONDS_MAX = 3600;

const FLAGS = {
  ...CLIENT_FLAGS,
  rate: { brief: "look twice and print growth per second as well", yes: true },
  watch: { brief: "the same again and again; with -o json a document a line", yes: true },
  seconds: { brief: "look twice, this far apart (1)", placeholder: "SECONDS" },
} as const satisfies Flags;

/** Flags of `stats`. */
type StatsFlags = FlagsOf<typeof FLAGS>;

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
  const { first, last, seconds } = await look<PortStatus | ListenerStatus>(
    flags,
    portPath(port),
  );
  const countersOf = (port: PortStatus | ListenerStatus | null): Counts | null =>
    port !== null && "counters" in port ? port.counters : null;
  const [before, counters] = [countersOf(first), countersOf(last)];
  const { name, errors } = last;
  const stats = { name, at: new Date().toISOString(), counters, errors };
  if (before === null || counters === null) return stats;
  return { ...stats, rates: { seconds, counters: ratesOf(PORT_ROWS, before, counters, seconds) } };
}

/** Counters that are not zero, with their rates if those were measured. */
function counterRows(where: string, counters: Counts, rates: Counts | undefined): string[][] {
  return Object.entries(counters)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => [where, name, String(value), ...rates ? [rateText(rates[name])] : []]);
}

function rateText(rate: number | undefined): string {
  return rate === undefined ? "-" : rate.toFixed(1);
}

function statsHeading(rates: unknown): string[] {
  return ["WHERE", "COUNTER", "VALUE", ...rates ? ["PER-SECOND"] : []];
}

function closedRows(where: string, errors: Counts, rates: unknown): string[][] {
  return Object.entries(errors)
    .map(([code, n]) => [where, `closed: ${code}`, String(n), ...rates ? ["-"] : []]);
}

/** The table of `stats PORT`: its counters that are not zero. */
export function portStatsTable(port: DocumentOf<"port-stats">): string {
  const { name, counters, errors, rates } = port;
  return formatTable(statsHeading(rates), [
    ...counterRows(name, counters ?? {}, rates?.counters),
    ...closedRows(name, errors, rates),
  ]);
}

/** The table of `stats`: the same of all ports, and of the switch. */
export function statsTable(status: DocumentOf<"stats">): string {
  const { version, pid, uptimeSeconds, socketDir, ports, fdb, worker, rates } = status;
  const head = `vuswitch ${version}  pid ${pid}  up ${uptimeSeconds} s  sockets in ${socketDir}\n`;
  return head + formatTable(statsHeading(rates), [
    ...ports.flatMap(({ name, counters, errors }) => [
      ...counterRows(name, counters, rates && (rates.ports[name] ?? {})),
      ...closedRows(name, errors, rates),
    ]),
    ...counterRows("fdb", fdb, rates?.fdb),
    ...counterRows("worker", worker, rates?.worker),
  ]);
}

const STATS: View<StatsFlags, "stats" | "port-stats"> = {
  document: (port?) => port === undefined ? "stats" : "port-stats",
  read: (flags, port?) => port === undefined ? switchStats(flags) : portStats(flags, port),
  draw: (value) => "ports" in value ? statsTable(value) : portStatsTable(value),
};

/** In the order help lists them. */
export const STATS_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["stats"],
    brief: "counters of the switch or one port, and how fast they grow",
    examples: [
      "vuswitch stats",
      "vuswitch stats vm1 -o json",
      "vuswitch stats --rate",
      "vuswitch stats vm1 --watch",
    ],
    arguments: [MAYBE_PORT],
    flags: FLAGS,
  }, () => STATS),
];
