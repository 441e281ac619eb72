/**
 * What tables show of a document that is not every day's.
 */
import { deepEqual } from "node:assert/strict";
import { vringTable } from "../../../lib/cli/views.ts";

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
  deepEqual(states([0, 1, 2], null), ["running", "running, 1 bad chain", "running, 2 bad chains"]);
  deepEqual(states([0, 2], "bad-index"), [
    "broken: bad-index",
    "broken: bad-index, 2 bad chains",
  ]);
});
