/**
 * All tests, two files at a time, each in a process of its own: `main.ts [FILE OR FOLDER...] [FLAG OF
 * deno test...]`. What a file says comes when it is through; at the end the slowest files, what has
 * failed once more, and one line with the numbers, as `deno test` prints it.
 *
 * @module
 */
import { basename } from "node:path";

const ROOT = new URL("../", import.meta.url).pathname;
const FOLDER = `${ROOT}tests`;
const LANES = 2;
/** Those that take long come first, so that the lanes end together. */
const ORDER = ["docs", "e2e", "fuzz", "model", "unit", ""];
/** Whatever takes longer hangs: the slowest take six minutes on a busy machine. */
const LIMIT_MS = Number(Deno.env.get("VUSWITCH_TEST_SECONDS") ?? 720) * 1000;
/** For the last words of a process that was told to end, and of what it left running. */
const LAST_WORDS_MS = 10_000;
/** How many of the slowest are named. */
const SLOWEST = 12;
/**
 * Files that have the machine for themselves: they measure it, use its huge pages, or have timers of
 * others in them, as BFD's; and QEMU 7.2 loses more pages in a migration the busier the machine is.
 */
const ALONE: ReadonlySet<string> = new Set([
  "bench_test.ts",
  "fabric_test.ts",
  "migration_test.ts",
  "scale_out_test.ts",
  "testpmd_life_test.ts",
]);

/** Tests that run in one process. */
interface Group {
  /** Relative to the project. */
  readonly name: string;
  readonly files: readonly string[];
}

/** What became of one. */
interface Outcome {
  readonly name: string;
  readonly output: string;
  readonly seconds: number;
  readonly passed: number;
  readonly steps: number;
  readonly failed: number;
  readonly ignored: number;
  /** It was ended, as it would not. */
  readonly hung: boolean;
}

function filesOf(path: string): string[] {
  if (!Deno.statSync(path).isDirectory) return [path];
  return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory || name.endsWith("_test.ts") ? filesOf(`${path}/${name}`) : []
  );
}

/** Unit tests by the folder of lib/ they are about, as processes take longer to start; others by file. */
function groupsOf(paths: readonly string[]): Group[] {
  const groups = new Map<string, string[]>();
  for (const file of new Set(paths.flatMap((path) => filesOf(path)))) {
    const name = file.startsWith(ROOT) ? file.slice(ROOT.length) : file;
    const key = /^tests\/unit\/[^/]+\//.exec(name)?.[0] ?? name;
    groups.set(key, [...groups.get(key) ?? [], file]);
  }
  const rank = (name: string): number => ORDER.indexOf(/^tests\/(\w+)\//.exec(name)?.[1] ?? "");
  return [...groups].map(([name, files]) => ({ name, files: files.sort() }))
    .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

function numberIn(line: string, pattern: RegExp): number {
  return Number(pattern.exec(line)?.[1] ?? 0);
}

/** Whether it came in time. */
async function within(what: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((done) => timer = setTimeout(() => done(false), ms));
  const came = await Promise.race([what.then(() => true), late]);
  clearTimeout(timer);
  return came;
}

/** Ends a process that hangs; `deno test` says at an interrupt which tests were not through. */
function limited(process: Deno.ChildProcess): () => boolean {
  let late = false;
  const kill = (signal: Deno.Signal): void => {
    late = true;
    process.kill(signal);
  };
  const timers = [
    setTimeout(() => kill("SIGINT"), LIMIT_MS),
    setTimeout(() => kill("SIGKILL"), LIMIT_MS + LAST_WORDS_MS),
  ];
  return () => {
    timers.forEach(clearTimeout);
    return late;
  };
}

async function run({ name, files }: Group, flags: readonly string[]): Promise<Outcome> {
  const begin = performance.now();
  const process = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", ...flags, ...files],
    cwd: ROOT,
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const hangs = limited(process);
  const words = Promise.all([collect(process.stdout), collect(process.stderr)]);
  const { code } = await process.status;
  const hung = hangs();
  if (hung) output += `\nended after ${LIMIT_MS / 1000} s without being through\n`;
  // Something that a test left running may hold the pipes for good.
  if (!await within(words, LAST_WORDS_MS)) output += "\na process of it still runs\n";
  // deno-lint-ignore no-control-regex
  const plain = output.replace(/\x1b\[[\d;]*m/g, "");
  const line = /^(?:ok|FAILED) \| \d+ passed.*$/m.exec(plain)?.[0] ?? "";
  const failed = numberIn(line, /(\d+) failed/);
  return {
    ...{ name, output, seconds: (performance.now() - begin) / 1000 },
    passed: numberIn(line, /(\d+) passed/),
    steps: numberIn(line, /passed \((\d+) steps?\)/),
    ignored: numberIn(line, /(\d+) ignored/),
    // What ended before it could count has failed.
    failed: code === 0 ? failed : Math.max(1, failed),
    hung,
  };
}

/** Runs groups in so many lanes and prints what they say. */
async function runAll(
  groups: readonly Group[],
  lanes: number,
  flags: readonly string[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = [...groups];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      const outcome = await run(next, flags);
      outcomes.push(outcome);
      console.log(`== ${outcome.name}, ${outcome.seconds.toFixed(1)} s\n${outcome.output.trim()}`);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return outcomes;
}

function summary(outcomes: readonly Outcome[], seconds: number): string {
  const sum = (name: "passed" | "steps" | "failed" | "ignored"): number =>
    outcomes.reduce((total, outcome) => total + outcome[name], 0);
  const word = sum("failed") > 0 ? "FAILED" : "ok";
  const ignored = sum("ignored") > 0 ? ` | ${sum("ignored")} ignored` : "";
  return `${word} | ${sum("passed")} passed (${sum("steps")} steps) | ${sum("failed")} failed` +
    `${ignored} (${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s)`;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path) !== null;
  } catch {
    return false;
  }
}

const paths = Deno.args.filter(isThere).map((path) => Deno.realPathSync(path));
const flags = Deno.args.filter((word) => !isThere(word));
const begin = performance.now();
const groups = groupsOf(paths.length > 0 ? paths : [FOLDER]);
const alone = ({ name }: Group): boolean => ALONE.has(basename(name));
const first = [
  ...await runAll(groups.filter((group) => !alone(group)), LANES, flags),
  ...await runAll(groups.filter(alone), 1, flags),
];
// One that hangs tells little of what failed, if anything did: it has a second try, alone, and said.
const hung = first.filter((outcome) => outcome.hung).map(({ name }) => name);
if (hung.length > 0) console.log(`\n== once more, alone, as they hung: ${hung.join(" ")}`);
const outcomes = [
  ...first.filter((outcome) => !outcome.hung),
  ...await runAll(groups.filter(({ name }) => hung.includes(name)), 1, flags),
];
const slowest = outcomes.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
console.log("\n== the slowest");
for (const { name, seconds } of slowest) {
  console.log(`${seconds.toFixed(1).padStart(7)} s  ${name}`);
}
for (const { name, output, failed } of outcomes) {
  if (failed === 0) continue;
  const errors = output.lastIndexOf(" ERRORS ");
  console.log(`\n== FAILED: ${name}\n${output.slice(errors < 0 ? -4000 : errors).trim()}`);
}
console.log(`\n${summary(outcomes, (performance.now() - begin) / 1000)}`);
Deno.exit(outcomes.some(({ failed }) => failed > 0) ? 1 : 0);
