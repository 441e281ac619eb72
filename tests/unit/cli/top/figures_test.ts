/** What `top` works out of two looks at a switch. */
import { strict as assert } from "node:assert";
import { batchText } from "../../../../lib/cli/top/batch.ts";
import { figuresBetween, isSameSwitch, type TopLook } from "../../../../lib/cli/top/figures.ts";
import { firstState } from "../../../../lib/cli/top/state.ts";
import type { PortStatus } from "../../../../lib/control/types.ts";
import { judge, verdictFields } from "../../../../lib/control/verdict/judge.ts";
import { workOf } from "../../../../lib/control/work.ts";
import { strictFaults } from "../../../harness/json_schema.ts";

type Counters = Readonly<Record<string, number>>;

function port(name: string, counters: Counters): PortStatus {
  const status = {
    ...{ name, kind: "vhost", admin: "up", link: "up", linkedTo: null, problems: [], counters },
  } as unknown as PortStatus;
  return { ...status, ...verdictFields(judge(status)) };
}

function look(atMs: number, ports: Readonly<Record<string, Counters>>, busyUs = 0): TopLook {
  const counters = { busyUs, asleepUs: 1000 * atMs - busyUs, frames: busyUs };
  const status = {
    ...{ at: "2026-01-01T00:00:00.000Z", startedAt: "2026-01-01T00:00:00.000Z", version: "0.1.0" },
    ...{ pid: 7, uptimeSeconds: 5, fdb: { entries: 2 }, fdbEntriesMax: 10 },
    ports: Object.entries(ports).map(([name, counters]) => port(name, counters)),
  } as unknown as TopLook["status"];
  const worker = { number: 0, total: workOf(counters) } as unknown as TopLook["workers"][number];
  return { status, workers: [worker], atMs };
}

Deno.test("rates are growth by time, of ports and of all of them; the busiest comes first", () => {
  const first = look(1000, { a: { rxFrames: 100, rxBytes: 6000 }, b: { txFrames: 5 } });
  const last = look(3000, {
    a: { rxFrames: 110, rxBytes: 6600, rxDroppedRate: 20 },
    b: { txFrames: 95, txDroppedNoBuffer: 10, txDroppedLinkDown: 2 },
  }, 1_000_000);
  const figures = figuresBetween(first, last);
  assert.deepEqual(strictFaults("top", figures), []);
  assert.deepEqual(figures.ports.map(({ name, share }) => [name, share]), [["b", 0.9], ["a", 0.1]]);
  const [b, a] = figures.ports;
  assert.deepEqual(a?.flow, { rxFrames: 5, rxBits: 2400, txFrames: 0, txBits: 0, drops: 10 });
  assert.deepEqual(b?.dropped, { txDroppedNoBuffer: 5, txDroppedLinkDown: 1 });
  assert.deepEqual([a?.verdictCode, b?.verdictCode], ["policed-in", "ring-full"]);
  assert.deepEqual(figures.all, { rxFrames: 5, rxBits: 2400, txFrames: 45, txBits: 0, drops: 16 });
  assert.deepEqual(
    [figures.seconds, figures.workers[0]?.busy, figures.workers[0]?.frames],
    [2, 0.5, 500_000],
  );
  const text = batchText(figures, firstState("name", "", 1));
  assert.match(text, /^vuswitch 0\.1\.0 {2}pid 7 .* over 2 s {2}2 ports$/m);
  assert.match(text, /^worker 0 {2}busy 50\.0 % /m);
  assert.match(text, /^a +up +5 +2\.4k +0 +0 +10 +10% {2}it sends more than it may: 67 % /m);
  assert.doesNotMatch(batchText(figures, firstState("name", "b", 1)), /^a /m);
});

Deno.test("a port that is new has no rates yet, one that was made anew began at 0", () => {
  const first = look(0, { a: { rxFrames: 100, txFrames: 7 } });
  const last = look(1000, { a: { rxFrames: 3, txFrames: 9 }, b: { rxFrames: 1000 } });
  const { ports } = figuresBetween(first, last);
  assert.deepEqual(ports.map(({ name, flow }) => [name, flow.rxFrames, flow.txFrames]), [
    ["a", 3, 9],
    ["b", 0, 0],
  ]);
  const still = figuresBetween(last, last);
  assert.deepEqual(strictFaults("top", still), []);
  assert(still.seconds > 0);
});

Deno.test("counters of another process, or of one that has the same number, are not compared", () => {
  const one = look(0, {});
  const other = (more: object): TopLook => ({ ...one, status: { ...one.status, ...more } });
  assert(isSameSwitch(one, other({ at: "later" })));
  assert(!isSameSwitch(one, other({ pid: 8 })));
  assert(!isSameSwitch(one, other({ startedAt: "2026-01-02T00:00:00.000Z" })));
});
