/**
 * What tests did not come by, of files that are meant, out of the coverage that `deno test
 * --coverage` left.
 *
 * V8 counts blocks, and Deno reports the ends of those counts as lines and branches: what an `if`
 * leads to, its `else`, what comes behind one that leaves, both sides of a conditional, the right
 * side of `&&`, `||` and `??`, bodies of loops, cases, functions. What it does not count is an `if`
 * without `else` that was never false, or a left side of `&&` that never was: `deno task mutate`
 * takes those away and sees. How many branches there are says nothing, as V8 joins those that ran
 * equally often; which of them never ran is right (`coverage_test.ts`).
 *
 * @module
 */

/** Lines that follow one another and were never come by. */
export interface Gap {
  /** As the report names it: an absolute path. */
  readonly file: string;
  /** First line, from 1 on. */
  readonly first: number;
  /** Last line. */
  readonly last: number;
}

/** A row that names a line, and how often it ran: `-` is never. */
const ROW = /^(?:DA:(\d+),(\d+)|BRDA:(\d+),\d+,\d+,(\d+|-))/;

/** The gaps in a report. @param text as lcov has it (geninfo(1)) */
export function gapsOf(text: string): Gap[] {
  const gaps: Gap[] = [];
  let file = "";
  let lines = new Set<number>();
  const functions = new Map<string, number>();
  for (const row of text.split("\n")) {
    const [, line, ran, branch, taken] = ROW.exec(row) ?? [];
    if (ran !== undefined && Number(ran) === 0) lines.add(Number(line));
    if (taken === "0" || taken === "-") lines.add(Number(branch));
    const [, at, name] = /^FN:(\d+),(.*)$/.exec(row) ?? [];
    if (name !== undefined) functions.set(name, Number(at));
    const [, unused] = /^FNDA:0,(.*)$/.exec(row) ?? [];
    if (unused !== undefined) lines.add(functions.get(unused) ?? 1);
    if (row.startsWith("SF:")) file = row.slice(3);
    if (row !== "end_of_record") continue;
    gaps.push(...runsOf(lines).map(([first, last]) => ({ file, first, last })));
    lines = new Set();
    functions.clear();
  }
  return gaps;
}

function runsOf(lines: ReadonlySet<number>): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (const line of [...lines].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && run[1] === line - 1) run[1] = line;
    else runs.push([line, line]);
  }
  return runs;
}

/**
 * Reads what tests left.
 * @param folder of their coverage, made by the same Deno @returns files that are in it, and gaps
 */
export async function readCoverage(
  folder: string,
  include: string,
): Promise<{ readonly files: ReadonlySet<string>; readonly gaps: readonly Gap[] }> {
  const report = `${folder}.lcov`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", "--lcov", `--include=${include}`, `--output=${report}`, folder],
    ...{ stdin: "null", stdout: "null", stderr: "piped" },
  }).output();
  if (code !== 0) throw new Error(`deno coverage: ${new TextDecoder().decode(stderr)}`);
  const text = await Deno.readTextFile(report);
  await Deno.remove(report);
  const files = new Set(Array.from(text.matchAll(/^SF:(.*)$/gm), ([, file]) => file ?? ""));
  return { files, gaps: gapsOf(text) };
}
