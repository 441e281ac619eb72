/**
 * Flags of commands that can look more than once, and the commands that list. How looking is done is
 * view.ts's and pace.ts's.
 *
 * @module
 */
import {
  type About,
  CLIENT_FLAGS,
  type CommandRow,
  type Flags,
  type FlagsOf,
  printing,
} from "./command.ts";
import type { DocumentName } from "../control/schema/mod.ts";
import type { View } from "./view.ts";

/** Flags of commands that list: they can do it again and again. */
export const LIST_FLAGS = {
  ...CLIENT_FLAGS,
  watch: {
    brief: "the same again every so many seconds (1), with rates; with -j a document a line",
    placeholder: "[SECONDS]",
    bare: "1",
  },
} as const satisfies Flags;

/** What such a command gets of them. */
export type ListFlags = FlagsOf<typeof LIST_FLAGS>;

/** Flags of commands with something that grows: they can look twice, to see how fast. */
export const LOOK_FLAGS = {
  ...LIST_FLAGS,
  rate: { brief: "look twice and print growth per second as well", yes: true },
  seconds: { brief: "look twice, this far apart (1)", placeholder: "SECONDS" },
} as const satisfies Flags;

/** What such a command gets of them. */
export type LookFlags = FlagsOf<typeof LOOK_FLAGS>;

/** A command that asks a switch for a list in which nothing has a rate. */
export function listing<Name extends DocumentName>(
  about: Omit<About<typeof LIST_FLAGS>, "flags">,
  document: Name,
  read: View<ListFlags, Name>["read"],
  draw: View<ListFlags, Name>["draw"],
): CommandRow {
  return printing(
    { ...about, flags: LIST_FLAGS },
    () => ({ document: () => document, read, draw }),
  );
}
