/**
 * Keys of a terminal in raw mode: bytes to names. Sequences are those of ECMA-48 and xterm that
 * every terminal of today sends for these keys.
 *
 * @module
 */

/** A key by its name, or a printable character. */
export type Key = string;

const SEQUENCES: Readonly<Record<string, Key>> = {
  "[A": "up",
  "[B": "down",
  "[C": "right",
  "[D": "left",
  "OA": "up",
  "OB": "down",
  "OC": "right",
  "OD": "left",
  "[H": "home",
  "[F": "end",
  "OH": "home",
  "OF": "end",
  "[1~": "home",
  "[4~": "end",
  "[7~": "home",
  "[8~": "end",
  "[5~": "page-up",
  "[6~": "page-down",
};

const CONTROLS: Readonly<Record<string, Key>> = {
  "\x03": "ctrl-c",
  "\x04": "ctrl-c",
  "\x0c": "ctrl-l",
  "\x1a": "ctrl-z",
  "\x1c": "ctrl-c",
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\x7f": "backspace",
  "\b": "backspace",
};

/** A sequence that may go on in the next bytes. */
// deno-lint-ignore no-control-regex -- it begins with the escape character
const UNFINISHED = /\x1b(?:\[[\d;?<]*|O)$/;
/** Longer ones are none. */
const UNFINISHED_MAX = 32;

/** Tells keys apart. */
export class KeyReader {
  #pending = "";
  readonly #decoder = new TextDecoder();

  /** More bytes of the terminal. @returns the keys that are whole by now; others are left out */
  take(bytes: Uint8Array): Key[] {
    let text = this.#pending + this.#decoder.decode(bytes, { stream: true });
    this.#pending = UNFINISHED.exec(text)?.[0] ?? "";
    if (this.#pending.length > UNFINISHED_MAX) this.#pending = "";
    text = text.slice(0, text.length - this.#pending.length);
    // deno-lint-ignore no-control-regex -- as above
    const parts = text.matchAll(/\x1b(?:(\[[\d;?<]*[@-~]|O[@-~])|)|[^\x1b]/gu);
    return Array.from(parts, ([part, sequence]) => {
      if (sequence !== undefined) return SEQUENCES[sequence] ?? "";
      if (part === "\x1b") return "escape";
      return CONTROLS[part] ?? (/^\p{Cc}$/u.test(part) ? "" : part);
    }).filter((key) => key !== "");
  }
}
