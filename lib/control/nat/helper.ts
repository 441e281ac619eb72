/**
 * A program that works for guests beside the switch: started, started again when it ends, at a
 * bounded pace, and ended with the switch.
 *
 * @module
 */
import { endPrograms } from "./runtime_folder.ts";

/** Pause before it is started again, ms; each further one doubles it. */
const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 10_000;
/** Of its words, the end is kept. */
const WORDS_MAX = 300;
/** How long they are waited for once it has ended, ms. */
const WORDS_MS_MAX = 100;

/** What is started, and who is told. */
export interface HelperOptions {
  /** Path of the program. */
  readonly path: string;
  /** Its words. One of them is a path in `folder`: by that it is found again. */
  readonly args: readonly string[];
  /** See {@linkcode endPrograms}. */
  readonly folder: string;
  /** Called before each start. */
  readonly prepare?: () => void;
  /** It ended by itself and is started again now. @param why one line */
  readonly restarted: (why: string) => void;
}

/** One program. Control thread only. */
export class Helper {
  readonly #options: HelperOptions;
  #child: Deno.ChildProcess | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = PAUSE_MS_MIN;
  #startedAt = 0;
  #isWanted = false;
  /** Settled once no process is looked after any more. */
  #watching: Promise<unknown> = Promise.resolve();
  /** How often it was started. */
  starts = 0;
  /** Why it does not run, or null: it does. */
  problem: string | null = null;

  /** Nothing is started before {@linkcode start}. */
  constructor(options: HelperOptions) {
    this.#options = options;
  }

  /** Its name. */
  get name(): string {
    const { path } = this.#options;
    return path.slice(path.lastIndexOf("/") + 1);
  }

  /** Its process, or null: it does not run now. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts it. */
  start(): void {
    this.#isWanted = true;
    this.#spawn();
  }

  #spawn(): void {
    const { path, args, prepare } = this.#options;
    // What it left of itself, if it had children.
    if (this.starts++ > 0) endPrograms(this.#options.folder);
    this.#startedAt = performance.now();
    try {
      prepare?.();
      // Its input ends with this process, which slirp4netns takes for a sign to end.
      const child = new Deno.Command(path, {
        args: [...args],
        ...{ stdin: "piped", stdout: "null", stderr: "piped" },
        cwd: "/",
        env: { LC_ALL: "C" },
      }).spawn();
      this.#child = child;
      this.problem = null;
      this.#watching = Promise.all([this.#watching, this.#watch(child)]);
    } catch (error) {
      this.#ended(error instanceof Error ? error.message : String(error));
    }
  }

  async #watch(child: Deno.ChildProcess): Promise<void> {
    const words = new LastWords(child.stderr);
    const { code, signal } = await child.status;
    const said = await words.end();
    await child.stdin.close().catch(() => {});
    if (this.#child !== child) return;
    this.#child = null;
    this.#ended(`${signal ?? `exit ${code}`}${said === "" ? "" : `: ${said}`}`);
  }

  #ended(how: string): void {
    if (!this.#isWanted) return;
    if (performance.now() - this.#startedAt >= PAUSE_MS_MAX) this.#pauseMs = PAUSE_MS_MIN;
    this.problem = `${this.name} ended (${how})`;
    const why = this.problem;
    clearTimeout(this.#timer);
    // Said late: an interrupt of the terminal ends it and this process in the same moment.
    this.#timer = setTimeout(() => {
      this.#options.restarted(why);
      this.#spawn();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS_MAX);
  }

  /** Has it start anew, if it is not about to end by itself. */
  restart(): void {
    const child = this.#child;
    if (child === null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#child !== child) return;
      this.stop();
      this.#isWanted = true;
      this.#spawn();
    }, PAUSE_MS_MIN);
  }

  /** Ends it. It is no more when this returns. */
  stop(): void {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    const child = this.#child;
    this.#child = null;
    if (child !== null) endPrograms(this.#options.folder);
  }

  /** Waits until nothing is held of what was stopped. */
  async idle(): Promise<void> {
    await this.#watching;
  }
}

/** The last line that a program printed. */
class LastWords {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #reading: Promise<void>;
  #kept = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.#kept = (this.#kept + value).slice(-WORDS_MAX);
    }
  }

  /** It has ended, but a child of its own may hold its standard error open for longer. */
  async end(): Promise<string> {
    const timer = setTimeout(() => this.#reader.cancel().catch(() => {}), WORDS_MS_MAX);
    // What came so far has to do if the rest cannot be read.
    await this.#reading.catch(() => {});
    clearTimeout(timer);
    return this.#kept.trim().split("\n").at(-1)?.trim() ?? "";
  }
}
