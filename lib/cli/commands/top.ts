/**
 * The command `top`.
 *
 * @module
 */
import { CLIENT_FLAGS, type CommandRow, doing, type Flags, type FlagsOf } from "../command.ts";
import { SORT_NAMES } from "../top/state.ts";

/** Flags of `top`. */
export const TOP_FLAGS = {
  ...CLIENT_FLAGS,
  count: {
    brief: "print so many pages of text, or lines of JSON, and end: no terminal is needed",
    placeholder: "N",
    alias: "n",
  },
  seconds: { brief: "between two looks (1)", placeholder: "SECONDS", alias: "d" },
  sort: { brief: "what comes first", values: SORT_NAMES, otherwise: "frames" },
  filter: { brief: "ports with this in name, link or verdict alone", placeholder: "TEXT" },
} as const satisfies Flags;

/** What `top` gets of its flags. */
export type TopFlags = FlagsOf<typeof TOP_FLAGS>;

/** In the order help lists them. */
export const TOP_COMMANDS: readonly CommandRow[] = [
  doing({
    words: ["top"],
    brief: "watch it: rates, drops, top talkers, busy share, and what is wrong with which port",
    examples: [
      "vuswitch top",
      "vuswitch top --sort drops -d 5",
      "vuswitch top -n 1",
      "vuswitch top -j -n 3",
    ],
    flags: TOP_FLAGS,
  }, async () => (await import("../top/top.ts")).top),
];
