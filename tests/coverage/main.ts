/**
 * Demands that tests come by every branch of the code that reads what tenants send, the files of
 * `tests/mutate/plan.ts`: `deno task coverage [FOLDER]`.
 *
 * It runs unit and model tests, or takes what a run of them left in FOLDER, with the flags that
 * `--flags` prints, by the same Deno. What no test can come by stands in `excused.ts`.
 *
 * @module
 */
import { filesOf, THEMES } from "../mutate/plan.ts";
import { EXCUSED } from "./excused.ts";
import { readCoverage } from "./report.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
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
      ...[`${ROOT}tests/unit/virtio`, `${ROOT}tests/unit/vhost`, `${ROOT}tests/unit/switch`],
      ...[`${ROOT}tests/model`, ...flagsFor(folder)],
    ],
  }).output().then((run) => {
    if (!run.success) console.log(new TextDecoder().decode(run.stdout));
    return run;
  });
  return success;
}

/** @returns what is wrong, a line each */
async function faultsOf(folder: string): Promise<{ files: number; faults: string[] }> {
  const files = THEMES.flatMap((theme) => filesOf(ROOT, theme.files, ".ts"));
  const { files: there, gaps } = await readCoverage(folder, "/lib/");
  const faults: string[] = [];
  for (const file of files) {
    const lines = (await Deno.readTextFile(ROOT + file)).split("\n");
    const text = (line: number): string => lines[line - 1]?.trim() ?? "";
    const excuses = EXCUSED.filter((excuse) => excuse.file === file).map(({ line }) => line);
    // Types alone leave nothing at run time.
    const isCode = /^(?:export )?(?:async )?(?:function|class)|=> /m.test(lines.join("\n"));
    if (!there.has(ROOT + file) && isCode) faults.push(`${file}: no test loads it`);
    for (const gap of gaps.filter((each) => each.file === ROOT + file)) {
      if (excuses.includes(text(gap.first))) continue;
      const to = gap.last > gap.first ? `-${gap.last}` : "";
      faults.push(`${file}:${gap.first}${to}: no test comes by: ${text(gap.first)}`);
    }
    for (const line of excuses) {
      if (!lines.some((_, i) => text(i + 1) === line)) {
        faults.push(`${file}: excused.ts names what is not there: ${line}`);
      }
    }
  }
  return { files: files.length, faults };
}

async function main(args: readonly string[]): Promise<number> {
  const [first, second] = args;
  if (first === "--flags") {
    console.log(flagsFor(second ?? "coverage").join("\n"));
    return 0;
  }
  const folder = first === undefined
    ? await Deno.makeTempDir({ prefix: "vuswitch-coverage-" })
    : await Deno.realPath(first);
  try {
    if (first === undefined && !await runTests(folder)) return 1;
    const { files, faults } = await faultsOf(folder);
    for (const fault of faults) console.log(fault);
    console.log(`${files} files, ${faults.length} gaps, ${EXCUSED.length} lines excused`);
    return faults.length > 0 ? 1 : 0;
  } finally {
    if (first === undefined) await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
