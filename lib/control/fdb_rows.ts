/**
 * The forwarding database as operators see it.
 *
 * @module
 */
import type { FdbEntry } from "../worker/fdb_reader.ts";
import type { FdbStatus } from "./types.ts";

/** vm2 before vm10. */
const { compare: compareNames } = new Intl.Collator("en", { numeric: true });

/**
 * Rows by port, VLAN and address: the table's own order is that of its secret hash.
 * @param names of the ports that there are, by number; entries of others are left out
 */
export function fdbRows(
  entries: readonly FdbEntry[],
  names: ReadonlyMap<number, string>,
): FdbStatus[] {
  const rows = entries.flatMap(({ mac, vlan, port, ageSeconds }): FdbStatus[] => {
    const name = names.get(port);
    return name === undefined ? [] : [{ mac, port: name, vlan, state: "dynamic", ageSeconds }];
  });
  return rows.sort((a, b) =>
    compareNames(a.port, b.port) || a.vlan - b.vlan || (a.mac < b.mac ? -1 : 1)
  );
}
