/**
 * The link of the web page (lib/page/).
 *
 * @module
 */
import { ask, asking, type CommandRow } from "../command.ts";

/** In the order help lists them. */
export const PAGE_COMMANDS: readonly CommandRow[] = [
  asking(
    {
      words: ["page"],
      brief: "print the link of the switch's web page, which run --page serves",
      examples: ["vuswitch page", 'xdg-open "$(vuswitch page)"'],
    },
    "page",
    (flags) => ask(flags, "GET", "/v1/page"),
    ({ url }) => `${url}\n`,
  ),
];
