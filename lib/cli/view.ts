/**
 * Commands that print: what they read is JSON with a schema, and a table is drawn from that JSON
 * alone. What a table prints, `-o json` has.
 *
 * @module
 */
import type { DocumentName, DocumentOf } from "../control/schema/mod.ts";

/** Which way to print. */
export interface OutputFlags {
  readonly output: "table" | "json";
}

/** A command that prints `Name`. */
export interface View<Flags, Name extends DocumentName> {
  /** What it prints, by the words behind it. */
  readonly document: (...words: string[]) => Name;
  readonly read: (
    flags: Flags,
    ...words: string[]
  ) => DocumentOf<Name> | Promise<DocumentOf<Name>>;
  readonly draw: (value: DocumentOf<Name>) => string;
}

/** A command that prints whatever. */
export interface AnyView {
  readonly document: (...words: string[]) => DocumentName;
  readonly read: (flags: never, ...words: string[]) => unknown;
  readonly draw: (value: never) => string;
}

/** A command that always prints the same document. */
export function view<Flags, Name extends DocumentName>(
  document: Name,
  read: View<Flags, Name>["read"],
  draw: View<Flags, Name>["draw"],
): View<Flags, Name> {
  return { document: () => document, read, draw };
}

/** Does what a command says, and prints. */
export async function showView(
  { read, draw }: AnyView,
  flags: OutputFlags,
  print: (text: string) => void,
  ...words: string[]
): Promise<void> {
  const value = await read(flags as never, ...words);
  if (flags.output === "json") print(`${JSON.stringify(value, null, 2)}\n`);
  else print(draw(value as never));
}
