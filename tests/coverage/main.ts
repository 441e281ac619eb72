/**
 * Demands that tests come by every branch of the code that reads what tenants send, the files of
 * `tests/mutate/plan.ts`: `deno task coverage [--all] [FOLDER]`.
 *
 * It runs unit tests, or takes what a run of any tests left in FOLDER, with the flags that
 * `--flags FOLDER` prints, by the same Deno. What no test can come by stands in `excused.ts`, and so
 * do the files of which these tests leave something to others: those have gaps, which `--all` tells,
 * or they are not to stand there.
 *
 * @module
 */
import { filesOf, THEMES } from "../mutate/plan.ts";
import { EXCUSED, OPEN, TYPES } from "./excused.ts";
import { type Gap, readCoverage } from "./report.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
/** Those that take seconds: what only models come by is in no rush to be found. */
const TESTS = [
  ...["tests/unit/offload", "tests/unit/virtio", "tests/unit/vhost"],
  "tests/model/bad_chains_test.ts",
];
const SEED = new URL("seed.ts", import.meta.url).pathname;

/** Flags of `deno test` with which tests leave their coverage. */
function flagsFor(folder: string): string[] {
  return [`--coverage=${folder}`, "--coverage-raw-data-only", `--preload=${SEED}`];
}

/** Runs tests; what they say is told if they fail. */
async function runTests(folder: string): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", `${ROOT}tests/main.ts`],
      ...TESTS.map((path) => ROOT + path),
      ...flagsFor(folder),
    ],
  }).output().then((run) => {
    if (!run.success) console.log(new TextDecoder().decode(run.stdout));
    return run;
  });
  return success;
}

/** The gaps of a file that nothing excuses, and excuses for what is not there, a line each. */
async function faultsOf(file: string, gaps: readonly Gap[]): Promise<string[]> {
  const lines = (await Deno.readTextFile(ROOT + file)).split("\n").map((line) => line.trim());
  const excuses = EXCUSED.filter((excuse) => excuse.file === file).map(({ line }) => line);
  const text = ({ first }: Gap): string => lines[first - 1] ?? "";
  return [
    ...gaps.filter((gap) => gap.file === ROOT + file && !excuses.includes(text(gap)))
      .map((gap) => {
        const to = gap.last > gap.first ? `-${gap.last}` : "";
        return `${file}:${gap.first}${to}: no test comes by: ${text(gap)}`;
      }),
    ...excuses.filter((line) => !lines.includes(line))
      .map((line) => `${file}: excused.ts names what is not there: ${line}`),
  ];
}

/** @param whole no file is left to other tests */
async function check(folder: string, whole: boolean): Promise<number> {
  const files = THEMES.flatMap((theme) => filesOf(ROOT, theme.files, ".ts"));
  const { files: there, gaps } = await readCoverage(folder, "/lib/");
  const bad: string[] = OPEN.filter((file) => !files.includes(file))
    .map((file) => `${file}: excused.ts names a file that is not in the plan`);
  let open = 0;
  for (const file of files) {
    // Types alone leave nothing at run time.
    const faults = there.has(ROOT + file) || TYPES.includes(file)
      ? await faultsOf(file, gaps)
      : [`${file}: no test loads it`];
    if (!OPEN.includes(file) || whole) bad.push(...faults);
    else if (faults.length > 0) open += faults.length;
    else bad.push(`${file}: it has no gaps any more, and is not to stand among open ones`);
  }
  for (const line of bad) console.log(line);
  console.log(
    `${files.length} files, ${bad.length} faults, ${EXCUSED.length} lines excused, ` +
      `${open} gaps in ${whole ? 0 : OPEN.length} open files`,
  );
  return bad.length > 0 ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  const whole = args.includes("--all");
  const [given] = args.filter((word) => !word.startsWith("--"));
  if (args.includes("--flags")) {
    console.log(flagsFor(given ?? "coverage").join("\n"));
    return 0;
  }
  if (given !== undefined) return await check(await Deno.realPath(given), whole);
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-coverage-" });
  try {
    return await runTests(folder) ? await check(folder, whole) : 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
