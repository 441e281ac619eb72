/**
 * The processes that run tests without one validation (`runner.ts`): started anew when one has
 * ended, does not answer, or was left in disorder.
 *
 * @module
 */
import type { Answer, Order } from "./runner.ts";

/** A test may take this much longer than it did, and as long whatever it took; both much. */
const PATIENCE = { times: 30, ms: 60_000 };
/** A loop may be gone through this much more often than it was, and as often whatever it was. */
const STEPS = { times: 10, more: 2_000_000 };

/** A test. */
export interface Named {
  /** Relative to the project. */
  readonly file: string;
  readonly name: string;
}

/** What is known of a test. */
export interface Known extends Named {
  readonly ms: number;
  readonly steps: number;
  readonly hits: ReadonlySet<number>;
}

/** What came of a validation's absence. */
export interface Verdict {
  /** The test that failed, by number, or null. */
  readonly by: number | null;
  /** Why, in a few words. */
  readonly failure: string;
}

/** One process, with the tests of some files. */
export class Crew {
  readonly #folder: string;
  readonly #files: readonly string[];
  readonly #points: number;
  readonly #casesMs: number;
  #child: Deno.ChildProcess | null = null;
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #answers: ReadableStreamDefaultReader<string> | null = null;
  #text = "";
  #running = -1;

  /**
   * @param folder the copy of the code @param files of tests, in it
   * @param casesMs so much time random cases may take, 0: all of them are tried
   */
  constructor(folder: string, files: readonly string[], points: number, casesMs = 0) {
    this.#folder = folder;
    this.#files = files;
    this.#points = points;
    this.#casesMs = casesMs;
  }

  /** Starts the process. @returns the tests, as they are numbered */
  async start(): Promise<readonly Named[]> {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--v8-flags=--expose-gc",
        `${this.#folder}/tests/mutate/runner.ts`,
      ],
      cwd: this.#folder,
      ...{ stdin: "piped", stdout: "piped", stderr: "null" },
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#answers = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#text = "";
    const order: Order = {
      do: "load",
      files: this.#files,
      points: this.#points,
      casesMs: this.#casesMs,
    };
    const answer = await this.#ask(order, 10 * PATIENCE.ms);
    if (answer?.is !== "loaded") throw new Error(`Tests do not load: ${this.#files.join(" ")}`);
    return answer.tests;
  }

  /** Ends the process. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
    await this.#answers?.cancel();
    await this.#writer?.abort().catch(() => {});
  }

  /**
   * Runs a test with all validations. @param most passes of validations and loops, or null
   * @returns null: it takes more than that @throws if it fails
   */
  async base(test: number, { file, name }: Named, most: number | null): Promise<Known | null> {
    const answer = await this.#ask({ do: "base", test, most }, 10 * PATIENCE.ms);
    if (answer?.is === "based" && most !== null && answer.steps > most) return null;
    if (answer?.is !== "based" || answer.failure !== null) {
      const why = answer?.is === "based" ? answer.failure : "it does not end";
      throw new Error(`${file}: ${name} fails with all validations: ${why}`);
    }
    const { ms, steps, hits } = answer;
    return { file, name, ms, steps, hits: new Set(hits) };
  }

  /** Takes a validation away and runs these tests, until one fails. */
  async try(point: number, order: readonly number[], known: readonly Known[]): Promise<Verdict> {
    for (const again of [false, true]) {
      if (this.#child === null) await this.start();
      const steps = order.map((test) => {
        return (known[test]?.steps ?? 0) * STEPS.times + STEPS.more;
      });
      const slowest = Math.max(0, ...order.map((test) => known[test]?.ms ?? 0));
      const ms = PATIENCE.ms + PATIENCE.times * slowest;
      this.#running = order[0] ?? -1;
      const answer = await this.#ask({ do: "try", point, tests: order, steps }, ms);
      if (answer?.is !== "tried") {
        await this.end();
        return { by: this.#running, failure: "its process ended, or would not" };
      }
      const { by, failure, spoilt } = answer;
      if (spoilt) await this.end();
      // What fails in a process that is in order is the validation's doing.
      if (!spoilt || again) return { by, failure: failure ?? "" };
    }
    throw new Error("not reached");
  }

  /** @param ms without any word from it, at most */
  async #ask(order: Order, ms: number): Promise<Answer | null> {
    await this.#writer?.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`))
      .catch(() => {});
    for (;;) {
      const timer = setTimeout(() => this.#child?.kill("SIGKILL"), ms);
      const line = await this.#line();
      clearTimeout(timer);
      if (line === null) return null;
      const answer = JSON.parse(line) as Answer;
      if (answer.is !== "begun") return answer;
      this.#running = answer.test;
    }
  }

  /** The next line that is an answer; what tests print is none. */
  async #line(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        const at = line.indexOf("\u0001");
        if (at >= 0) return line.slice(at + 1);
        continue;
      }
      const { value, done } = await this.#answers?.read() ?? { value: undefined, done: true };
      if (done) return null;
      this.#text += value;
    }
  }
}
