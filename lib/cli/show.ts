/**
 * The commands that read or change a running switch through its control socket.
 *
 * @module
 */
import { parsePortSpec } from "../control/config/port_spec.ts";
import type { DocumentName, DocumentOf } from "../control/schema/mod.ts";
import type { FdbStatus, ListenerStatus, PortStatus, VringStatus } from "../control/types.ts";
import { ask, type ClientFlags } from "./client.ts";
import { type View, view } from "./view.ts";
import { fdbTable, portTable, portView, vringTable } from "./views.ts";

/** A command that asks a switch and always prints the same document. */
export type ShowView<Name extends DocumentName> = View<ClientFlags, Name>;

async function get<T>(flags: ClientFlags, path: string): Promise<T> {
  return await ask(flags, "GET", path) as T;
}

function portPath(name: string): string {
  return `/v1/ports/${encodeURIComponent(name)}`;
}

/** `port list`. */
export const portList: ShowView<"port-list"> = view("port-list", async (flags) => {
  const ports = await get<PortStatus[]>(flags, "/v1/ports");
  const listeners = await get<ListenerStatus[]>(flags, "/v1/listeners");
  return { ports, listeners };
}, portTable);

/** `port show NAME`. */
export const portShow: ShowView<"port"> = view(
  "port",
  (flags, name = "") => get(flags, portPath(name)),
  portView,
);

/** `port add SPEC`. */
export const portAdd: ShowView<"port"> = view("port", async (flags, spec = "") => {
  const { queuePairs, path, ...given } = parsePortSpec(spec, "");
  // Without a path it is the switch that knows its folder.
  const named = /^[^,]*=/.test(spec);
  const body = { ...given, ...(named ? { path } : {}), queues: queuePairs };
  return await ask(flags, "POST", "/v1/ports", body) as DocumentOf<"port">;
}, (port) => {
  const verb = "mode" in port && port.mode === "connect" ? "connects to" : "listens on";
  return `port ${port.name} ${verb} ${port.socket}\n`;
});

function setAdmin(admin: PortStatus["admin"]): ShowView<"port"> {
  return view(
    "port",
    async (flags, name = "") =>
      await ask(flags, "POST", `${portPath(name)}/link`, { admin }) as DocumentOf<"port">,
    (port) => `port ${port.name} is ${port.admin}\n`,
  );
}

/** `port down NAME`. */
export const portDown: ShowView<"port"> = setAdmin("down");
/** `port up NAME`. */
export const portUp: ShowView<"port"> = setAdmin("up");

/** `port del NAME`. */
export const portDel: ShowView<"port-removed"> = view("port-removed", async (flags, name = "") => {
  await ask(flags, "DELETE", portPath(name));
  return { removed: name };
}, ({ removed }) => `port ${removed} removed\n`);

/** `fdb show`. */
export const fdbShow: ShowView<"fdb"> = view(
  "fdb",
  (flags) => get<FdbStatus[]>(flags, "/v1/fdb"),
  fdbTable,
);

/** `fdb flush [PORT]`. */
export const fdbFlush: ShowView<"fdb-flushed"> = view("fdb-flushed", async (flags, port?) => {
  const query = port === undefined ? "" : `?port=${encodeURIComponent(port)}`;
  await ask(flags, "DELETE", `/v1/fdb${query}`);
  return { flushed: port ?? null };
}, ({ flushed }) => `flushed ${flushed ?? "all ports"}\n`);

/** `vring show PORT`. */
export const vringShow: ShowView<"vring-list"> = view("vring-list", async (flags, name = "") => {
  const path = portPath(name);
  const vrings = await get<VringStatus[]>(flags, `${path}/vrings`);
  const { link, features, featureNames, memory } = await get<PortStatus>(flags, path);
  return { port: name, link, features, featureNames, memory, vrings };
}, vringTable);
