/**
 * The commands that read or change a running switch through its control socket.
 *
 * @module
 */
import { parsePortSpec } from "../control/port_spec.ts";
import type {
  FdbStatus,
  ListenerStatus,
  PortStatus,
  SwitchStatus,
  VringStatus,
} from "../control/types.ts";
import { ask, type ClientFlags } from "./client.ts";
import { formatTable, shortNumber } from "./table.ts";

/** Flags of every command that talks to a switch. */
export interface ShowFlags extends ClientFlags {
  readonly output: "table" | "json";
}

type Print = (text: string) => void;

async function get<T>(flags: ShowFlags, path: string): Promise<T> {
  return await ask(flags, "GET", path) as T;
}

function show<T>(flags: ShowFlags, value: T, print: Print, table: (value: T) => string): void {
  print(flags.output === "json" ? `${JSON.stringify(value, null, 2)}\n` : table(value));
}

function drops(port: PortStatus): number {
  return Object.entries(port.counters)
    .filter(([name]) => name.includes("Dropped"))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** `wait`, `down` and `up` as they are, and what an operator did to them. */
function linkText(port: PortStatus): string {
  if (port.admin === "down") return "admin-down";
  return port.linkedTo === null ? port.link : `${port.link} = ${port.linkedTo}`;
}

function socketText(port: PortStatus): string {
  if (port.retry === null) return port.socket;
  return `${port.socket} (${port.retry.reason}, retry ${port.retry.afterMs / 1000} s)`;
}

function listenerRow(listener: ListenerStatus): string[] {
  const link = `${listener.ports.length} of ${listener.multi}`;
  const down = listener.admin === "down";
  const dashes = ["-", "-", "-", "-", "-"];
  return [listener.name, down ? "admin-down" : link, "listen", ...dashes, listener.socket];
}

/** The table of `port list`: a line for each port, and one for each socket that takes many. */
export function portTable(
  ports: readonly PortStatus[],
  listeners: readonly ListenerStatus[] = [],
): string {
  const rows = ports.map((port) => [
    port.name,
    linkText(port),
    port.mode,
    String(port.queuePairs),
    port.ring ?? "-",
    shortNumber(port.counters.rxFrames ?? 0),
    shortNumber(port.counters.txFrames ?? 0),
    shortNumber(drops(port)),
    socketText(port),
  ]);
  return formatTable(
    ["NAME", "LINK", "MODE", "QUEUES", "RING", "RX", "TX", "DROPS", "SOCKET"],
    [...rows, ...listeners.map(listenerRow)],
  );
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

/** The counters of `stats`: those that are not zero, a port after the other. */
export function statsTable(status: SwitchStatus): string {
  const rows: string[][] = [];
  const add = (where: string, counters: Readonly<Record<string, number>>): void => {
    for (const [name, value] of Object.entries(counters)) {
      if (value !== 0) rows.push([where, name, String(value)]);
    }
  };
  for (const port of status.ports) {
    add(port.name, port.counters);
    for (const [code, count] of Object.entries(port.errors)) {
      rows.push([port.name, `closed: ${code}`, String(count)]);
    }
  }
  add("fdb", status.fdb);
  add("worker", status.worker);
  return formatTable(["WHERE", "COUNTER", "VALUE"], rows);
}

function vringTable(port: PortStatus, vrings: readonly VringStatus[]): string {
  const features = `${port.features ?? "-"} ${port.featureNames.join(" ")}`;
  const memory = port.memory.map((region, i) =>
    `memory ${i}: guest ${region.guestAddr} +${region.sizeBytes} user ${region.userAddr}\n`
  );
  const rows = vrings.map((vring) => [
    String(vring.index),
    vring.direction,
    `${vring.size}`,
    String(vring.lastAvail),
    String(vring.lastUsed),
    ...["kicks", "calls", "callsSuppressed"].map((name) => String(vring.counters[name] ?? 0)),
    vring.error === null ? vring.state : `${vring.state}: ${vring.error}`,
  ]);
  const heading = [
    "VRING",
    "DIRECTION",
    "SIZE",
    "LAST-AVAIL",
    "LAST-USED",
    "KICKS",
    "CALLS",
    "SUPPRESSED",
    "STATE",
  ];
  return `${port.name}  link ${port.link}  features ${features}\n${memory.join("")}` +
    formatTable(heading, rows);
}

/** `port list`. */
export async function portList(flags: ShowFlags, print: Print): Promise<void> {
  const ports = await get<PortStatus[]>(flags, "/v1/ports");
  const listeners = await get<ListenerStatus[]>(flags, "/v1/listeners");
  show(flags, ports, print, () => portTable(ports, listeners));
}

/** `port show NAME`. */
export async function portShow(flags: ShowFlags, print: Print, name: string): Promise<void> {
  const port = await get<PortStatus | ListenerStatus>(
    flags,
    `/v1/ports/${encodeURIComponent(name)}`,
  );
  show(flags, port, print, () => `${JSON.stringify(port, null, 2)}\n`);
}

/** `port add SPEC`. */
export async function portAdd(flags: ShowFlags, print: Print, spec: string): Promise<void> {
  const { queuePairs, path, ...given } = parsePortSpec(spec, "");
  // Without a path it is the switch that knows its folder.
  const named = /^[^,]*=/.test(spec);
  const body = { ...given, ...(named ? { path } : {}), queues: queuePairs };
  const port = await ask(flags, "POST", "/v1/ports", body) as PortStatus | ListenerStatus;
  const verb = "mode" in port && port.mode === "connect" ? "connects to" : "listens on";
  show(flags, port, print, () => `port ${port.name} ${verb} ${port.socket}\n`);
}

async function setAdmin(
  flags: ShowFlags,
  print: Print,
  name: string,
  admin: "up" | "down",
): Promise<void> {
  const path = `/v1/ports/${encodeURIComponent(name)}/link`;
  const port = await ask(flags, "POST", path, { admin }) as PortStatus | ListenerStatus;
  show(flags, port, print, () => `port ${name} is ${admin}\n`);
}

/** `port down NAME`. */
export async function portDown(flags: ShowFlags, print: Print, name: string): Promise<void> {
  await setAdmin(flags, print, name, "down");
}

/** `port up NAME`. */
export async function portUp(flags: ShowFlags, print: Print, name: string): Promise<void> {
  await setAdmin(flags, print, name, "up");
}

/** `port del NAME`. */
export async function portDel(flags: ShowFlags, print: Print, name: string): Promise<void> {
  await ask(flags, "DELETE", `/v1/ports/${encodeURIComponent(name)}`);
  show(flags, { removed: name }, print, () => `port ${name} removed\n`);
}

/** `fdb show`. */
export async function fdbShow(flags: ShowFlags, print: Print): Promise<void> {
  show(flags, await get<FdbStatus[]>(flags, "/v1/fdb"), print, fdbTable);
}

/** `fdb flush [PORT]`. */
export async function fdbFlush(flags: ShowFlags, print: Print, port?: string): Promise<void> {
  const query = port === undefined ? "" : `?port=${encodeURIComponent(port)}`;
  await ask(flags, "DELETE", `/v1/fdb${query}`);
  show(flags, { flushed: port ?? "all" }, print, () => `flushed ${port ?? "all ports"}\n`);
}

/** `stats [PORT]`. */
export async function stats(flags: ShowFlags, print: Print, port?: string): Promise<void> {
  const status = await get<SwitchStatus>(flags, "/v1/switch");
  if (port === undefined) return show(flags, status, print, statsTable);
  const one = await get<PortStatus>(flags, `/v1/ports/${encodeURIComponent(port)}`);
  show(flags, one, print, () => statsTable({ ...status, ports: [one], fdb: {}, worker: {} }));
}

/** `vring show PORT`. */
export async function vringShow(flags: ShowFlags, print: Print, name: string): Promise<void> {
  const path = `/v1/ports/${encodeURIComponent(name)}`;
  const vrings = await get<VringStatus[]>(flags, `${path}/vrings`);
  const port = await get<PortStatus>(flags, path);
  show(flags, vrings, print, () => vringTable(port, vrings));
}
