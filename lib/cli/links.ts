/**
 * The commands of direct links between two ports.
 *
 * @module
 */
import type { LinkStatus } from "../control/types.ts";
import { ask, type ClientFlags } from "./client.ts";
import { type View, view } from "./view.ts";
import { linkTable } from "./views.ts";

/** `link list`. */
export const linkList: View<ClientFlags, "links"> = view(
  "links",
  async (flags) => await ask(flags, "GET", "/v1/links") as LinkStatus[],
  linkTable,
);

/** `link add PORT PORT`. */
export const linkAdd: View<ClientFlags, "link"> = view(
  "link",
  async (flags, ...ports) => await ask(flags, "POST", "/v1/links", { ports }) as LinkStatus,
  ({ ports }) => `ports ${ports.join(" and ")} are linked\n`,
);

/** `link del PORT PORT`. */
export const linkDel: View<ClientFlags, "link-removed"> = view(
  "link-removed",
  async (flags, one = "", other = "") => {
    await ask(flags, "DELETE", `/v1/links/${[one, other].map(encodeURIComponent).join("/")}`);
    return { removed: [one, other] };
  },
  ({ removed }) => `ports ${removed.join(" and ")} are not linked any more\n`,
);
