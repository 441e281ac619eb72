/**
 * The commands of direct links between two ports.
 *
 * @module
 */
import type { LinkStatus } from "../../control/types.ts";
import { ask, asking, type CommandRow, OTHER_PORT, PORT } from "../command.ts";
import { listing } from "../looks.ts";
import { formatTable } from "../table.ts";

/** The table of `link list`. */
export function linkTable(links: readonly LinkStatus[]): string {
  return formatTable(
    ["PORT", "PORT", "STATE", "FROM"],
    links.map(({ ports, state, configured }) => [
      ...ports,
      state,
      configured ? "configuration" : "command",
    ]),
  );
}

/** In the order help lists them. */
export const LINK_COMMANDS: readonly CommandRow[] = [
  listing(
    {
      words: ["link", "list"],
      brief: "list the links",
      examples: ["vuswitch link list", "vuswitch link list --watch"],
    },
    "links",
    (flags) => ask(flags, "GET", "/v1/links"),
    linkTable,
  ),
  asking(
    {
      words: ["link", "add"],
      brief: "link two ports: every frame of one goes to the other and nowhere else",
      arguments: [PORT, OTHER_PORT],
      examples: ["vuswitch link add vm1 vm2"],
    },
    "link",
    (flags, ...ports) => ask(flags, "POST", "/v1/links", { ports }),
    ({ ports, state }) =>
      `ports ${ports.join(" and ")} are linked${
        state === "waiting" ? " as soon as both are there" : ""
      }\n`,
  ),
  asking(
    {
      words: ["link", "del"],
      brief: "end a link: both ports switch again",
      arguments: [PORT, OTHER_PORT],
      examples: ["vuswitch link del vm1 vm2"],
    },
    "link-removed",
    async (flags, one = "", other = "") => {
      await ask(flags, "DELETE", `/v1/links/${[one, other].map(encodeURIComponent).join("/")}`);
      return { removed: [one, other] };
    },
    ({ removed }) => `ports ${removed.join(" and ")} are not linked any more\n`,
  ),
];
