/**
 * What is wrong with a configuration, all of it, each with its place: a file is mended in one go.
 *
 * @module
 */
import { ControlError } from "../types.ts";

/** Where something stands in a file. */
export interface Place {
  /** Name of a table: `switch` of `[switch]`, `port` of `[[port]]`; null: the top level. */
  readonly table: string | null;
  /** Which of several tables of that name, from 0. */
  readonly index?: number;
  /** A key in it. */
  readonly key?: string;
}

/** The file that was read. */
export interface ConfigText {
  /** How lines name it: its path. */
  readonly name: string;
  /** All of it. */
  readonly text: string;
}

/** Something that is wrong. */
export interface Fault {
  /** Name of the file; null: it stands in none, such as a flag. */
  readonly file: string | null;
  /** From 1; null: not known. */
  readonly line: number | null;
  /** From 1; null: not known. */
  readonly column: number | null;
  /** One line: what it is, and the fix. */
  readonly text: string;
}

/** `FILE:LINE:COLUMN: TEXT`, as far as they are known. */
export function faultLine({ file, line, column, text }: Fault): string {
  if (file === null) return text;
  return [file, line, column, ""].filter((part) => part !== null).join(":") + ` ${text}`;
}

/** Of a table, or of one in it: `[port.storm]` is the port's. */
const HEADER = /^\s*\[\[?\s*"?([\w-]+)"?\s*([.\]])/;

/** Lines of a table, `first` being its header's; null: it is not written as one. */
function tableLines(
  lines: readonly string[],
  { table, index = 0 }: Place,
): { readonly first: number; readonly end: number } | null {
  let seen = -1;
  let first = -1;
  for (let line = 0; line < lines.length; line++) {
    const [, name, behind] = HEADER.exec(lines[line] ?? "") ?? [];
    if (name === undefined || (behind === "." && name === table)) continue;
    if (first >= 0) return { first, end: line };
    if (name === table && ++seen === index) first = line;
  }
  return first < 0 ? null : { first, end: lines.length };
}

function keyLine(lines: readonly string[], key: string, from: number, end: number): number {
  const written = new RegExp(
    `^\\s*"?${RegExp.escape?.(key) ?? key.replace(/\W/g, "\\$&")}"?\\s*[=.]`,
  );
  for (let line = from; line < end; line++) if (written.test(lines[line] ?? "")) return line;
  return -1;
}

/** The line of a place, from 1; null: it cannot be said. */
export function lineOf(text: string, place: Place): number | null {
  const lines = text.split(/\r?\n/);
  const at = place.table === null ? { first: 0, end: lines.length } : tableLines(lines, place);
  if (at === null) {
    const line = place.table === null ? -1 : keyLine(lines, place.table, 0, lines.length);
    return line < 0 ? null : line + 1;
  }
  const key = place.key === undefined ? -1 : keyLine(lines, place.key, at.first, at.end);
  if (key >= 0) return key + 1;
  if (place.table !== null) return at.first + 1;
  const header = lines.findIndex((line) => HEADER.exec(line)?.[1] === place.key);
  return header < 0 ? null : header + 1;
}

/** Collects what is wrong. */
export class Faults {
  /** In the order in which they were found. */
  readonly found: Fault[] = [];
  readonly #source: ConfigText | null;

  /** None so far. @param source where places are; null: nowhere, as for flags */
  constructor(source: ConfigText | null = null) {
    this.#source = source;
  }

  /** Keeps one. @param place where in the source it is; null: somewhere else */
  add(text: string, place: Place | null = null): void {
    const source = place === null ? null : this.#source;
    const line = source === null || place === null ? null : lineOf(source.text, place);
    this.found.push({ file: source?.name ?? null, line, column: null, text });
  }

  /** Keeps one whose line is known. */
  addAt(line: number, column: number, text: string): void {
    this.found.push({ file: this.#source?.name ?? null, line, column, text });
  }

  /** What `read` returns; undefined where it finds an operator's mistake, which is kept. */
  take<T>(place: Place | null, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const hint = error.hint === null ? "" : ` (${error.hint})`;
      this.add(`${error.message}${hint}`, place);
      return undefined;
    }
  }

  /** Goes on where there is none. @throws {ControlError} the first one */
  throwFirst(): void {
    const [first] = this.found;
    if (first === undefined) return;
    const more = this.found.length - 1;
    const hint = more === 0 ? null : `${more} more: vuswitch config check`;
    throw new ControlError("invalid", faultLine(first), hint);
  }
}
