/**
 * What tables show of a document that is not every day's, and how their columns stand.
 */
import { strict as assert } from "node:assert";
import { formatTable } from "../../../lib/cli/table.ts";
import { vringTable } from "../../../lib/cli/commands/vring.ts";
import { portTable, portView } from "../../../lib/cli/views.ts";
import type { PortStatus } from "../../../lib/control/types.ts";

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
    ...{ ring: "split/256", mtu: null, counters: {}, peer: null, socket: "vm1.sock", retry: null },
    ...{ lastError: null, errors: {}, featureNames: [], protocolFeatureNames: [], memory: [] },
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
  assert.match(portView(port(["mac-flap"])), /^problem +mac-flap: a guest: mend it \(both\)$/m);
});

Deno.test("port show counts one queue pair and several", () => {
  assert.match(portView(port([])), /^ring +split\/256, 1 queue pair, mtu any$/m);
  assert.match(portView(port([], { queuePairs: 2, mtu: 1500 })), /, 2 queue pairs, mtu 1500$/m);
});

Deno.test("a column of numbers goes right, with dashes for what has none; one of words or dashes left", () => {
  const table = (...cells: string[]): string[] =>
    formatTable(["A", "COUNT"], cells.map((cell) => ["x", cell])).trimEnd().split("\n");
  assert.deepEqual(table("12.0", "-"), ["A  COUNT", "x   12.0", "x      -"]);
  assert.deepEqual(table("-", "-"), ["A  COUNT", "x  -", "x  -"]);
  assert.deepEqual(table("1", "one"), ["A  COUNT", "x  1", "x  one"]);
});
