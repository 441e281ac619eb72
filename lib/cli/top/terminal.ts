/**
 * A terminal that a program has for itself: another screen, keys as they are pressed, no cursor. It
 * gets back what it was on every way out: call {@linkcode Terminal.leave} on each; it may be called
 * again.
 *
 * @module
 */
import { type Key, KeyReader } from "./keys.ts";
import { type Line, type Looks, render } from "./spans.ts";

/** Another screen, no cursor, no line that wraps; and back. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/** What a program hears of its terminal. */
export interface TerminalUser {
  /** A key was pressed. */
  readonly pressed: (key: Key) => void;
  /** Its size is another, or its contents are gone. */
  readonly changed: () => void;
  /** Somebody wants the program to end, or the terminal is gone. */
  readonly ended: (signal: Deno.Signal | null) => void;
}

const ENDING: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** What stands between a program and a terminal that it can draw on; null: nothing does. */
export function whyNoTerminal(): string | null {
  if (!Deno.stdout.isTerminal()) return "stdout is no terminal";
  const name = Deno.env.get("TERM") ?? "";
  return name === "" || name === "dumb" ? `TERM=${name} has no screen to draw on` : null;
}

/** How a terminal can be drawn on, by the words of its environment (no-color.org; POSIX locales). */
export function looksOf(env: (name: string) => string | undefined): Looks {
  const locale = env("LC_ALL") || env("LC_CTYPE") || env("LANG") || "";
  return { colour: !env("NO_COLOR"), unicode: /utf-?8/i.test(locale) };
}

/** The terminal of this process. */
export class Terminal {
  readonly #user: TerminalUser;
  readonly #looks: Looks;
  readonly #listeners: (readonly [Deno.Signal, () => void])[];
  readonly #hasKeys = Deno.stdin.isTerminal();
  #entered = false;

  /** Nothing happens before {@linkcode enter}. */
  constructor(user: TerminalUser, looks: Looks) {
    this.#user = user;
    this.#looks = looks;
    this.#listeners = [
      ...ENDING.map((signal) => [signal, () => user.ended(signal)] as const),
      ["SIGWINCH", () => user.changed()],
      ["SIGCONT", () => this.#continued()],
    ];
  }

  /** Takes the terminal. */
  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    for (const listener of this.#listeners) Deno.addSignalListener(...listener);
    this.#take();
    if (this.#hasKeys) void this.#read();
  }

  #take(): void {
    if (this.#hasKeys) Deno.stdin.setRaw(true);
    this.#write(ENTER);
  }

  #give(): void {
    this.#write(LEAVE);
    try {
      if (this.#hasKeys) Deno.stdin.setRaw(false);
    } catch {
      // It is gone.
    }
  }

  /** Gives it back. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    for (const listener of this.#listeners) Deno.removeSignalListener(...listener);
    this.#give();
  }

  /** Stops all processes of this job, as Ctrl-Z does; returns when they go on. */
  suspend(): void {
    if (!this.#entered) return;
    this.#give();
    Deno.kill(0, "SIGTSTP");
  }

  /** Whoever stopped us may have left anything on the terminal. */
  #continued(): void {
    if (!this.#entered) return;
    this.#take();
    this.#user.changed();
  }

  async #read(): Promise<void> {
    const keys = new KeyReader();
    const bytes = new Uint8Array(1024);
    try {
      for (;;) {
        const got = await Deno.stdin.read(bytes);
        if (!this.#entered) return;
        if (got === null) break;
        for (const key of keys.take(bytes.subarray(0, got))) this.#user.pressed(key);
      }
    } catch {
      // It is gone.
    }
    if (this.#entered) this.#user.ended(null);
  }

  /** How large it is; one that does not say is as a printed page was. */
  get size(): { readonly columns: number; readonly rows: number } {
    try {
      const { columns, rows } = Deno.consoleSize();
      if (columns > 0 && rows > 0) return { columns, rows };
    } catch {
      // Said below.
    }
    return { columns: 80, rows: 24 };
  }

  /** Draws lines from the top, and nothing below them. */
  draw(lines: readonly Line[]): void {
    const { columns, rows } = this.size;
    const shown = lines.slice(0, rows).map((line) => render(line, columns, this.#looks));
    // Cleared first: behind a whole line the cursor stands on its last character. And no line break
    // in the last line: the screen would move.
    const below = shown.length < rows ? "\r\n\x1b[J" : "";
    this.#write(`\x1b[H${shown.map((text) => `\x1b[2K${text}`).join("\r\n")}${below}`);
  }

  /** Clears it first, whatever somebody else wrote there. */
  clear(): void {
    this.#write("\x1b[2J");
  }

  #write(text: string): void {
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    } catch {
      // It is gone: reading says so.
    }
  }
}
