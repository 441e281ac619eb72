/**
 * Commands on groups: who is in which (lib/switch/multicast/).
 *
 * @module
 */
import type { GroupStatus } from "../../control/types.ts";
import { ask, type CommandRow, printing } from "../command.ts";
import { LIST_FLAGS } from "../looks.ts";
import { formatTable } from "../table.ts";

/** The table of `group list`. */
export function groupTable(groups: readonly GroupStatus[]): string {
  return formatTable(
    ["PORT", "VLAN", "GROUP", "LEFT"],
    groups.map(({ port, vlan, group, secondsLeft }) => [
      port,
      String(vlan),
      group ?? "all: router",
      `${secondsLeft}s`,
    ]),
  );
}

/** In the order help lists them. */
export const GROUP_COMMANDS: readonly CommandRow[] = [
  printing(
    {
      words: ["group", "list"],
      brief: "list who is in which group, as run --snooping on learns it",
      examples: ["vuswitch group list", "vuswitch group list -o json"],
      flags: LIST_FLAGS,
    },
    () => ({
      document: () => "groups",
      read: (flags) => ask<GroupStatus[]>(flags, "GET", "/v1/groups"),
      draw: groupTable,
    }),
  ),
];
