/**
 * A switch in a process of its own, started as a user would, and read through its control socket as
 * its commands read it, which would take a process each.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { callSwitch } from "../../lib/cli/client.ts";
import type { FdbStatus, PortStatus, SwitchStatus, VringStatus } from "../../lib/control/types.ts";
import { WAIT_MS_MAX } from "./until.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** The machine's speed decides no test: commands wait for a switch as long as it takes, ms. */
const PATIENCE_MS = 60_000;

/** What a finished command said. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Command words that run vuswitch: the single binary of $VUSWITCH_BINARY, or from source. */
export function vuswitchWords(): string[] {
  const binary = Deno.env.get("VUSWITCH_BINARY");
  return binary ? [binary] : [Deno.execPath(), "run", "-A", MAIN];
}

/** Runs one command to its end. */
export async function vuswitch(...args: string[]): Promise<CommandResult> {
  const [program = "", ...words] = vuswitchWords();
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...words, ...args],
    stdin: "null",
    env: { VSW_TIMEOUT: `${PATIENCE_MS / 1000}` },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A running switch; its log is kept. Stop it, or leave its `await using` scope. */
export class SwitchProcess implements AsyncDisposable {
  readonly ctl: string;
  readonly #process: Deno.ChildProcess;
  #log = "";
  #output = "";
  readonly #reading: Promise<void>[];

  private constructor(process: Deno.ChildProcess, ctl: string) {
    this.#process = process;
    this.ctl = ctl;
    this.#reading = [
      this.#collect(process.stdout, (text) => this.#output += text),
      this.#collect(process.stderr, (text) => this.#log += text),
    ];
  }

  /**
   * Starts `vuswitch run` and waits for its ready line.
   * @param folder for its control socket @param args further words, such as `-p`, `vm1=…`
   */
  static async start(
    folder: string,
    args: readonly string[],
    words: readonly string[] = vuswitchWords(),
  ): Promise<SwitchProcess> {
    const ctl = `${folder}/ctl.sock`;
    const [program = "", ...rest] = words;
    const process = new Deno.Command(program, {
      args: [...rest, "run", "--ctl", ctl, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const running = new SwitchProcess(process, ctl);
    const end = Date.now() + WAIT_MS_MAX;
    while (!/^ready /m.test(running.#output)) {
      const ended = await Promise.race([
        process.status.then(() => true),
        delay(10).then(() => false),
      ]);
      if (ended || Date.now() > end) throw new Error(`The switch did not start: ${running.#log}`);
    }
    return running;
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it logged so far. */
  get log(): string {
    return this.#log;
  }

  /** What it printed so far. */
  get output(): string {
    return this.#output;
  }

  async #get<T>(path: string): Promise<T> {
    return await callSwitch(this.ctl, "GET", `/v1/${path}`, null, PATIENCE_MS) as T;
  }

  /** As `stats -o json`. */
  status(): Promise<SwitchStatus> {
    return this.#get("switch");
  }

  /** As `port show NAME -o json`. */
  port(name: string): Promise<PortStatus> {
    return this.#get(`ports/${encodeURIComponent(name)}`);
  }

  /** As `vring show NAME -o json`. */
  vrings(name: string): Promise<VringStatus[]> {
    return this.#get(`ports/${encodeURIComponent(name)}/vrings`);
  }

  /** As `fdb show -o json`. */
  fdb(): Promise<FdbStatus[]> {
    return this.#get("fdb");
  }

  /** Ends the switch. @returns its exit code */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    try {
      this.#process.kill(signal);
    } catch {
      // It ended before.
    }
    const { code } = await this.#process.status;
    await Promise.all(this.#reading);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** User and system time a process has used, seconds. */
export function cpuSeconds(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
