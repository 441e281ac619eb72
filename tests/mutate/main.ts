/**
 * Takes away every single validation of the code that reads what tenants send (`plan.ts`) and
 * demands a test that fails: `deno task mutate [--file PART] [--tests PART] [--time 60s]
 * [--seed N] [--list] [--write] [--quick] [--new]`.
 *
 * With `--time` those whose test is known are tried in an order that the seed decides, for so long.
 * `--new` takes those alone whose test is not known, `--quick` leaves out slow tests, `--write`
 * writes down which test failed (`killers.json`). Where nothing can be missed the reason is in
 * `equivalents.ts`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { copy } from "../fuzz/mutants.ts";
import { spanSeconds, spanWords } from "../harness/span.ts";
import { EQUIVALENTS } from "./equivalents.ts";
import { readKillers, writeKillers } from "./killers.ts";
import { filesOf, THEMES } from "./plan.ts";
import { findPoints, instrument } from "./points.ts";
import { type Numbered, type Outcome, type Run, tryKillers, tryTheme } from "./run.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PARTS = ["deno.json", "deno.lock", "main.ts", "ffi", "lib", "tests"];
const KILLERS = `${ROOT}tests/mutate/killers.json`;
/** Progress is told so often, ms. */
const TELL_MS = 5000;

const { values } = parseArgs({
  options: {
    file: { type: "string", default: "" },
    tests: { type: "string", default: "" },
    time: { type: "string" },
    seed: { type: "string" },
    list: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    new: { type: "boolean", default: false },
  },
});

/** All points of the files that are meant. */
function pointsOf(part: string): { points: Numbered[]; copies: Map<string, string> } {
  const points: Numbered[] = [];
  const copies = new Map<string, string>();
  for (const theme of THEMES) {
    for (const file of filesOf(ROOT, theme.files, ".ts")) {
      if (!file.includes(part)) continue;
      const source = Deno.readTextFileSync(ROOT + file);
      const found = findPoints(file, source);
      copies.set(file, instrument(source, found, points.length + 1));
      points.push(...found.points.map((p, i) => ({ ...p, theme, id: points.length + 1 + i })));
    }
  }
  return { points, copies };
}

/** Numbers below 1, always the same for a seed. */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return (state ^ (state >>> 13)) >>> 0;
  };
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  const draw = draws(seed);
  return list.map((item) => ({ item, at: draw() })).sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Tells how far a run is, now and then. */
function progress(total: number): Pick<Run, "tell" | "say"> & { done: () => number } {
  const begin = performance.now();
  let next = begin + TELL_MS;
  let done = 0;
  let alive = 0;
  const print = (text: string): void => {
    if (performance.now() < next) return;
    next = performance.now() + TELL_MS;
    console.error(text);
  };
  return {
    done: () => done,
    say: print,
    tell: ({ by, point, reached }) => {
      done++;
      if (by === null) {
        alive++;
        console.error(`${point.file}:${point.line}: no test of ${reached} misses ${point.key}`);
      }
      const left = (performance.now() - begin) / done * (total - done) / 1000;
      print(`${done} of ${total} taken away, ${alive} not missed, ${spanWords(left)} left`);
    },
  };
}

async function main(): Promise<number> {
  const { points, copies } = pointsOf(values.file);
  if (values.list) {
    for (const { file, line, key } of points) console.log(`${file}:${line}: ${key}`);
    return 0;
  }
  const killers = readKillers(KILLERS);
  const bad = EQUIVALENTS.filter(({ file, key }) =>
    file.includes(values.file) && !points.some((p) => p.file === file && p.key === key)
  ).map(({ file, key }) => `${file}: equivalents.ts names what is not there: ${key}`);
  const isEquivalent = (point: Numbered): boolean =>
    EQUIVALENTS.some(({ file, key }) => point.file === file && point.key === key);
  const seed = Number(values.seed ?? Math.floor(Date.now() / 86_400_000));
  const sample = values.time !== undefined;
  const seconds = spanSeconds(values.time ?? "1s");
  if (seconds === null) {
    console.error(`--time ${values.time} must be such as 90s, 5m or 1h`);
    return 2;
  }
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-mutate-" });
  const outcomes: Outcome[] = [];
  try {
    for (const part of PARTS) await copy(ROOT + part, `${folder}/${part}`);
    for (const [file, text] of copies) await Deno.writeTextFile(`${folder}/${file}`, text);
    const told = progress(points.length);
    const done: Outcome[] = [];
    const tell = (outcome: Outcome): void => {
      told.tell(outcome);
      done.push(outcome);
      // A long run that is ended has not been in vain.
      if (values.write && done.length % 20 === 0) writeKillers(KILLERS, points, done);
    };
    const run: Run = {
      ...{ folder, points: points.length + 1, tell, say: told.say },
      seconds: sample ? seconds : Infinity,
    };
    const killerOf = ({ file, key }: { file: string; key: string }): string | undefined =>
      killers.get(file)?.get(key);
    const named = points.filter((point) => killerOf(point) !== undefined);
    const quick = sample ? shuffled(named, seed) : named;
    const quiet: Run = { ...run, tell: (it) => it.by !== null && run.tell(it) };
    if (quick.length > 0 && !values.new) outcomes.push(...await tryKillers(quiet, quick, killerOf));
    const through = new Set(outcomes.map(({ point }) => point.id));
    const rest = points.filter((point) =>
      !through.has(point.id) && !(values.new && killerOf(point) !== undefined)
    );
    // New ones first; those that no test can miss are only tried to see whether that is still so.
    rest.sort((a, b) => Number(isEquivalent(a)) - Number(isEquivalent(b)));
    for (const theme of sample ? [] : THEMES) {
      const those = rest.filter((point) => point.theme === theme);
      outcomes.push(...await tryTheme(run, theme, those, values));
    }
    if (values.write) writeKillers(KILLERS, points, outcomes);
    const survivors = outcomes.filter(({ by, point }) => by === null && !isEquivalent(point));
    for (const { point, reached } of survivors) {
      bad.push(`${point.file}:${point.line}: no test of ${reached} misses ${point.key}`);
    }
    for (const { point, by } of outcomes.filter(({ by, point }) => by && isEquivalent(point))) {
      bad.push(`${point.file}:${point.line}: equivalents.ts need not name ${point.key}: ${by}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  for (const line of bad) console.log(line);
  const missed = outcomes.filter(({ by }) => by !== null).length;
  const allowed = outcomes.filter(({ by, point }) => by === null && isEquivalent(point)).length;
  console.log(
    `${points.length} validations, ${outcomes.length} taken away, ${missed} missed by a test, ` +
      `${allowed} that none can miss, ${bad.length} faults` + (sample ? `, seed ${seed}` : ""),
  );
  return bad.length > 0 ? 1 : 0;
}

Deno.exit(await main());
