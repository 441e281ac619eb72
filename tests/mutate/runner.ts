/**
 * Runs tests of a copy of the code again and again in one process, each time without one validation
 * (`points.ts` put all of them behind `$v`). Reads orders from standard input and answers on
 * standard output, a line of JSON each.
 *
 * @module
 */
import fc from "fast-check";

/** What a test is asked to do. */
export type Order =
  | {
    readonly do: "load";
    readonly files: readonly string[];
    readonly points: number;
    /** Random cases are tried for so long, 0: all of them. */
    readonly casesMs: number;
  }
  | {
    readonly do: "base";
    readonly test: number;
    /** Beyond so many validations and loops it is too slow, and fails. */
    readonly most: number | null;
  }
  | {
    readonly do: "try";
    readonly point: number;
    readonly tests: readonly number[];
    /** For each of these, how often it may come by validations and loops. */
    readonly steps: readonly number[];
  };

/** What it says. */
export type Answer =
  | {
    readonly is: "loaded";
    /** Tests in the order of their numbers. */
    readonly tests: readonly { readonly file: string; readonly name: string }[];
  }
  | { readonly is: "begun"; readonly test: number }
  | {
    readonly is: "based";
    readonly failure: string | null;
    readonly ms: number;
    readonly steps: number;
    /** Numbers of the points it comes by. */
    readonly hits: readonly number[];
  }
  | {
    readonly is: "tried";
    /** The first test that failed. */
    readonly by: number | null;
    readonly failure: string | null;
    /** That test fails with the validation, too: this process is of no use any more. */
    readonly spoilt: boolean;
  };

/** Cases that come from a seed are always the same. */
const SEED = 11;
/** Tests that are nothing to be run here: they start processes of their own, or take long. */
const SKIPPED = /planted|to plant|every fault|^fuzz (?:bytes|words|http|streams)/;

/** See {@linkcode sweep}. */
const SWEEP_BYTES = 1.5e9;

interface Test {
  readonly file: string;
  readonly name: string;
  readonly run: (context: object) => unknown;
}

const tests: Test[] = [];
let hits = new Uint8Array(1);
let on = 0;
let steps = 0;
let stepsMax = Infinity;
let late: unknown = null;
let loading = "";

/** Whether validation `point` is taken away. @throws if that makes a loop endless */
function isAway(point: number): boolean {
  if (++steps > stepsMax) throw new Error("it does not end");
  hits[point] = 1;
  return point === on;
}

function note(name: unknown, run: unknown): void {
  if (typeof name === "string" && typeof run === "function" && !SKIPPED.test(name)) {
    tests.push({ file: loading, name, run: run as Test["run"] });
  }
}

/** In place of the runtime's way to name a test. */
function nameTest(first: unknown, second?: unknown, third?: unknown): void {
  if (typeof first === "object" && first !== null) {
    const { name, fn, ignore } = first as { name?: unknown; fn?: unknown; ignore?: boolean };
    if (!ignore) note(name, fn ?? second);
  } else note(first, third ?? second);
}

/** Guests' memory that nobody uses any more goes before there is too much of it. */
function sweep(): void {
  if (Deno.memoryUsage().rss > SWEEP_BYTES) (globalThis as { gc?: () => void }).gc?.();
}

const context = {
  step: async (first: unknown, second?: unknown): Promise<boolean> => {
    const run = second ?? (first as { fn?: unknown }).fn ?? first;
    await (run as (inner: object) => unknown)(context);
    return true;
  },
};

/** @returns why it failed, or null */
async function runTest(test: number, point: number, most: number): Promise<string | null> {
  on = point;
  steps = 0;
  stepsMax = most;
  late = null;
  try {
    await tests[test]?.run(context);
    if (late !== null) throw late;
    return null;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).slice(0, 400) || "it failed";
  } finally {
    on = 0;
    stepsMax = Infinity;
    sweep();
  }
}

async function obey(order: Order): Promise<Answer> {
  switch (order.do) {
    case "load":
      hits = new Uint8Array(order.points);
      // A failure is enough: the smallest case of it is of no interest.
      fc.configureGlobal({
        ...{ endOnFailure: true, seed: SEED },
        ...(order.casesMs > 0 ? { interruptAfterTimeLimit: order.casesMs } : {}),
      });
      for (const file of order.files) {
        loading = file;
        await import(new URL(`../../${file}`, import.meta.url).href);
      }
      return { is: "loaded", tests: tests.map(({ file, name }) => ({ file, name })) };
    case "base": {
      hits.fill(0);
      const begin = performance.now();
      const failure = await runTest(order.test, 0, order.most ?? Infinity);
      const ms = performance.now() - begin;
      const came = Array.from(hits.keys()).filter((point) => hits[point] !== 0);
      return { is: "based", failure, ms, steps, hits: came };
    }
    case "try": {
      for (const [i, test] of order.tests.entries()) {
        say({ is: "begun", test });
        const failure = await runTest(test, order.point, order.steps[i] ?? Infinity);
        if (failure === null) continue;
        const spoilt = await runTest(test, 0, 4 * (order.steps[i] ?? Infinity)) !== null;
        return { is: "tried", by: test, failure, spoilt };
      }
      return { is: "tried", by: null, failure: null, spoilt: false };
    }
  }
}

function say(answer: Answer): void {
  const bytes = new TextEncoder().encode(`\u0001${JSON.stringify(answer)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

async function main(): Promise<void> {
  Object.defineProperty(Deno, "test", { value: Object.assign(nameTest, { ignore: () => {} }) });
  Object.assign(globalThis, { $v: isAway });
  for (const name of ["log", "error", "warn", "info"] as const) console[name] = () => {};
  const keep = (event: Event, error: unknown): void => {
    event.preventDefault();
    late = error ?? "it failed later";
  };
  globalThis.addEventListener("unhandledrejection", (event) => keep(event, event.reason));
  globalThis.addEventListener("error", (event) => keep(event, event.error));
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) say(await obey(JSON.parse(line) as Order));
  }
  Deno.exit(0);
}

if (import.meta.main) await main();
