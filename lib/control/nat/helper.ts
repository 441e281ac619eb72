/**
 * A program that works for guests beside the switch: started, started again when it ends, at a
 * bounded pace, and ended with the switch.
 *
 * @module
 */
import { delay } from "@std/async/delay";
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
      this.#watch(child);
    } catch (error) {
      this.#ended(error instanceof Error ? error.message : String(error));
    }
  }

  async #watch(child: Deno.ChildProcess): Promise<void> {
    const words = lastWords(child.stderr);
    const { code, signal } = await child.status;
    // A child of its own may hold its standard error open for longer.
    const said = await Promise.race([words, delay(WORDS_MS_MAX).then(() => "")]);
    if (this.#child !== child) return;
    this.#child = null;
    this.#ended(`${signal ?? `exit ${code}`}${said}`);
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
    if (child === null) return;
    child.stdin.close().catch(() => {});
    endPrograms(this.#options.folder);
  }
}

/** The last line that a program printed, behind a colon, or nothing. */
async function lastWords(stream: ReadableStream<Uint8Array>): Promise<string> {
  let kept = "";
  try {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      kept = (kept + text).slice(-WORDS_MAX);
    }
  } catch {
    // What came so far has to do.
  }
  const line = kept.trim().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `: ${line}`;
}
