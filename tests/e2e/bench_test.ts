/**
 * The bench's own guests at a real switch: what they send arrives, whatever the ring. How fast is
 * no matter here.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { LeanGuest } from "../../bench/lean/guest.ts";
import { floodLarge } from "../../bench/lean/large.ts";
import { awaitSwitch, flood, type Pair, ping, rate, wake } from "../../bench/lean/loads.ts";
import { IdleGuests } from "../../bench/load/idle_guests.ts";
import type { LeanTask } from "../../bench/lean/task.ts";
import { QUANTILES } from "../../bench/statistics.ts";
import { historyOf, readSession } from "../../bench/record.ts";
import { Bed } from "../harness/bed.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const MAIN = new URL("../../bench/main.ts", import.meta.url).pathname;
const SECONDS = 0.05;

/** Runs the bench with what a user would type. */
async function bench(...args: string[]): Promise<{ code: number; said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, ...args],
    ...{ stdin: "null", env: { NO_COLOR: "1" } },
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, said: text(stdout) + text(stderr) };
}

for (const ring of ["split", "packed"] as const) {
  Deno.test(`lean guests with ${ring} rings ping, wake, keep a rate and flood`, async () => {
    await using bed = await Bed.make(2);
    const shape = { packed: ring === "packed", bytes: 64, ringSize: 64 };
    using one = await LeanGuest.start(bed.socket(1), 0, shape);
    using other = await LeanGuest.start(bed.socket(2), 1, shape);
    const pair: Pair = [one, other];
    await awaitSwitch(pair);
    for (const times of [ping(pair, SECONDS), await wake(pair, SECONDS, 2)]) {
      assert(times.length > 0 && times.every((us, i) => us > 0 && us >= (times[i - 1] ?? 0)));
    }
    const paced = await rate(pair, 50_000, SECONDS);
    assert(paced.offered >= 2000 && paced.offered <= 2500, `${paced.offered}`);
    assert(paced.received > 0 && paced.received <= paced.offered);
    let full = await flood(pair, SECONDS, 40);
    while (full.offered < 400) full = await flood(pair, SECONDS, 40);
    assert(full.received > 0 && full.received <= full.offered);
    assert.equal((await bed.process.fdb()).length, 40, "each station has talked");
    for (const { rx, tx } of pair) {
      rx.check();
      tx.check();
    }
  });
}

Deno.test("large frames of a lean guest arrive whole, and cut", async () => {
  await using bed = await Bed.make(2);
  const task: LeanTask = {
    ...{ kind: "large", sockets: [bed.socket(1), bed.socket(2)], ring: "split", bytes: 64 },
    ...{ cpu: 0, otherCpu: 0, seconds: SECONDS, stations: 2, known: 2, restMs: 0 },
    receiver: "whole",
  };
  for (const [receiver, counter] of [["whole", "txFrames"], ["plain", "txCut"]] as const) {
    const { value } = await floodLarge({ ...task, receiver }, async (work) => await work());
    assert(value > 0);
    assert(((await bed.port(2)).counters[counter] ?? 0) > 0, counter);
  }
});

Deno.test("idle guests have their links up, and are gone together", async () => {
  await using bed = await Bed.make(3);
  const guests = await IdleGuests.start([1, 2, 3].map((port) => bed.socket(port)));
  for (const port of [1, 2, 3]) assert.equal((await bed.port(port)).link, "up");
  guests[Symbol.dispose]();
  await assert.rejects(IdleGuests.start([bed.socket(1), `${bed.socket(2)}.none`]));
});

const missing = hasProgram("dpdk-testpmd") ? [] : ["dpdk-dev"];
peerTest(
  "a bench of two cells leaves a record and a report",
  missing,
  async () => {
    using folder = new TempFolder();
    const [out, html] = [`${folder.path}/history`, `${folder.path}/report.html`];
    let result = { code: -1, said: "" };
    await until("nobody else to bench", async () => {
      result = await bench(
        ...["--cell", "packed 256", "--cell", "ping-pong, packed", "--against", "adaptive"],
        ...["--rounds", "1", "--seconds", "1", "--small-pages", "--out", out, "--html", html],
      );
      return !result.said.includes("Another bench runs");
    });
    assert.equal(result.code, 0, result.said);
    assert.match(result.said, /^\[3\/3, done\] latency, ping-pong, packed 64, round 1: /m);
    const [path = "", ...others] = historyOf(out);
    assert.deepEqual(others, []);
    const { cells, complete, machine } = await readSession(path);
    assert.equal(complete, true);
    assert.equal(machine["pages"], "4 KiB");
    assert.deepEqual(cells.map(({ cell }) => cell), ["packed 256", "ping-pong, packed 64"]);
    for (const { cell, contenders, runs } of cells) {
      assert((contenders["vuswitch"]?.median ?? 0) > 0, cell);
      for (const { switchCore, generatorCore } of runs) {
        assert((switchCore?.busy ?? 0) > 0 && (generatorCore?.busy ?? 0) > 0, cell);
      }
    }
    assert((cells[0]?.runs[0]?.generatorCore?.worked ?? 0) > 0, "testpmd tells how much it worked");
    assert.equal(cells[1]?.runs[0]?.quantilesUs?.length, QUANTILES.length);
    assert.match(Deno.readTextFileSync(html), /<svg [^]*ping-pong, packed 64/);
  },
);

peerTest("a bench that could not keep what it measures does not begin", missing, async () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  let result = { code: -1, said: "" };
  await until("nobody else to bench", async () => {
    const out = `${folder.path}/file/history`;
    result = await bench("--cell", "packed 256", "--small-pages", "--out", out);
    return !result.said.includes("Another bench runs");
  });
  assert.equal(result.code, 1);
  assert.match(result.said, /^.*file\/history.*$/m);
  assert(!/ {4}at |round 1/.test(result.said), result.said);
});

Deno.test("a bench that is asked for what there is not says so in one line", async () => {
  const { code, said } = await bench("--suite", "speed");
  assert.equal(code, 2);
  assert.match(
    said,
    /^--suite speed must be one of throughput, .*\nTry: deno task bench --help\n$/,
  );
});
