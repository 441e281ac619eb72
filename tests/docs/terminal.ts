/**
 * A terminal in which a command of a page runs on while others go on.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { firstMissing, type Step } from "./fences.ts";

/** Generous: guests boot by emulation, perhaps on a busy machine. */
const WAIT_MS_MAX = 240_000;
/** What moves a cursor or gives colour. */
// deno-lint-ignore no-control-regex
const ESCAPE = /\x1b(\[[\d;?]*[A-Za-z]|c)/g;
/** Ctrl-a c: between the guest's console and QEMU's monitor, with -nographic. */
const MONITOR = "\x01c";

/** A running command; it ends with the page. */
export class Terminal {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #output = "";
  #ended = false;

  /** Runs the script `file` with bash in `folder`, on a terminal as far as it can see. */
  constructor(file: string, folder: string, env: Record<string, string>) {
    this.#process = new Deno.Command("script", {
      args: ["--quiet", "--flush", "--return", "--command", `bash ${file}`, "/dev/null"],
      cwd: folder,
      env,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#collect();
  }

  async #collect(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output = (this.#output + text).replace(ESCAPE, "");
    }
    this.#ended = true;
  }

  /** Waits until `check` holds of what was printed from `from` on. */
  async #until(what: string, from: number, check: (output: string) => boolean): Promise<void> {
    const end = Date.now() + WAIT_MS_MAX;
    while (!check(this.#output.slice(from))) {
      if (this.#ended || Date.now() > end) {
        const why = this.#ended ? "ended without saying" : "does not say";
        throw new Error(`it ${why} "${what}":\n${this.#output.slice(from).slice(-4000)}`);
      }
      await delay(50);
    }
  }

  /** Waits until it has said `words`. */
  said(words: string): Promise<void> {
    return this.#until(words, 0, (output) => output.includes(words));
  }

  /** Types one command of a transcript and waits for what it shall print. */
  async type({ prompt, command, expected }: Step): Promise<void> {
    const monitor = prompt === "(qemu) ";
    const from = this.#output.length;
    await this.#write(`${monitor ? MONITOR : ""}${command}\n`);
    for (let i = 1; i <= expected.length; i++) {
      const lines = expected.slice(0, i);
      await this.#until(
        lines.at(-1) ?? "",
        from,
        (out) => firstMissing(lines, whole(out)) === null,
      );
    }
    if (monitor) await this.#write(MONITOR);
  }

  async #write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }
}

/** Whole lines: the last one may still grow. */
function whole(output: string): string {
  return output.slice(0, output.lastIndexOf("\n") + 1);
}
