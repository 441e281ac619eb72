/**
 * Tables, each a view of its command's JSON and of nothing else: what a table prints, `-o json` has.
 *
 * @module
 */
import type { DocumentOf } from "../control/schema/mod.ts";
import type { FdbStatus, LinkStatus, ListenerStatus, PortStatus } from "../control/types.ts";
import { formatTable, shortNumber } from "./table.ts";

function drops(port: PortStatus): [string, number][] {
  return Object.entries(port.counters)
    .filter(([name, count]) => name.includes("Dropped") && count > 0);
}

function dropSum(port: PortStatus): number {
  return drops(port).reduce((sum, [, count]) => sum + count, 0);
}

/** `wait`, `down` and `up` as they are, and what an operator did to them. */
function linkText(port: PortStatus): string {
  if (port.admin === "down") return "admin-down";
  return port.linkedTo === null ? port.link : `${port.link} = ${port.linkedTo}`;
}

/** The same, and what is wrong: a port that is up is not always well. */
function linkCell(port: PortStatus): string {
  return [linkText(port), ...port.problems.map(({ code }) => code)].join(", ");
}

function socketText(port: PortStatus): string {
  if (port.retry === null) return port.socket;
  return `${port.socket} (${port.retry.reason}, retry ${port.retry.afterMs / 1000} s)`;
}

function peerText(peer: PortStatus["peer"]): string {
  if (peer === null) return "-";
  return `${peer.pid} ${peer.command}`;
}

function listenerRow(listener: ListenerStatus): string[] {
  const link = `${listener.ports.length} of ${listener.multi}`;
  const down = listener.admin === "down";
  const dashes = ["-", "-", "-", "-", "-", "-"];
  return [listener.name, down ? "admin-down" : link, "listen", ...dashes, listener.socket];
}

/** The table of `port list`: a line for each port, and one for each socket that takes many. */
export function portTable({ ports, listeners }: DocumentOf<"port-list">): string {
  const rows = ports.map((port) => [
    port.name,
    linkCell(port),
    port.mode,
    String(port.queuePairs),
    port.ring ?? "-",
    shortNumber(port.counters.rxFrames ?? 0),
    shortNumber(port.counters.txFrames ?? 0),
    shortNumber(dropSum(port)),
    peerText(port.peer),
    socketText(port),
  ]);
  const from = "RX (from guest)";
  const to = "TX (to guest)";
  return formatTable(
    ["NAME", "LINK", "MODE", "QUEUES", "RING", from, to, "DROPS", "PEER", "SOCKET"],
    [...rows, ...listeners.map(listenerRow)],
  );
}

/** A name and what there is to say, a line each. */
function facts(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("");
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}

function memoryText(port: PortStatus): string {
  const { length } = port.memory;
  if (length === 0) return "none shared";
  const bytes = port.memory.reduce((sum, region) => sum + region.sizeBytes, 0);
  const with_ = port.sharesMemoryWith.length === 0
    ? ""
    : `, the same as ${port.sharesMemoryWith.join(", ")}`;
  return `${mebibytes(bytes)} shared in ${length} region${length === 1 ? "" : "s"}${with_}`;
}

function ringText({ ring, queuePairs, mtu }: PortStatus): string {
  const pairs = `${queuePairs} queue pair${queuePairs === 1 ? "" : "s"}`;
  return `${ring ?? "none"}, ${pairs}, mtu ${mtu ?? "any"}`;
}

function counts(entries: readonly (readonly [string, number])[]): string {
  return entries.length === 0 ? "none" : entries.map(([name, n]) => `${name} ${n}`).join(", ");
}

function peerFacts({ peer, connectedAt, connects }: PortStatus): string {
  if (peer === null) return connectedAt === null ? `none (${connects} so far)` : "unknown";
  return `pid ${peerText(peer)}, uid ${peer.uid}, since ${connectedAt}`;
}

function problemFacts({ problems }: Pick<PortStatus, "problems">): [string, string][] {
  return problems.map(({ code, text, hint }) => [
    "problem",
    `${code}: ${text}${hint === null ? "" : `: ${hint}`}`,
  ]);
}

function lastErrorText({ lastError }: Pick<PortStatus, "lastError">): string {
  return lastError === null ? "none" : `${lastError.at} ${lastError.code}: ${lastError.detail}`;
}

/** The table of `port show`. */
export function portView(port: PortStatus | ListenerStatus): string {
  if ("multi" in port) {
    const last = port.lastConnectAt;
    return facts([
      ["listener", port.name],
      ...problemFacts(port),
      ["socket", `${port.socket} (listen)`],
      ["admin", `${port.admin} since ${port.adminSince}`],
      ["ports", `${port.ports.length} of ${port.multi}: ${port.ports.join(", ") || "none"}`],
      ["connects", `${port.connects}${last === null ? "" : `, the last ${last}`}`],
      ["last error", lastErrorText(port)],
      ["refused", counts(Object.entries(port.refused))],
      ["errors", counts(Object.entries(port.errors))],
    ]);
  }
  const { counters } = port;
  const traffic = (way: "rx" | "tx"): string =>
    `${counters[`${way}Frames`] ?? 0} frames, ${counters[`${way}Bytes`] ?? 0} bytes`;
  return facts([
    ["port", port.name],
    ["verdict", port.verdict],
    ...problemFacts(port),
    ["link", `${linkText(port)} since ${port.linkSince}`],
    ["socket", `${socketText(port)} (${port.mode})`],
    ["front-end", peerFacts(port)],
    ["last error", lastErrorText(port)],
    ["errors", counts(Object.entries(port.errors))],
    ["ring", ringText(port)],
    ["features", `${port.features ?? "-"} ${port.featureNames.join(" ")}`.trimEnd()],
    [
      "protocol",
      `${port.protocolFeatures ?? "-"} ${port.protocolFeatureNames.join(" ")}`.trimEnd(),
    ],
    ["memory", memoryText(port)],
    ["RX (from guest)", traffic("rx")],
    ["TX (to guest)", traffic("tx")],
    ["drops", counts(drops(port))],
  ]);
}

/** The table of `fdb show`. */
export function fdbTable(entries: readonly FdbStatus[]): string {
  return formatTable(
    ["PORT", "VLAN", "MAC", "AGE", "STATE"],
    entries.map((entry) => [
      entry.port,
      String(entry.vlan),
      entry.mac,
      `${entry.ageSeconds}s`,
      entry.state,
    ]),
  );
}

type Counts = Readonly<Record<string, number>>;

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

/** The table of `link list`. */
export function linkTable(links: readonly LinkStatus[]): string {
  return formatTable(
    ["PORT", "PORT", "STATE", "FROM"],
    links.map(({ ports, state, configured }) => [
      ...ports,
      state,
      configured ? "configuration" : "command",
    ]),
  );
}

/** What a virtqueue does, and what is wrong with it or was with its chains. */
function vringState(vring: DocumentOf<"vring-list">["vrings"][number]): string {
  const bad = vring.counters["badChains"] ?? 0;
  const state = vring.error === null ? vring.state : `${vring.state}: ${vring.error}`;
  return bad === 0 ? state : `${state}, ${bad} bad chain${bad === 1 ? "" : "s"}`;
}

/** The table of `vring show`. */
export function vringTable(list: DocumentOf<"vring-list">): string {
  const features = `${list.features ?? "-"} ${list.featureNames.join(" ")}`.trimEnd();
  const memory = list.memory.map((region, i) =>
    `memory ${i}: guest ${region.guestAddr} +${region.sizeBytes} user ${region.userAddr}\n`
  );
  const rows = list.vrings.map((vring) => [
    String(vring.index),
    vring.direction,
    `${vring.size}`,
    String(vring.lastAvail),
    String(vring.lastUsed),
    ...["kicks", "calls", "callsSuppressed"].map((name) => String(vring.counters[name] ?? 0)),
    vringState(vring),
  ]);
  const heading = [
    ...["VRING", "DIRECTION", "SIZE", "LAST-AVAIL", "LAST-USED"],
    ...["KICKS", "CALLS", "SUPPRESSED", "STATE"],
  ];
  return `${list.port}  link ${list.link}  features ${features}\n${memory.join("")}` +
    formatTable(heading, rows);
}
