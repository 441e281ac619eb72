/**
 * Commands that print: what they read is JSON with a schema, and a table is drawn from that JSON
 * alone. What a table prints, `-o json` has.
 *
 * @module
 */
import { mayPaint, painted } from "./paint.ts";
import { type Pace, type PaceFlags, paceOf, screenText } from "./pace.ts";
import { plainText } from "../base/plain_text.ts";
import type { DocumentName, DocumentOf } from "../control/schema/mod.ts";

/** Which way to print. */
export interface OutputFlags extends PaceFlags {
  /** A table for people, or the JSON that it is drawn from. */
  readonly output: "table" | "json";
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
  /** What is printed of two looks, where something has a rate. */
  readonly between?: (
    first: DocumentOf<Name>,
    last: DocumentOf<Name>,
    seconds: number,
  ) => DocumentOf<Name>;
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
  readonly between?: (first: never, last: never, seconds: number) => unknown;
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

/** What was read, and when by a clock that only goes forward, ms. */
interface Look {
  readonly value: unknown;
  readonly atMs: number;
}

function textOf(
  value: unknown,
  { draw }: AnyView,
  output: OutputFlags["output"],
  pace: Pace | null,
): string {
  if (output === "json") return `${JSON.stringify(value, null, pace?.again ? 0 : 2)}\n`;
  return draw(plain(value) as never);
}

/** A table as it is printed. */
function shown(table: string): string {
  return mayPaint() ? painted(table) : table;
}

/** A table that comes again: on a terminal a screen of its own, elsewhere below the last one. */
function nextTable(text: string, pace: Pace, round: number): string {
  if (!Deno.stdout.isTerminal()) return (round > 0 ? "\n" : "") + text;
  return CLEAR + screenText(text, pace, new Date().toISOString(), Deno.consoleSize());
}

/** Does what a command says, and prints. Watched, JSON is a document a line. */
export async function showView(
  view: AnyView,
  flags: OutputFlags,
  print: (text: string) => unknown,
  ...words: string[]
): Promise<void> {
  const { read, between } = view;
  const pace = paceOf(flags);
  const look = async (): Promise<Look> => {
    const value = await read(flags as never, ...words);
    return { value, atMs: performance.now() };
  };
  const wait = async (ms: number): Promise<void> =>
    await (await import("@std/async/delay")).delay(ms);
  let before = pace !== null && between !== undefined ? await look() : null;
  if (pace !== null && before !== null) await wait(pace.firstMs);
  for (let round = 0;; round++) {
    const last = await look();
    let { value } = last;
    if (before !== null && between !== undefined) {
      const seconds = Math.max(1, Math.round(last.atMs - before.atMs)) / 1000;
      value = between(before.value as never, last.value as never, seconds);
      before = last;
    }
    const text = textOf(value, view, flags.output, pace);
    const again = pace?.again === true;
    const isTable = again && flags.output === "table";
    const next = isTable ? nextTable(text, pace, round) : text;
    if (print(flags.output === "json" ? next : shown(next)) === false || !again) return;
    await wait(pace.ms);
  }
}
