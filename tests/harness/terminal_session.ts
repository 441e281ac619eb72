/**
 * A program at a terminal of its own: a pseudo-terminal of the kernel's, and at its other end what
 * xterm makes of the program's output (`@xterm/headless`). Keys are typed, sizes change, and what
 * stands on the screen is read.
 *
 * @module
 */
import xterm from "@xterm/headless";
import { until } from "./until.ts";

/** How large a terminal is. */
export interface TerminalSize {
  /** Characters of a line. */
  readonly columns: number;
  /** Lines. */
  readonly rows: number;
}

/** A shell at a terminal, as a rule with one program in it. */
export class TerminalSession implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #screen: InstanceType<typeof xterm.Terminal>;
  readonly #reading: Promise<void>;
  #output = "";
  #ended = false;

  private constructor(child: Deno.ChildProcess, { columns, rows }: TerminalSize) {
    this.#child = child;
    this.#keys = child.stdin.getWriter();
    this.#screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    this.#reading = this.#read();
  }

  /**
   * Runs a command of a POSIX shell at a terminal of this size. Its first line of output is the path
   * of the terminal.
   */
  static async start(
    command: string,
    size: TerminalSize,
    env: Readonly<Record<string, string>> = {},
  ): Promise<TerminalSession> {
    const { columns, rows } = size;
    const child = new Deno.Command("script", {
      args: ["-qfec", `tty; stty cols ${columns} rows ${rows}; ${command}`, "/dev/null"],
      env: { TERM: "xterm-256color", LC_ALL: "C.UTF-8", ...env },
      ...{ stdin: "piped", stdout: "piped", stderr: "null" },
    }).spawn();
    const session = new TerminalSession(child, size);
    await until("a terminal", () => /\/dev\/pts\/\d+\r\n/.test(session.#output));
    return session;
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      await new Promise<void>((resolve) => this.#screen.write(text, resolve));
    }
    this.#ended = true;
  }

  /** All that came so far, as it came. */
  get output(): string {
    return this.#output;
  }

  /** Whether nothing is left of the shell. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Lines of the screen, from the top, without blanks at their ends. */
  get lines(): string[] {
    const { cols, rows, buffer: { active } } = this.#screen;
    return Array.from({ length: rows }, (_, i) => {
      const line = active.getLine(active.baseY + i);
      return line?.translateToString(true, 0, cols).trimEnd() ?? "";
    });
  }

  /** The same as one text. */
  get text(): string {
    return this.lines.join("\n");
  }

  /** Whether a program has the other screen. */
  get isTaken(): boolean {
    return this.#screen.buffer.active.type === "alternate";
  }

  /** Whether long lines go on below, as they do for shells. */
  get wraps(): boolean {
    return this.#screen.modes.wraparoundMode;
  }

  /** Whether the cursor can be seen, by who said so last. */
  get hasCursor(): boolean {
    return this.#output.lastIndexOf("\x1b[?25h") >= this.#output.lastIndexOf("\x1b[?25l");
  }

  /** Presses keys. */
  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Gives the terminal another size. */
  async resize({ columns, rows }: TerminalSize): Promise<void> {
    this.#screen.resize(columns, rows);
    const [, tty = ""] = /(\/dev\/pts\/\d+)/.exec(this.#output) ?? [];
    const args = ["-F", tty, "cols", String(columns), "rows", String(rows)];
    await new Deno.Command("stty", { args }).output();
  }

  /** Waits until the screen has something, and shows the screen if it never does. */
  async until(pattern: RegExp): Promise<void> {
    try {
      await until(`${pattern} on the screen`, () => pattern.test(this.text));
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${this.text}`);
    }
  }

  /** Waits for the end of the shell. @returns its exit code */
  async end(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended before.
    }
    await this.#child.status;
    await this.#keys.close().catch(() => {});
    await this.#reading.catch(() => {});
    this.#screen.dispose();
  }
}
