/**
 * Turns, failures, interruption, progress, and what a terminal shows.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { judgeGoal } from "../../../bench/goal.ts";
import { Progress, sayTime } from "../../../bench/progress.ts";
import { formatTable, warnings } from "../../../bench/report/table.ts";
import { runCells } from "../../../bench/runner.ts";
import type { Bench, Cell, Contender, Sample } from "../../../bench/suite.ts";
import { benchProcesses, mustBeAlone, noHugePages, withoutMissing } from "../../../bench/needs.ts";
import { HEAD, run, SESSION } from "./sessions.ts";
import { type CellRecord, summarize } from "../../../bench/record.ts";

const BENCH: Bench = { cpus: { switch: 1, generator: 0 }, hugepages: false, seconds: 1, burst: 64 };

function sample(value: number): Sample {
  const nothing = { more: {}, quantilesUs: null, switchCore: null, generatorCore: null };
  return { value, ...nothing, note: "a note" };
}

function contender(name: string, values: readonly number[], folders: string[] = []): Contender {
  let next = 0;
  return {
    name,
    missing: [],
    run: (_, folder) => {
      folders.push(folder);
      assert(Deno.statSync(folder).isDirectory);
      const value = values[next++];
      return value === undefined
        ? Promise.reject(new Error("first line\nsecond\nlast line"))
        : Promise.resolve(sample(value));
    },
  };
}

function cell(contenders: readonly Contender[]): Cell {
  return { ...HEAD, contenders, memoryMib: 1, overheadSeconds: 1 };
}

Deno.test("runs are recorded in order with a line each, failures too, and leave no folder", async () => {
  const [said, folders]: [string[], string[]] = [[], []];
  const cells = [
    cell([contender("vuswitch", [4, 6], folders), contender("OVS-DPDK", [2], folders)]),
  ];
  const kept: number[] = [];
  const hooks = {
    interrupted: (): boolean => false,
    say: (line: string) => said.push(line),
    keep: (done: readonly CellRecord[]): Promise<void> => {
      kept.push(done.length);
      return Promise.resolve();
    },
  };
  const outcome = await runCells(cells, 2, BENCH, hooks);
  assert.equal(outcome.complete, true);
  assert.deepEqual(kept, [1], "a cell is kept as soon as it is done");
  const [record] = outcome.cells;
  assert.deepEqual(
    record?.runs.map(({ contender, round, value }) => [contender, round, value]),
    [["vuswitch", 0, 4], ["OVS-DPDK", 0, 2], ["OVS-DPDK", 1, null], ["vuswitch", 1, 6]],
  );
  assert.equal(record?.runs[2]?.error, "first line … last line");
  assert.deepEqual(record?.ratios, { "OVS-DPDK": { median: 2, min: 2, max: 2, n: 1 } });
  assert.equal(outcome.failures.length, 1);
  assert.match(
    said[0] ?? "",
    /^\[1\/4, .* left\] .*split 64, round 1: vuswitch 4 Mpps \(a note\)$/,
  );
  assert.match(said[2] ?? "", /OVS-DPDK FAILED: first line/);
  assert.match(said[3] ?? "", /^\[4\/4, done\]/);
  for (const folder of folders) assert.throws(() => Deno.statSync(folder), Deno.errors.NotFound);
});

Deno.test("an interruption ends the session: what failed for it is not recorded", async () => {
  const keep = (): Promise<void> => Promise.reject(new Error("no cell is done"));
  let interrupted = false;
  const broken: Contender = {
    name: "OVS-DPDK",
    missing: [],
    run: () => {
      interrupted = true;
      return Promise.reject(new Error("killed"));
    },
  };
  const cells = [cell([contender("vuswitch", [4, 4]), broken]), cell([contender("vuswitch", [1])])];
  const hooks = { interrupted: (): boolean => interrupted, say: (): void => {}, keep };
  const outcome = await runCells(cells, 2, BENCH, hooks);
  assert.equal(outcome.complete, false);
  assert.deepEqual(outcome.failures, []);
  assert.deepEqual(outcome.cells.map(({ runs }) => runs.length), [1]);
});

Deno.test("contenders that lack a package are left out with the command that mends it", () => {
  const lacking = { ...contender("OVS-DPDK", []), missing: ["openvswitch-switch-dpdk"] };
  const { cells, skipped } = withoutMissing([
    ...[cell([contender("vuswitch", []), lacking]), cell([lacking])],
  ]);
  assert.deepEqual(cells.map(({ contenders }) => contenders.map(({ name }) => name)), [[
    "vuswitch",
  ]]);
  assert.deepEqual(skipped, ["SKIPPED OVS-DPDK: apt-get install openvswitch-switch-dpdk"]);
});

Deno.test("a goal is a ratio to reach, or a figure not to exceed, judged by medians", () => {
  const [cell] = SESSION.cells;
  assert(cell);
  assert.deepEqual(judgeGoal(cell), { reached: true, words: "goal 1.5 x OVS-DPDK: reached, 1.75" });
  const missed = judgeGoal({ ...cell, goal: { times: "OVS-DPDK", value: 2 } });
  assert.deepEqual(missed, { reached: false, words: "goal 2 x OVS-DPDK: missed, 1.75" });
  const less = { ...cell, better: "less", unit: "us" } as const;
  assert.equal(judgeGoal({ ...less, goal: { times: null, value: 24 } })?.reached, true);
  assert.equal(
    judgeGoal({ ...less, goal: { times: null, value: 23 } })?.words,
    "goal 23 us: missed, 24",
  );
  assert.equal(judgeGoal({ ...cell, goal: null }), null);
  assert.equal(judgeGoal({ ...cell, goal: { times: "not run", value: 1 } }), null);
});

Deno.test("what another bench left running is found by the folder it works in", async () => {
  const left = new Deno.Command("sh", {
    args: ["-c", "echo ready; read -r line", "/tmp/vub-test/vm1.sock"],
    ...{ stdin: "piped", stdout: "piped" },
  }).spawn();
  const reader = left.stdout.getReader();
  await reader.read();
  assert(benchProcesses().includes(left.pid));
  assert.throws(
    () => mustBeAlone(),
    new RegExp(`^NeedError: Another bench .*kill .*\\b${left.pid}\\b`),
  );
  await left.stdin.close();
  await reader.cancel();
  await left.status;
  assert(!benchProcesses().includes(left.pid));
});

Deno.test("too few huge pages are said in one line with the command that mends it", () => {
  const { message } = noHugePages(2048);
  assert.match(message, /^Cannot reserve 2048 MiB of huge pages, \d+ MiB are free/);
  assert.match(message, /echo 1024 > \/proc\/sys\/vm\/nr_hugepages, or use --small-pages$/);
  assert(!message.includes("\n"));
});

Deno.test("a session that is not worth a claim says why", () => {
  const well = { ...SESSION, cells: [summarize(HEAD, [run("vuswitch", 0, 1)])] };
  assert.deepEqual(warnings(well), []);
  assert.match(warnings({ ...well, quick: true })[0] ?? "", /^a quick look/);
  assert.match(warnings({ ...well, complete: false })[0] ?? "", /^interrupted/);
  assert.match(warnings(SESSION)[0] ?? "", /^1 of 6 runs failed/);
  const switchCore = { cpu: 1, busy: 1, stolen: 0, waited: 0.3, worked: null, emptyPolls: null };
  const shared = summarize(HEAD, [{ ...run("vuswitch", 0, 1), switchCore }]);
  assert.match(warnings({ ...SESSION, cells: [shared] })[0] ?? "", /^1 of 1 runs had to share/);
});

Deno.test("the time left follows what the first runs took", () => {
  let now = 0;
  const progress = new Progress([10, 10, 20], () => now);
  assert.equal(progress.head, "[0/3, 40 s left]");
  now = 20_000;
  progress.step(10);
  assert.equal(progress.head, "[1/3, 1 min 0 s left]");
  now = 80_000;
  progress.step(10);
  progress.step(20);
  assert.equal(progress.head, "[3/3, done]");
  assert.equal(sayTime(59.6), "1 min 0 s");
  assert.equal(sayTime(7260), "2 h 1 min");
});

Deno.test("the table shows medians, ends, ratios, and what is to be said of the cores", () => {
  const table = formatTable(SESSION);
  assert.match(table, /^cpu: a\ncores: 2\n\nthroughput, split 64: frames\n/);
  assert.match(table, /vuswitch +24 Mpps +\(10 - 30, n = 3\)$/m);
  assert.match(table, /OVS-DPDK +15\.5 Mpps +\(15 - 16, n = 2\) +failed in 1 of 3$/m);
  assert.match(table, /vuswitch \/ OVS-DPDK: 1\.75 \(1\.50 - 2\.00, 2 pairs\)/);
  assert.match(table, /^ {2}goal 1\.5 x OVS-DPDK: reached, 1\.75$/m);
  const bound = { ...run("vuswitch", 0, 1) };
  const generatorCore = { cpu: 0, busy: 1, stolen: 0.1, waited: 0, worked: 1, emptyPolls: 0 };
  const disturbed = { ...SESSION, cells: [summarize(HEAD, [{ ...bound, generatorCore }])] };
  assert.match(formatTable(disturbed), /generator-bound in 1 of 1, generator disturbed in 1 of 1/);
});
