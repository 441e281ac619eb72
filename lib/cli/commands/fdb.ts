/**
 * Commands on the forwarding database.
 *
 * @module
 */
import type { FdbStatus } from "../../control/types.ts";
import { checkVid } from "../../control/config/port_vlans.ts";
import { ask, asking, type CommandRow, MAC, MAYBE_PORT, PORT, printing } from "../command.ts";
import { LIST_FLAGS } from "../looks.ts";
import { formatTable } from "../table.ts";

/** The table of `fdb show`. */
export function fdbTable(entries: readonly FdbStatus[]): string {
  return formatTable(
    ["PORT", "VLAN", "MAC", "AGE", "STATE"],
    entries.map((entry) => [
      entry.port,
      String(entry.vlan),
      entry.mac,
      entry.state === "static" ? "-" : `${entry.ageSeconds}s`,
      entry.state,
    ]),
  );
}

/** In the order help lists them. */
export const FDB_COMMANDS: readonly CommandRow[] = [
  printing(
    {
      words: ["fdb", "show"],
      brief: "list the MAC addresses that are known",
      examples: ["vuswitch fdb show", "vuswitch fdb show -o json", "vuswitch fdb show --vlan 10"],
      flags: {
        ...LIST_FLAGS,
        vlan: { brief: "those of this VLAN alone", placeholder: "VID" },
      },
    },
    () => ({
      document: () => "fdb",
      read: async (flags) => {
        const vid = flags.vlan === undefined ? null : checkVid("--vlan", flags.vlan);
        const entries = await ask<FdbStatus[]>(flags, "GET", "/v1/fdb");
        return entries.filter(({ vlan }) => vid === null || vlan === vid);
      },
      draw: fdbTable,
    }),
  ),
  asking(
    {
      words: ["fdb", "flush"],
      brief: "forget learned MAC addresses; static ones stay",
      arguments: [MAYBE_PORT],
      examples: ["vuswitch fdb flush", "vuswitch fdb flush vm1"],
    },
    "fdb-flushed",
    async (flags, port?) => {
      const query = port === undefined ? "" : `?port=${encodeURIComponent(port)}`;
      await ask(flags, "DELETE", `/v1/fdb${query}`);
      return { flushed: port ?? null };
    },
    ({ flushed }) => `flushed ${flushed ?? "all ports"}\n`,
  ),
  asking(
    {
      words: ["fdb", "add"],
      brief: "make an address static at a port: it neither ages nor moves, nor may others have it",
      arguments: [MAC, PORT],
      examples: ["vuswitch fdb add 52:54:00:00:00:01 vm1"],
    },
    "fdb-entry",
    (flags, mac = "", port = "") => ask(flags, "POST", "/v1/fdb", { mac, port }),
    ({ mac, port }) => `${mac} is static at ${port}\n`,
  ),
  asking(
    {
      words: ["fdb", "del"],
      brief: "forget a static address",
      arguments: [MAC],
      examples: ["vuswitch fdb del 52:54:00:00:00:01"],
    },
    "fdb-removed",
    async (flags, mac = "") => {
      await ask(flags, "DELETE", `/v1/fdb/${encodeURIComponent(mac)}`);
      return { removed: mac };
    },
    ({ removed }) => `${removed} is forgotten\n`,
  ),
];
