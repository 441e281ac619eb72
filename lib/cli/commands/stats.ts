/**
 * `stats`: counters, and how fast they grow.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { Counts } from "../../control/work.ts";
import type { ListenerStatus, PortStatus, SwitchStatus } from "../../control/types.ts";
import {
  type CounterRow,
  FDB_ROWS,
  onlyGrows,
  PORT_ROWS,
  WORKER_ROWS,
} from "../../switch/counter_rows.ts";
import { type CommandRow, MAYBE_PORT, portPath, printing } from "../command.ts";
import { look, LOOK_FLAGS, type LookFlags } from "../looks.ts";
import { formatTable } from "../table.ts";
import type { View } from "../view.ts";

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

async function switchStats(flags: LookFlags): Promise<DocumentOf<"stats">> {
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

async function portStats(flags: LookFlags, port: string): Promise<DocumentOf<"port-stats">> {
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

const STATS: View<LookFlags, "stats" | "port-stats"> = {
  document: (_, port?) => port === undefined ? "stats" : "port-stats",
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
    flags: LOOK_FLAGS,
  }, () => STATS),
];
