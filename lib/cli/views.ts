/**
 * Tables of ports, each a view of its command's JSON and of nothing else: what a table prints,
 * `-o json` has. Other tables stand with their commands.
 *
 * @module
 */
import type { DocumentOf } from "../control/schema/mod.ts";
import type { ListenerStatus, PortStatus } from "../control/types.ts";
import { verdictOf } from "../control/verdict/judge.ts";
import { formatTable, shortNumber } from "./table.ts";

function drops(port: PortStatus): [string, number][] {
  return Object.entries(port.counters)
    .filter(([name, count]) => name.includes("Dropped") && count > 0);
}

/** Frames from and to a guest and those dropped: a second, if somebody looked twice. */
function trafficCells(port: PortStatus): string[] {
  const counts = port.rates?.counters ?? port.counters;
  const dropped = Object.entries(counts)
    .reduce((sum, [name, count]) => name.includes("Dropped") ? sum + count : sum, 0);
  return [counts["rxFrames"] ?? 0, counts["txFrames"] ?? 0, dropped]
    .map((count) => shortNumber(Math.round(10 * count) / 10));
}

/** `wait`, `down` and `up` as they are, and what an operator did to them. */
function linkText(port: PortStatus): string {
  if (port.admin === "down") return "admin-down";
  return port.linkedTo === null ? port.link : `${port.link} = ${port.linkedTo}`;
}

/** The same, and what is wrong: a port that is up is not always well. */
export function linkCell(port: PortStatus): string {
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

/** Who makes the socket; of what has none, what it is. */
function modeText({ kind, mode }: PortStatus): string {
  return kind === "tap" || kind === "nat" ? kind : mode;
}

/** The VLAN of an access port, or those of a trunk, with that of frames without tags. */
function vlanCell({ vlans }: PortStatus): string {
  if (vlans === null) return "-";
  if (vlans.access !== null) return String(vlans.access);
  return `trunk ${vlans.trunk}${vlans.native === null ? "" : ` native ${vlans.native}`}`;
}

function listenerRow(listener: ListenerStatus): string[] {
  const link = `${listener.ports.length} of ${listener.multi}`;
  const down = listener.admin === "down";
  const dashes = ["-", "-", "-", "-", "-", "-", "-"];
  return [listener.name, down ? "admin-down" : link, "listen", ...dashes, listener.socket];
}

/** The table of `port list`: a line for each port, and one for each socket that takes many. */
export function portTable({ ports, listeners }: DocumentOf<"port-list">): string {
  const rows = ports.map((port) => [
    port.name,
    linkCell(port),
    modeText(port),
    String(port.queuePairs),
    port.ring ?? "-",
    vlanCell(port),
    ...trafficCells(port),
    peerText(port.peer),
    socketText(port),
  ]);
  const rated = ports.some(({ rates }) => rates !== undefined) ? "/s" : "";
  const traffic = [`RX${rated} (from guest)`, `TX${rated} (to guest)`, `DROPS${rated}`];
  return formatTable(
    ["NAME", "LINK", "MODE", "QUEUES", "RING", "VLAN", ...traffic, "PEER", "SOCKET"],
    [...rows, ...listeners.map(listenerRow)],
  );
}

function vlanFacts({ vlans }: PortStatus): [string, string][] {
  if (vlans === null) return [];
  if (vlans.access !== null) return [["vlans", `access ${vlans.access}`]];
  return [["vlans", `trunk ${vlans.trunk}, native ${vlans.native ?? "none"}`]];
}

function rateText(rate: NonNullable<PortStatus["limit"]>["rx"]): string {
  if (rate === null) return "any";
  const words = [
    ...rate.bits === 0 ? [] : [`${shortNumber(rate.bits)}bit/s`],
    ...rate.frames === 0 ? [] : [`${shortNumber(rate.frames)} frames/s`],
  ];
  return `${words.join(", ")} in bursts of ${rate.burstMs} ms`;
}

function limitFacts({ limit }: PortStatus): [string, string][] {
  if (limit === null) return [];
  return [["limit", `from guest ${rateText(limit.rx)}; to guest ${rateText(limit.tx)}`]];
}

function guardFacts({ guard, ip }: PortStatus): [string, string][] {
  return [
    ...guard.length === 0 ? [] : [["guard", guard.join(", ")] as [string, string]],
    ...ip.length === 0 ? [] : [["addresses", ip.join(", ")] as [string, string]],
  ];
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

/** What is behind the port: a front-end, another process, or a device. */
function behindFacts(port: PortStatus): [string, string][] {
  if (port.kind === "vhost") return [["front-end", peerFacts(port)]];
  if (port.nat !== null) return [...natFacts(port.nat), ...targetFacts(port)];
  return targetFacts(port);
}

function natFacts(nat: NonNullable<PortStatus["nat"]>): [string, string][] {
  const { by, subnet, gateway, helper, helperPid, helperStarts } = nat;
  const process = helperPid === null ? "not running" : `pid ${helperPid}`;
  const again = helperStarts > 1 ? `, started ${helperStarts} times` : "";
  return [
    ["nat", `guests have ${subnet}, gateway ${gateway}, by ${by === "tap" ? "the kernel" : by}`],
    ["helper", `${helper}, ${process}${again}`],
  ];
}

function targetFacts(port: PortStatus): [string, string][] {
  const { device } = port;
  if (port.kind !== "tap" && port.nat?.by !== "tap") return [["peer", peerFacts(port)]];
  if (device === null) return [["device", "none"]];
  const { name, mtu, up, carrier, headerBytes, offloads, queues } = device;
  const words = [
    ...mtu === null ? ["in another namespace"] : [`mtu ${mtu}`],
    ...up === null ? [] : [up ? "up" : "down"],
    ...carrier === null ? [] : [carrier ? "carrier" : "no carrier"],
    `header ${headerBytes} bytes`,
    `offloads ${offloads.join(" ") || "none"}`,
    `${queues} queue${queues === 1 ? "" : "s"}`,
  ];
  return [["device", `${name}: ${words.join(", ")}`]];
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

function verdictFacts(port: PortStatus): [string, string][] {
  const { text, fix } = verdictOf(port);
  return [["verdict", text], ...fix === null ? [] : [["fix", fix] as [string, string]]];
}

function lastErrorText({ lastError }: Pick<PortStatus, "lastError">): string {
  return lastError === null ? "none" : `${lastError.at} ${lastError.code}: ${lastError.detail}`;
}

function speedText({ rates }: PortStatus, way: "rx" | "tx"): string {
  if (rates === undefined) return "";
  const [frames, bytes] = ["Frames", "Bytes"].map((what) => rates.counters[`${way}${what}`] ?? 0);
  return `, ${shortNumber(frames ?? 0)} frames/s, ${
    shortNumber(Math.round(8 * (bytes ?? 0)))
  }bit/s`;
}

/** The table of `port show`. */
export function portView(port: PortStatus | ListenerStatus): string {
  if (!("multi" in port)) return facts(portFacts(port));
  return facts(listenerFacts(port));
}

function listenerFacts(port: ListenerStatus): (readonly [string, string])[] {
  const last = port.lastConnectAt;
  return [
    ["listener", port.name],
    ...problemFacts(port),
    ["socket", `${port.socket} (listen)`],
    ["admin", `${port.admin} since ${port.adminSince}`],
    ["ports", `${port.ports.length} of ${port.multi}: ${port.ports.join(", ") || "none"}`],
    ["connects", `${port.connects}${last === null ? "" : `, the last ${last}`}`],
    ["last error", lastErrorText(port)],
    ["refused", counts(Object.entries(port.refused))],
    ["errors", counts(Object.entries(port.errors))],
  ];
}

/** What there is to say of a port: a name, and a text. */
export function portFacts(port: PortStatus): (readonly [string, string])[] {
  const { counters } = port;
  const traffic = (way: "rx" | "tx"): string =>
    `${counters[`${way}Frames`] ?? 0} frames, ${counters[`${way}Bytes`] ?? 0} bytes` +
    speedText(port, way);
  return [
    ["port", port.name],
    ...verdictFacts(port),
    ...problemFacts(port),
    ["link", `${linkText(port)} since ${port.linkSince}`],
    ["socket", `${socketText(port)} (${modeText(port)})`],
    ...behindFacts(port),
    ["last error", lastErrorText(port)],
    ["errors", counts(Object.entries(port.errors))],
    ...vlanFacts(port),
    ...limitFacts(port),
    ...port.isolated === null ? [] : [["isolated", `from others of ${port.isolated}`] as const],
    ...guardFacts(port),
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
  ];
}

/** Bytes as people write them. */
function sizeText(bytes: number): string {
  const units = ["", " KiB", " MiB", " GiB", " TiB"];
  let unit = 0;
  let value = bytes;
  for (; unit < 4 && value >= 1024 && Number.isInteger(value / 2 ** 9); unit++) value /= 1024;
  return `${value}${units[unit]}`;
}

/** The table of `port show --limits`. */
export function limitTable({ limits }: DocumentOf<"port-limits">): string {
  const rows = limits.map(({ name, unit, scope, limit, used, left, reason }) => {
    const amount = (n: number | null): string =>
      n === null ? "-" : unit === "bytes" ? sizeText(n) : String(n);
    const what = unit === "bytes" ? "" : unit;
    return [name, amount(limit), amount(used), amount(left), what, scope, reason ?? "-"];
  });
  return formatTable(["LIMIT", "AT MOST", "USED", "LEFT", "UNIT", "SCOPE", "REASON"], rows);
}
