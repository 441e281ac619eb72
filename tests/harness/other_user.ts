/**
 * Running vuswitch as a user that nobody is.
 *
 * @module
 */
import { PEERS_REQUIRED } from "./peers.ts";
import { type CommandResult, vuswitchWords } from "./switch_process.ts";
import { TempFolder } from "./temp.ts";
import { until } from "./until.ts";

/** A user without a name, a home or a process. */
export const OTHER_UID = 61_788;

/**
 * Whether this process may act for another user; says so loudly if not.
 * @throws where nothing may be skipped
 */
export function canBeOther(): boolean {
  if (Deno.uid() === 0) return true;
  if (PEERS_REQUIRED) throw new Error("Another user is required here, and this is not root");
  console.log("    SKIPPED: this needs root, to act for another user");
  return false;
}

/** That user, for as long as its scope. */
export class OtherUser implements Disposable {
  /** A cache of packages of its own: the runtime asks for more than to read it. */
  readonly #cache = new TempFolder();

  constructor() {
    const cache = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
    new Deno.Command("cp", { args: ["-r", `${cache}/npm`, this.#cache.path] }).outputSync();
    new Deno.Command("chown", { args: ["-R", `${OTHER_UID}:${OTHER_UID}`, this.#cache.path] })
      .outputSync();
  }

  /**
   * vuswitch as that user, who may read what root may, for the runtime is in root's home.
   * @param before words that run it, such as those of a namespace
   */
  command(
    args: readonly string[],
    env: Record<string, string> = {},
    before: readonly string[] = [],
  ): Deno.Command {
    const cap = "+dac_read_search";
    const id = String(OTHER_UID);
    const become = ["--reuid", id, "--regid", id, "--clear-groups", "--inh-caps", cap];
    const PATH = Deno.env.get("PATH") ?? "";
    const [program = "", ...words] = [...before, "setpriv", ...become];
    return new Deno.Command(program, {
      args: [...words, "--ambient-caps", cap, ...vuswitchWords(), ...args],
      clearEnv: true,
      cwd: "/",
      env: { PATH, DENO_DIR: this.#cache.path, VSW_TIMEOUT: "60", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** The same to its end. */
  async output(args: readonly string[], env?: Record<string, string>): Promise<CommandResult> {
    const { code, stdout, stderr } = await this.command(args, env).output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Starts `run` and waits for its ready line. */
  async start(
    args: readonly string[],
    env?: Record<string, string>,
    before?: readonly string[],
  ): Promise<OtherSwitch> {
    const running = new OtherSwitch(this.command(["run", ...args], env, before).spawn());
    await until("the ready line", () => running.ended || /^ready /m.test(running.output));
    if (running.ended) throw new Error(`The switch did not start: ${running.log}`);
    return running;
  }

  [Symbol.dispose](): void {
    this.#cache[Symbol.dispose]();
  }
}

/** A switch of that user's. */
export class OtherSwitch implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>[];
  ended = false;
  log = "";
  output = "";

  constructor(process: Deno.ChildProcess) {
    this.#process = process;
    process.status.then(() => this.ended = true);
    const collect = async (
      stream: ReadableStream<Uint8Array>,
      add: (text: string) => void,
    ): Promise<void> => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
    };
    this.#reading = [
      collect(process.stdout, (text) => this.output += text),
      collect(process.stderr, (text) => this.log += text),
    ];
  }

  /** Ends it. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    try {
      this.#process.kill(signal);
    } catch {
      // It ended before.
    }
    await this.#process.status;
    await Promise.all(this.#reading);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
