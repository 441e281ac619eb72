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
/** A quick test comes by validations and loops less often than this. */
const QUICK_STEPS = 1_000_000;

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
  /** For how long to take validations away, once tests have been run with all of them, seconds. */
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

/** Runs those tests that `wanted` picks, with all validations. */
async function learn(
  run: Run,
  files: readonly string[],
  wanted: (test: string) => boolean,
  most: number | null = null,
): Promise<(Known | null)[]> {
  const crew = new Crew(run.folder, files, run.points);
  const all = await crew.start();
  const known: (Known | null)[] = all.map(() => null);
  try {
    for (const [i, test] of all.entries()) {
      if (!wanted(nameOf(test))) continue;
      known[i] = await crew.base(i, test, most).catch(skip);
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
  const known = await learn(run, files, (test) => wanted.has(test));
  const numbers = new Map(Array.from(known, (test, i) => [test ? nameOf(test) : "", i]));
  const quick = points.filter((point) => numbers.has(killerOf(point) ?? "?"));
  const outcomes = await tryAll(run, quick, files, known, (point) => {
    const number = numbers.get(killerOf(point) ?? "?");
    return number === undefined ? [] : [number];
  });
  return outcomes.filter(({ by }) => by !== null);
}

/**
 * Tries each point with all tests of its theme that come by it, the slow ones for those that no
 * other test misses.
 */
export async function tryTheme(
  run: Run,
  theme: Theme,
  points: readonly Numbered[],
  quickOnly: boolean,
): Promise<Outcome[]> {
  if (points.length === 0) return [];
  const files = filesOf(`${run.folder}/`, theme.tests, "_test.ts");
  const quick = await learn(run, files, () => true, QUICK_STEPS);
  const first = quickOnly ? run : { ...run, tell: (it: Outcome) => it.by !== null && run.tell(it) };
  const outcomes = await tryKnown(first, points, files, quick);
  if (quickOnly) return outcomes;
  const left = outcomes.filter(({ by }) => by === null).map(({ point }) => point);
  if (left.length === 0) return outcomes;
  const had = new Set(quick.flatMap((test) => test ? [nameOf(test)] : []));
  const slow = await learn(run, files, (test) => !had.has(test));
  const missed = outcomes.filter(({ by }) => by !== null);
  return [...missed, ...await tryKnown(run, left, files, slow)];
}

async function tryKnown(
  run: Run,
  points: readonly Numbered[],
  files: readonly string[],
  known: readonly (Known | null)[],
): Promise<Outcome[]> {
  const bySpeed = [...known.keys()].sort((a, b) => (known[a]?.ms ?? 0) - (known[b]?.ms ?? 0));
  // Tests that failed for a file's points come first: they are likely to know the next one.
  const good = new Map<string, number[]>();
  return await tryAll(
    {
      ...run,
      tell: (outcome) => {
        run.tell(outcome);
        const { file } = outcome.point;
        const number = known.findIndex((test) => test && nameOf(test) === outcome.by);
        if (number < 0 || (known[number]?.ms ?? 0) > 500) return;
        good.set(file, [number, ...(good.get(file) ?? []).filter((n) => n !== number)].slice(0, 6));
      },
    },
    points,
    files,
    known,
    ({ file, id }) => {
      const reach = bySpeed.filter((number) => known[number]?.hits.has(id));
      return [...new Set([...(good.get(file) ?? []).filter((n) => reach.includes(n)), ...reach])];
    },
  );
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
