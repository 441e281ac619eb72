/**
 * Takes away one validation after another and looks for a test that fails: first the one that is
 * known to (`killers.json`), then all others that come by, the quickest first.
 *
 * @module
 */
import { Crew, type Known, type Named, type Verdict } from "./crew.ts";
import { filesOf, type Theme } from "./plan.ts";
import type { Point } from "./points.ts";

/** Processes at a time. */
const LANES = 2;
/** A test that takes no longer than this may be tried before quicker ones, ms. */
const GOOD_MS = 500;
/**
 * How tests have their turns: those that come by validations and loops more often have it later, and
 * of random cases so many are tried as fit in a time. The last turn has all of everything.
 */
const PASSES: readonly { readonly steps: number | null; readonly ms: number }[] = [
  { steps: 30_000, ms: 1000 },
  { steps: 1_000_000, ms: 3000 },
  { steps: null, ms: 0 },
];

/** A validation to be taken away, with the number it has in the copy. */
export interface Numbered extends Point {
  readonly id: number;
  readonly theme: Theme;
}

/** What became of one. */
export interface Outcome {
  readonly point: Numbered;
  /** The test that failed, `file: name`, or null: none did. */
  readonly by: string | null;
  readonly failure: string;
  /** Tests that come by it; of one whose test is known that alone. */
  readonly reached: number;
}

/** What a run needs. */
export interface Run {
  /** The copy. */
  readonly folder: string;
  /** Highest number of a point, and one. */
  readonly points: number;
  /** For how long to take validations away, and before that to run tests with all, seconds. */
  readonly seconds: number;
  readonly tell: (outcome: Outcome) => void;
  readonly say: (what: string) => void;
}

/** `file: name` of a test. */
export function nameOf({ file, name }: Named): string {
  return `${file}: ${name}`;
}

/** A test that fails by itself shows nothing, but that is no reason to end. */
function skip(error: unknown): null {
  console.error(error instanceof Error ? error.message : String(error));
  return null;
}

/**
 * Runs tests with all validations, in this order, for as long as the run lasts: those of which
 * nothing is known then have no turn.
 */
async function learn(
  run: Run,
  files: readonly string[],
  wanted: ReadonlySet<string>,
): Promise<(Known | null)[]> {
  const crew = new Crew(run.folder, files, run.points);
  const all = await crew.start();
  const known: (Known | null)[] = all.map(() => null);
  const numbers = new Map(all.map((test, i) => [nameOf(test), i]));
  const until = performance.now() + 1000 * run.seconds;
  try {
    for (const name of wanted) {
      const i = numbers.get(name);
      const test = all[i ?? -1];
      if (i === undefined || !test) continue;
      if (performance.now() > until) break;
      known[i] = await crew.base(i, test, null).catch(skip);
      run.say(`${i + 1} of ${all.length} tests run with all validations`);
    }
  } finally {
    await crew.end();
  }
  return known;
}

/** Tries points in two processes, each with the tests that `pick` gives it. */
async function tryAll(
  run: Run,
  points: readonly Numbered[],
  files: readonly string[],
  known: readonly (Known | null)[],
  pick: (point: Numbered) => readonly number[],
): Promise<Outcome[]> {
  const left = [...points];
  const until = performance.now() + 1000 * run.seconds;
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    const crew = new Crew(run.folder, files, run.points);
    for (let point = left.shift(); point && performance.now() < until; point = left.shift()) {
      const tests = pick(point);
      const verdict: Verdict = tests.length === 0
        ? { by: null, failure: "" }
        : await crew.try(point.id, tests, known as readonly Known[]);
      const test = verdict.by === null ? null : known[verdict.by];
      const by = test ? nameOf(test) : null;
      const outcome = { point, by, failure: verdict.failure, reached: tests.length };
      outcomes.push(outcome);
      run.tell(outcome);
    }
    await crew.end();
  };
  await Promise.all(Array.from({ length: Math.min(LANES, points.length) }, lane));
  return outcomes;
}

/** Tries each point with the test that is known to fail. @returns those of which it did */
export async function tryKillers(
  run: Run,
  points: readonly Numbered[],
  killerOf: (point: Point) => string | undefined,
): Promise<Outcome[]> {
  const wanted = new Set(points.flatMap((point) => killerOf(point) ?? []));
  const files = [...new Set([...wanted].map((test) => test.split(": ")[0] ?? ""))].sort()
    .filter((file) => exists(`${run.folder}/${file}`));
  const known = await learn(run, files, wanted);
  const numbers = new Map(Array.from(known, (test, i) => [test ? nameOf(test) : "", i]));
  const quick = points.filter((point) => numbers.has(killerOf(point) ?? "?"));
  const outcomes = await tryAll(run, quick, files, known, (point) => {
    const number = numbers.get(killerOf(point) ?? "?");
    return number === undefined ? [] : [number];
  });
  return outcomes.filter(({ by }) => by !== null);
}

/** What is left to be tried, and what is known of it so far. */
interface Hunt {
  readonly run: Run;
  /** Points that no test has missed yet. */
  readonly left: Set<Numbered>;
  /** Tests that came by each of them. */
  readonly reached: Map<Numbered, number>;
  readonly outcomes: Outcome[];
  /** Tests that had their turn, with all of their cases. */
  readonly had: Set<string>;
}

/**
 * Tries each point with all tests of its theme that come by it: file by file, each in a process that
 * holds nothing else, in the order of the plan; and in it the quick ones first. The slow ones have
 * their turn with what no quick one misses.
 * @param only quick tests, and files of tests with this in their path alone
 */
export async function tryTheme(
  run: Run,
  theme: Theme,
  points: readonly Numbered[],
  { quick, tests }: { readonly quick: boolean; readonly tests: string },
): Promise<Outcome[]> {
  const reached = new Map(points.map((point) => [point, 0]));
  const hunt: Hunt = { run, left: new Set(points), reached, outcomes: [], had: new Set() };
  const files = theme.tests.flatMap((place) => filesOf(`${run.folder}/`, [place], "_test.ts"))
    .filter((file) => file.includes(tests));
  for (const pass of quick ? PASSES.slice(0, -1) : PASSES) {
    const next = [...files];
    const lane = async (): Promise<void> => {
      for (let file = next.shift(); file && hunt.left.size > 0; file = next.shift()) {
        await tryFile(hunt, file, pass);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
  for (const point of hunt.left) {
    const outcome = { point, by: null, failure: "", reached: reached.get(point) ?? 0 };
    run.tell(outcome);
    hunt.outcomes.push(outcome);
  }
  return hunt.outcomes;
}

/** Tries what is left with the tests of one file. */
async function tryFile(
  hunt: Hunt,
  file: string,
  { steps, ms }: (typeof PASSES)[number],
): Promise<void> {
  const { run, left, reached, had } = hunt;
  const crew = new Crew(run.folder, [file], run.points, ms);
  try {
    const known: (Known | null)[] = [];
    const all = await crew.start();
    for (const [i, test] of all.entries()) {
      known[i] = had.has(nameOf(test)) ? null : await crew.base(i, test, steps).catch(skip);
      const took = known[i]?.ms ?? Infinity;
      if (ms === 0 || took < ms) had.add(nameOf(test));
    }
    const bySpeed = [...known.keys()].sort((a, b) => (known[a]?.ms ?? 0) - (known[b]?.ms ?? 0));
    // The test that failed for the point before is likely to know the next one.
    let good = -1;
    for (const point of [...left]) {
      const reach = bySpeed.filter((number) => known[number]?.hits.has(point.id));
      // Another file may have missed it meanwhile.
      if (reach.length === 0 || !left.has(point)) continue;
      run.say(`${left.size} left, now with ${file}`);
      const order = reach.includes(good) ? [...new Set([good, ...reach])] : reach;
      const { by: number, failure } = await crew.try(point.id, order, known as Known[]);
      reached.set(point, (reached.get(point) ?? 0) + reach.length);
      const test = number === null ? null : known[number];
      if (!test || !left.delete(point)) continue;
      if (test.ms < GOOD_MS) good = number ?? -1;
      const by = nameOf(test);
      const outcome = { point, by, failure, reached: reached.get(point) ?? 0 };
      hunt.outcomes.push(outcome);
      run.tell(outcome);
    }
  } finally {
    await crew.end();
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
