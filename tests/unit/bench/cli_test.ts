/**
 * What one may type behind `deno task bench`, and which cells come of it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { readOptions, type RunOptions, UsageError } from "../../../bench/cli.ts";
import { chooseCells, turnsOf } from "../../../bench/plan.ts";
import type { Cell, Suite } from "../../../bench/suite.ts";
import { SUITES } from "../../../bench/suites/mod.ts";
import { HEAD } from "./sessions.ts";

function read(...args: string[]): RunOptions {
  const options = readOptions(args);
  assert(options.action === "run" || options.action === "list");
  return options;
}

const contender = (name: string): Cell["contenders"][number] => ({
  name,
  missing: [],
  run: () => Promise.reject(new Error("not run")),
});

const SUITE: Suite = {
  name: "throughput",
  about: "",
  cells: (quick) =>
    (quick ? ["split 64"] : ["split 64", "packed 64", "packed 1500"]).map((cell) => ({
      ...{ ...HEAD, cell, memoryMib: 1, overheadSeconds: 1 },
      contenders: [contender("vuswitch"), contender("OVS-DPDK"), contender("DPDK io")],
    })),
};

Deno.test("what is typed has defaults, and --quick others", () => {
  const { rounds, seconds, burst, cpus, quick, smallPages } = read();
  assert.deepEqual([rounds, seconds, burst, cpus, quick, smallPages], [
    5,
    2,
    64,
    null,
    false,
    false,
  ]);
  assert.deepEqual([read("--quick").rounds, read("--quick").seconds], [1, 1]);
  assert.equal(read("--quick", "--rounds", "3").rounds, 3);
  assert.deepEqual(read("--cpus", "3,1").cpus, { switch: 3, generator: 1 });
  assert.equal(read("list").action, "list");
});

Deno.test("--help and report are read", () => {
  assert.equal(readOptions(["report", "--help"]).action, "help");
  assert.equal(readOptions(["-h"]).action, "help");
  const report = readOptions(["report", "x.json", "--html", "y.html"]);
  assert(report.action === "report");
  assert.deepEqual([report.from, report.html, report.picture], ["x.json", "y.html", null]);
});

Deno.test("what is typed wrong is said in one line", () => {
  const wrong: readonly [string[], RegExp][] = [
    [["--rounds", "0"], /^--rounds 0 must be a number from 1 to 99$/],
    [["--seconds", "1e3"], /^--seconds 1e3 must be a number from 1 to 3600$/],
    [["--burst", "513"], /^--burst 513 must be/],
    [["--cpus", "1,1"], /^--cpus 1,1 must be two different processors/],
    [["--cpus", "1"], /^--cpus 1 must be two different processors/],
    [["--cheap"], /^Unknown option '--cheap'/],
    [["--rounds"], /--rounds/],
    [["--quick=1"], /--quick/],
    [["fast"], /^Unknown word: fast$/],
    [["run", "fast"], /^Unknown word: fast$/],
    [["report", "a", "b"], /^Unknown word: report$/],
  ];
  for (const [args, message] of wrong) {
    assert.throws(() => readOptions(args), (error) => {
      assert(error instanceof UsageError, args.join(" "));
      assert.match(error.message, message);
      assert(!error.message.includes("\n"));
      return true;
    });
  }
});

Deno.test("cells are chosen by suite and words, rivals by words, and the subject always runs", () => {
  const names = (...args: string[]): string[] =>
    chooseCells([SUITE], read(...args)).map(({ cell }) => cell);
  assert.deepEqual(names(), ["split 64", "packed 64", "packed 1500"]);
  assert.deepEqual(names("--cell", "Packed"), ["packed 64", "packed 1500"]);
  assert.deepEqual(names("--cell", "1500", "--cell", "split"), ["split 64", "packed 1500"]);
  assert.deepEqual(names("--quick"), ["split 64"]);
  assert.deepEqual(names("--quick", "--cell", "packed 1500"), ["packed 1500"], "asked for by name");
  const [cell] = chooseCells([SUITE], read("--against", "ovs"));
  assert.deepEqual(cell?.contenders.map(({ name }) => name), ["vuswitch", "OVS-DPDK"]);
  assert.throws(() => names("--suite", "speed"), /--suite speed must be one of throughput$/);
  assert.throws(() => names("--cell", "65"), /No cell's name has 65/);
});

Deno.test("contenders take turns, every other round the other way round", () => {
  const [cell] = chooseCells([SUITE], read("--against", "ovs"));
  assert.deepEqual(
    turnsOf(cell as Cell, 3).map(({ round, contender: { name } }) => `${round} ${name}`),
    ["0 vuswitch", "0 OVS-DPDK", "1 OVS-DPDK", "1 vuswitch", "2 vuswitch", "2 OVS-DPDK"],
  );
});

Deno.test("cells of all suites have names of their own, their subject among them, quick ones too", () => {
  for (const quick of [false, true]) {
    const cells = SUITES.flatMap((suite) => suite.cells(quick));
    const names = cells.map(({ suite, cell }) => `${suite}, ${cell}`);
    assert.deepEqual(names, [...new Set(names)]);
    for (const { cell, suite, subject, contenders } of cells) {
      assert(contenders.some(({ name }) => name === subject), cell);
      assert(SUITES.some(({ name }) => name === suite), cell);
      const own = contenders.map(({ name }) => name);
      assert.deepEqual(own, [...new Set(own)]);
    }
  }
});

Deno.test("--quick is over in two minutes", () => {
  const cells = chooseCells(SUITES, read("--quick"));
  const seconds = cells.reduce(
    (sum, cell) => sum + cell.contenders.length * (cell.overheadSeconds + 1),
    0,
  );
  assert(seconds < 120, `${seconds} s`);
});
