/**
 * Commands that print: what they read is JSON with a schema, and a table is drawn from that JSON
 * alone. What a table prints, `-o json` has.
 *
 * @module
 */
import { plainText } from "../base/plain_text.ts";
import type { DocumentName, DocumentOf } from "../control/schema/mod.ts";

/** Which way to print. */
export interface OutputFlags {
  /** A table for people, or the JSON that it is drawn from. */
  readonly output: "table" | "json";
  /** Again and again, until nobody reads any more. */
  readonly watch?: boolean;
}

/** In front of each table on a terminal: to its top left corner, and everything cleared. */
const CLEAR = "\x1b[H\x1b[2J";

/** A command that prints `Name`. */
export interface View<Flags, Name extends DocumentName> {
  /** What it prints, by its flags and the words behind it. */
  readonly document: (flags: Flags, ...words: string[]) => Name;
  /** Reads what is printed, from a switch as a rule. */
  readonly read: (
    flags: Flags,
    ...words: string[]
  ) => DocumentOf<Name> | Promise<DocumentOf<Name>>;
  /** The table; control characters are gone from all texts of `value`. */
  readonly draw: (value: DocumentOf<Name>) => string;
}

/** Any {@linkcode View}: which document goes with which flags is forgotten. */
export interface AnyView {
  /** As in {@linkcode View}. */
  readonly document: (flags: never, ...words: string[]) => DocumentName;
  /** As in {@linkcode View}. */
  readonly read: (flags: never, ...words: string[]) => unknown;
  /** As in {@linkcode View}. */
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

/**
 * For tables: processes choose their own names, which stand in many texts, control characters and
 * all.
 */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value),
    (_, each) => typeof each === "string" ? plainText(each) : each,
  );
}

/** Does what a command says, and prints. Watched, JSON is a document a line. */
export async function showView(
  { read, draw }: AnyView,
  flags: OutputFlags,
  print: (text: string) => unknown,
  ...words: string[]
): Promise<void> {
  const { output, watch = false } = flags;
  for (let round = 0;; round++) {
    const value = await read(flags as never, ...words);
    let text: string;
    if (output === "json") text = `${JSON.stringify(value, null, watch ? 0 : 2)}\n`;
    else text = draw(plain(value) as never);
    if (watch && output === "table") {
      text = (Deno.stdout.isTerminal() ? CLEAR : round > 0 ? "\n" : "") + text;
    }
    if (print(text) === false || !watch) return;
  }
}
