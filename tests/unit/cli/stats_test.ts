/** The table of `stats PORT`, of a port and of a listener. */
import { strict as assert } from "node:assert";
import { portStatsTable } from "../../../lib/cli/commands/stats.ts";

const AT = "2026-01-01T00:00:00.000Z";

function rows(table: string): string[][] {
  return table.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
}

Deno.test("stats of a listener are those of its ports, with rates where they are measured", () => {
  const ports = {
    m0: { counters: { rxFrames: 7, txFrames: 0 }, errors: {}, rates: { rxFrames: 1.5 } },
    m1: { counters: { rxFrames: 0, txFrames: 3 }, errors: { "bad-index": 1 } },
  };
  const table = portStatsTable({ name: "m{n}", at: AT, counters: null, errors: {}, ports });
  assert.deepEqual(rows(table), [
    ["WHERE", "COUNTER", "VALUE", "PER-SECOND"],
    ["m0", "rxFrames", "7", "1.5"],
    ["m1", "txFrames", "3", "-"],
    ["m1", "closed: bad-index", "1", "-"],
  ]);
});

Deno.test("stats without a number say why, and are no empty table", () => {
  const listener = { name: "m{n}", at: AT, counters: null, errors: {}, ports: {} };
  assert.match(portStatsTable(listener), /^m\{n\}: no port of it is there, .*\n$/);
  const port = { name: "vm1", at: AT, counters: { rxFrames: 0 }, errors: {} };
  assert.equal(portStatsTable(port), "vm1: nothing was counted yet\n");
});
