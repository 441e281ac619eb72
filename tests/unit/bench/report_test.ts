/**
 * The arithmetic behind the bench's claims.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { formatTable, median, pairRatios, type Row, toJson } from "../../../bench/report.ts";

const ROW: Row = {
  cell: "split 64 B",
  subject: "vuswitch",
  runs: { vuswitch: [30, 10, 24], "OVS-DPDK": [15, 4, 16] },
  notes: { vuswitch: "inorder Rx path" },
};

Deno.test("median() takes the middle of odd counts and the mean of the middle of even ones", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([10, 9, 100]), 10);
  assert(Number.isNaN(median([])));
});

Deno.test("pairRatios() compares runs of the same round only", () => {
  assert.deepEqual(pairRatios(ROW, "OVS-DPDK"), [2, 2.5, 1.5]);
});

Deno.test("formatTable() shows medians, bests and the median ratio", () => {
  const table = formatTable([ROW]);
  assert.match(table, /vuswitch +median +24\.00 Mpps +best +30\.00 +inorder Rx path/);
  assert.match(table, /OVS-DPDK +median +15\.00 Mpps +best +16\.00/);
  assert.match(table, /ratio, median of pairs: 2\.00 x OVS-DPDK \(1\.50-2\.50\)/);
});

Deno.test("toJson() keeps every run", () => {
  const { about, subject, cells } = JSON.parse(toJson([ROW], { cores: 2 }));
  assert.deepEqual(about, { cores: 2 });
  assert.equal(subject, "vuswitch");
  assert.deepEqual(cells[0].runsMpps, ROW.runs);
  assert.deepEqual(cells[0].ratioTo["OVS-DPDK"], { median: 2, pairs: [2, 2.5, 1.5] });
});
