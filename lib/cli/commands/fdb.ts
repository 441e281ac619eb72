/**
 * Commands on the forwarding database.
 *
 * @module
 */
import type { FdbStatus } from "../../control/types.ts";
import { ask, asking, type CommandRow, MAYBE_PORT } from "../command.ts";
import { formatTable } from "../table.ts";

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

/** In the order help lists them. */
export const FDB_COMMANDS: readonly CommandRow[] = [
  asking(
    {
      words: ["fdb", "show"],
      brief: "list the learned MAC addresses",
      examples: ["vuswitch fdb show", "vuswitch fdb show -o json"],
    },
    "fdb",
    (flags) => ask(flags, "GET", "/v1/fdb"),
    fdbTable,
  ),
  asking(
    {
      words: ["fdb", "flush"],
      brief: "forget learned MAC addresses",
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
];
