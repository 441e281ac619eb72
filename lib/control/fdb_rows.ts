/**
 * The forwarding database as operators see it.
 *
 * @module
 */
import type { FdbEntry } from "../worker/fdb_reader.ts";
import type { Plane } from "./planes.ts";
import type { ServedPort } from "./served_port.ts";
import type { FdbStatus, SwitchStatus } from "./types.ts";

/** An entry, its port by name. */
export type NamedEntry = Omit<FdbEntry, "port"> & { readonly port: string | null };

/** vm2 before vm10. */
const { compare: compareNames } = new Intl.Collator("en", { numeric: true });

/**
 * Rows by port, VLAN and address: the table's own order is that of its secret hash.
 * @param entries with their ports' names; those of a port that is gone, null, are left out
 */
export function fdbRows(entries: readonly NamedEntry[]): FdbStatus[] {
  const rows = entries.flatMap(({ mac, vlan, port, ageSeconds, isStatic }): FdbStatus[] =>
    port === null ? [] : [{ mac, port, vlan, state: isStatic ? "static" : "dynamic", ageSeconds }]
  );
  return rows.sort((a, b) =>
    compareNames(a.port, b.port) || a.vlan - b.vlan || (a.mac < b.mac ? -1 : 1)
  );
}

/** How many addresses there are at each port, 0 included, and in each VLAN that has any. */
export function countAddresses(
  planes: readonly Plane[],
  ports: readonly Pick<ServedPort, "config" | "plane" | "number">[],
): SwitchStatus["addresses"] {
  const byPort = new Map(ports.map((port) => [port.config.name, 0]));
  const byVlan = new Map<number, number>();
  for (const plane of planes) {
    const names = new Map(
      ports.filter((port) => port.plane === plane).map((port) => [port.number, port.config.name]),
    );
    plane.thread.fdb.eachPlace((number, vlan) => {
      const name = names.get(number);
      if (name === undefined) return;
      byPort.set(name, (byPort.get(name) ?? 0) + 1);
      byVlan.set(vlan, (byVlan.get(vlan) ?? 0) + 1);
    });
  }
  const vlans = [...byVlan].sort(([a], [b]) => a - b).map(([vlan, n]) => [String(vlan), n]);
  return { ports: Object.fromEntries(byPort), vlans: Object.fromEntries(vlans) };
}

/** Rows of all planes. @param ports that are there */
export function fdbOf(
  planes: readonly Plane[],
  ports: readonly Pick<ServedPort, "config" | "plane" | "number">[],
): FdbStatus[] {
  return fdbRows(planes.flatMap((plane) => {
    const own = ports.filter((port) => port.plane === plane);
    const names = new Map(own.map((port) => [port.number, port.config.name]));
    const entries = plane.thread.fdb.entries();
    return entries.map((entry) => ({ ...entry, port: names.get(entry.port) ?? null }));
  }));
}
