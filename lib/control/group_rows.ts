/**
 * Who is in which group, as operators see it.
 *
 * @module
 */
import { formatMac } from "../base/mac.ts";
import { ROUTER_LOW } from "../switch/multicast/port_groups.ts";
import type { ServedPort } from "./served_port.ts";
import type { GroupStatus } from "./types.ts";

/** vm2 before vm10. */
const { compare: compareNames } = new Intl.Collator("en", { numeric: true });

/** Rows by port, VLAN and group, routers first. */
export function groupRows(
  ports: readonly Pick<ServedPort, "config" | "plane" | "number">[],
): GroupStatus[] {
  const rows = ports.flatMap(({ config, plane, number }) =>
    plane.thread.commands.listGroups({ port: number }).map(({ macLo, macHi, seconds }) => ({
      port: config.name,
      vlan: macHi >>> 16,
      group: macLo === ROUTER_LOW ? null : formatMac(macLo, macHi),
      secondsLeft: seconds,
    }))
  );
  return rows.sort((a, b) =>
    compareNames(a.port, b.port) || a.vlan - b.vlan || ((a.group ?? "") < (b.group ?? "") ? -1 : 1)
  );
}
