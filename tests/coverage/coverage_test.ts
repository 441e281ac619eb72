/** What coverage counts, and what it does not: `report.ts` says it, and the gate relies on it. */
import { strict as assert } from "node:assert";
import { readCoverage } from "./report.ts";

/** Each line, and whether it is a gap when `f(1, 1)` is all that is called. */
const LINES: readonly (readonly [line: string, gap: boolean])[] = [
  ["export function f(x: number, y: number): number {", false],
  ["  let r = 0;", false],
  ["  if (x > 0) r++; // never false: not counted", false],
  ["  if (x > 0 && y > 0) r++; // the same of a left side", false],
  ["  if (x < 0) return 7;", true],
  ["  if (x < 0 && y < 0) r++;", true],
  ["  r += x > 0 ? 1 : 2;", true],
  ["  const both = x > 0 || y > 0;", true],
  ["  const none = (both ? 3 : null) ?? 4;", true],
  ["  for (let i = 1; i < y; i++) r++;", true],
  ["  if (y === 1) {", false],
  ["    r += 2;", false],
  ["  } else {", true],
  ["    r += 3;", true],
  ["  }", true],
  ["  switch (x) {", false],
  ["    case 1:", false],
  ["      r++;", false],
  ["      break;", false],
  ["    case 2:", true],
  ["      r--;", true],
  ["  }", false],
  ["  return r + none;", false],
  ["}", false],
  ["export function never(): void {}", true],
];

Deno.test("blocks that never ran are gaps, and nothing else is", async () => {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-coverage-" });
  try {
    const code = LINES.map(([line]) => line).join("\n");
    await Deno.writeTextFile(`${folder}/probe.ts`, code);
    await Deno.writeTextFile(
      `${folder}/probe_test.ts`,
      `import { f } from "./probe.ts";\nDeno.test("f", () => { f(1, 1); });\n`,
    );
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "--no-check", "--no-config", `--coverage=${folder}/raw`],
        ...["--coverage-raw-data-only", `${folder}/probe_test.ts`],
      ],
      cwd: folder,
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).output();
    assert(success);
    const { files, gaps } = await readCoverage(`${folder}/raw`, "probe");
    assert.deepEqual([...files].map((file) => file.split("/").at(-1)), ["probe.ts"]);
    const missed = new Set(
      gaps.flatMap(({ first, last }) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i)
      ),
    );
    const seen = LINES.map(([line], i) => [line, missed.has(i + 1)]);
    assert.deepEqual(seen, LINES);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
