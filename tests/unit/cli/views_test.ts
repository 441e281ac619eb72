/**
 * What tables show of a document that is not every day's, and how their columns stand.
 */
import { strict as assert } from "node:assert";
import { formatTable } from "../../../lib/cli/table.ts";
import { vringTable } from "../../../lib/cli/commands/vring.ts";
import { workersView } from "../../../lib/cli/commands/worker.ts";
import { portTable, portView } from "../../../lib/cli/views.ts";
import type { PortStatus, WorkerStatus } from "../../../lib/control/types.ts";
import { workBetween, workOf } from "../../../lib/control/work.ts";

type List = Parameters<typeof vringTable>[0];

Deno.test("vring show says how many chains were bad, beside what became of the ring", () => {
  const states = (chains: readonly number[], error: string | null): string[] => {
    const list = {
      ...{ port: "vm1", link: "up", features: null, featureNames: [], memory: [] },
      vrings: chains.map((badChains, index) => ({
        ...{ index, direction: "to guest", size: 8, packed: false, lastAvail: 0, lastUsed: 0 },
        ...{ state: error === null ? "running" : "broken", counters: { badChains }, error },
      })),
    };
    const [, , ...rows] = vringTable(list as unknown as List).trimEnd().split("\n");
    return rows.map((row) => row.split(/ {2,}/).at(-1) as string);
  };
  assert.deepEqual(states([0, 1, 2], null), [
    "running",
    "running, 1 bad chain",
    "running, 2 bad chains",
  ]);
  assert.deepEqual(states([0, 2], "bad-index"), [
    "broken: bad-index",
    "broken: bad-index, 2 bad chains",
  ]);
});

function port(problems: readonly string[], more: Partial<PortStatus> = {}): PortStatus {
  return {
    ...{ name: "vm1", link: "up", admin: "up", linkedTo: null, mode: "listen", queuePairs: 1 },
    ...{ kind: "vhost", device: null, vlans: null, isolated: null, limit: null, guard: [], ip: [] },
    ...{ ring: "split/256", mtu: null, counters: {}, peer: null, socket: "vm1.sock", retry: null },
    ...{ lastError: null, errors: {}, featureNames: [], protocolFeatureNames: [], memory: [] },
    ...{ verdict: "a guest: mend it", verdictFix: "mend it", verdictCode: "x", verdictLevel: "ok" },
    problems: problems.map((code) => ({ code, text: "a guest", hint: "mend it (both)" })),
    ...more,
  } as unknown as PortStatus;
}

Deno.test("port list says what is wrong with a port that is up; port show says it with its hint", () => {
  const link = (status: PortStatus): string | undefined =>
    portTable({ ports: [status], listeners: [] }).split("\n")[1]?.split(/ {2,}/)[1];
  assert.equal(link(port([])), "up");
  assert.equal(link(port(["mac-flap", "closing"])), "up, mac-flap, closing");
  assert.equal(link(port(["mac-flap"], { linkedTo: "vm2" })), "up = vm2, mac-flap");
  assert.equal(link(port(["socket-gone"], { admin: "down" })), "admin-down, socket-gone");
  assert.match(portView(port([])), /^verdict +a guest\nfix +mend it$/m);
  assert.match(portView(port(["mac-flap"])), /^problem +mac-flap: a guest: mend it \(both\)$/m);
});

Deno.test("port list and port show have rates in place of counts, if somebody looked twice", () => {
  const counters = { rxFrames: 7, txFrames: 8, txDroppedNoBuffer: 1 };
  const rates = {
    seconds: 1,
    counters: { rxFrames: 1200.5, rxBytes: 1000, txFrames: 0, txDroppedNoBuffer: 2.5 },
  };
  const cells = (status: PortStatus): string[] | undefined =>
    portTable({ ports: [status], listeners: [] }).split("\n")[1]?.split(/ {2,}/).slice(6, 9);
  assert.deepEqual(cells(port([], { counters })), ["7", "8", "1"]);
  assert.deepEqual(cells(port([], { counters, rates })), ["1.2k", "0", "2.5"]);
  const heading = portTable({ ports: [port([], { counters, rates })], listeners: [] });
  assert.match(heading, / RX\/s \(from guest\) {2}TX\/s \(to guest\) {2}DROPS\/s /);
  const shown = portView(port([], { counters, rates }));
  assert.match(shown, /^RX \(from guest\) {2}7 frames, 0 bytes, 1\.2k frames\/s, 8\.0kbit\/s$/m);
});

Deno.test("port show counts one queue pair and several", () => {
  assert.match(portView(port([])), /^ring +split\/256, 1 queue pair, mtu any$/m);
  assert.match(portView(port([], { queuePairs: 2, mtu: 1500 })), /, 2 queue pairs, mtu 1500$/m);
});

Deno.test("port show says what VLANs a port is in, if it says so itself", () => {
  const line = (vlans: PortStatus["vlans"]): string | undefined =>
    /^vlans +(.*)$/m.exec(portView(port([], { vlans })))?.[1];
  assert.equal(line(null), undefined);
  assert.equal(line({ access: 10, trunk: null, native: null }), "access 10");
  assert.equal(line({ access: null, trunk: "1-3,7", native: null }), "trunk 1-3,7, native none");
  assert.equal(line({ access: null, trunk: "7", native: 7 }), "trunk 7, native 7");
});

Deno.test("a column of numbers goes right, with dashes for what has none; one of words or dashes left", () => {
  const table = (...cells: string[]): string[] =>
    formatTable(["A", "COUNT"], cells.map((cell) => ["x", cell])).trimEnd().split("\n");
  assert.deepEqual(table("12.0", "-"), ["A  COUNT", "x   12.0", "x      -"]);
  assert.deepEqual(table("-", "-"), ["A  COUNT", "x  -", "x  -"]);
  assert.deepEqual(table("1", "one"), ["A  COUNT", "x  1", "x  one"]);
});

Deno.test("worker show has shares and growth since the start, and of late beside them", () => {
  const before = { busyUs: 100_000, pollingUs: 900_000, frames: 1000, plainFrames: 900 };
  const counters = {
    ...{ busyUs: 700_000, pollingUs: 1_300_000, frames: 13_000, plainFrames: 9900 },
    ...{ generalFrames: 3100, bursts: 400, bursts1: 100, bursts2: 60, bursts128: 240, stalls: 2 },
  };
  const worker: WorkerStatus = {
    ...{ number: 0, at: "", idle: "poll", cpus: [2, 3], longestStallUs: 1234 },
    total: workOf(counters),
  };
  const rows = (workers: readonly WorkerStatus[]): Map<string, string[]> =>
    new Map(
      workersView(workers).split("\n").map((line) => {
        const [what = "", ...cells] = line.trim().split(/ {2,}/);
        return [what, cells];
      }),
    );
  const alone = rows([worker]);
  assert.deepEqual(alone.get("worker 0"), ["idle poll", "cpus 2,3", "longest stall 1.2 ms"]);
  assert.deepEqual(alone.get("WHAT"), ["SINCE-START-2.0s"]);
  assert.deepEqual(alone.get("busy"), ["35.0%"]);
  const both = rows([{ ...worker, lately: workBetween(before, counters) }]);
  assert.deepEqual(both.get("WHAT"), ["SINCE-START-2.0s", "LAST-1.0s"]);
  const expected: Readonly<Record<string, readonly string[]>> = {
    "busy": ["35.0%", "60.0%"],
    "idle": ["65.0%", "40.0%"],
    "busy ns a frame": ["53846.2", "50000.0"],
    "frames": ["13000", "12000"],
    "taken plain": ["76.2%", "74.4%"],
    "delivered plain": ["-", "-"],
    "of 1": ["25.0%", "25.0%"],
    "of 2-3": ["15.0%", "15.0%"],
    "of 64-127": ["0.0%", "0.0%"],
    "of 128": ["60.0%", "60.0%"],
    "stalls of 1 ms or more": ["2", "2"],
  };
  for (const [what, cells] of Object.entries(expected)) {
    assert.deepEqual(both.get(what), cells, what);
  }
  assert.equal(workersView([worker, { ...worker, number: 1 }]).match(/^worker \d/gm)?.length, 2);
});
