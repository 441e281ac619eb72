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
import {
  fdbTable,
  type PortList,
  portStatsTable,
  portTable,
  portView,
  statsTable,
  type VringList,
  vringTable,
} from "./views.ts";

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

/** `port list`. */
export async function portList(flags: ShowFlags, print: Print): Promise<void> {
  const ports = await get<PortStatus[]>(flags, "/v1/ports");
  const listeners = await get<ListenerStatus[]>(flags, "/v1/listeners");
  show<PortList>(flags, { ports, listeners }, print, portTable);
}

/** `port show NAME`. */
export async function portShow(flags: ShowFlags, print: Print, name: string): Promise<void> {
  const path = `/v1/ports/${encodeURIComponent(name)}`;
  show(flags, await get<PortStatus | ListenerStatus>(flags, path), print, portView);
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
  if (port === undefined) {
    return show(flags, await get<SwitchStatus>(flags, "/v1/switch"), print, statsTable);
  }
  const path = `/v1/ports/${encodeURIComponent(port)}`;
  const { name, counters, errors } = await get<PortStatus>(flags, path);
  show(flags, { name, counters: counters ?? {}, errors }, print, portStatsTable);
}

/** `vring show PORT`. */
export async function vringShow(flags: ShowFlags, print: Print, name: string): Promise<void> {
  const path = `/v1/ports/${encodeURIComponent(name)}`;
  const vrings = await get<VringStatus[]>(flags, `${path}/vrings`);
  const { link, features, featureNames, memory } = await get<PortStatus>(flags, path);
  const list: VringList = { port: name, link, features, featureNames, memory, vrings };
  show(flags, list, print, vringTable);
}
