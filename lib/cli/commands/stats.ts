/**
 * `stats`: counters, and how fast they grow.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { Counts } from "../../control/work.ts";
import type { ListenerStatus, PortStatus, SwitchStatus } from "../../control/types.ts";
import { FDB_ROWS, PORT_ROWS, WORKER_ROWS } from "../../switch/counter_rows.ts";
import { ask, type CommandRow, MAYBE_PORT, portPath, printing } from "../command.ts";
import { LOOK_FLAGS, type LookFlags } from "../looks.ts";
import { ratesOf } from "../rates.ts";
import { formatTable } from "../table.ts";
import type { View } from "../view.ts";

function switchLately(
  first: SwitchStatus,
  last: SwitchStatus,
  seconds: number,
): DocumentOf<"stats"> {
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
  const status = await ask<PortStatus | ListenerStatus>(flags, "GET", portPath(port));
  const { name, errors } = status;
  const at = new Date().toISOString();
  if ("counters" in status) return { name, at, counters: status.counters, errors };
  const all = await ask<readonly PortStatus[]>(flags, "GET", "/v1/ports");
  const own = all.filter(({ listener }) => listener === name);
  const ports = own.map(({ name, counters, errors }) => [name, { counters, errors }]);
  return { name, at, counters: null, errors, ports: Object.fromEntries(ports) };
}

function portStatsLately(
  first: DocumentOf<"port-stats">,
  last: DocumentOf<"port-stats">,
  seconds: number,
): DocumentOf<"port-stats"> {
  if (last.ports !== undefined) {
    const ports = Object.entries(last.ports).map(([name, part]) => {
      const before = first.ports?.[name]?.counters;
      if (before === undefined) return [name, part] as const;
      return [name, {
        ...part,
        rates: ratesOf(PORT_ROWS, before, part.counters, seconds),
      }] as const;
    });
    return { ...last, ports: Object.fromEntries(ports) };
  }
  if (first.counters === null || last.counters === null) return last;
  const counters = ratesOf(PORT_ROWS, first.counters, last.counters, seconds);
  return { ...last, rates: { seconds, counters } };
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

/** The table of `stats PORT`: its counters that are not zero; of a listener, those of its ports. */
export function portStatsTable(port: DocumentOf<"port-stats">): string {
  const { name, counters, errors, ports = {} } = port;
  const parts = Object.entries(ports);
  const rates = port.rates?.counters ?? parts.find(([, part]) => part.rates)?.[1].rates;
  const rows = [
    ...counterRows(name, counters ?? {}, rates),
    ...closedRows(name, errors, rates),
    ...parts.flatMap(([name, part]) => [
      ...counterRows(name, part.counters, rates && (part.rates ?? {})),
      ...closedRows(name, part.errors, rates),
    ]),
  ];
  if (rows.length > 0) return formatTable(statsHeading(rates), rows);
  if (counters === null && parts.length === 0) {
    return `${name}: no port of it is there, as no front-end is connected\n`;
  }
  return `${name}: nothing was counted yet\n`;
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
  read: (flags, port?) =>
    port === undefined ? ask<SwitchStatus>(flags, "GET", "/v1/switch") : portStats(flags, port),
  between: (first, last, seconds) => {
    if ("fdb" in first && "fdb" in last) return switchLately(first, last, seconds);
    return "fdb" in first || "fdb" in last ? last : portStatsLately(first, last, seconds);
  },
  draw: (value) => "fdb" in value ? statsTable(value) : portStatsTable(value),
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
