/**
 * "Did you mean".
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { didYouMean, nearest } from "../../../lib/base/nearest.ts";

const CASES: readonly [string, readonly string[], readonly string[]][] = [
  ["vm11", ["vm1", "web"], ["vm1"]],
  ["mv1", ["vm1", "web"], ["vm1"]],
  ["VM1", ["vm1", "vm2"], ["vm1"]],
  ["lsit", ["list", "show"], ["list"]],
  ["isoaltde", ["isolated", "socket"], ["isolated"]],
  ["socektpath", ["socket-path", "mac"], ["socket-path"]],
  ["lsti", ["list", "show"], []],
  ["vm9", ["vm1", "vm2"], ["vm1", "vm2"]],
  ["vm9", ["vm1", "vm2", "vm3", "vm4"], []],
  ["web", ["web-server", "db"], ["web-server"]],
  ["mtuu", ["mtu", "mac"], ["mtu"]],
  ["zebra", ["vm1", "web"], []],
  ["", ["vm1"], []],
  ["x".repeat(65), ["x".repeat(65)], []],
];

for (const [word, known, meant] of CASES) {
  Deno.test(`${word.slice(0, 9)} of ${known.join(" ").slice(0, 30)}`, () => {
    assert.deepEqual(nearest(word, known), meant);
  });
}

Deno.test("it is said as a question", () => {
  assert.equal(didYouMean("vm9", ["vm1", "vm2"]), "did you mean vm1 or vm2?");
  assert.equal(didYouMean("vm9", []), null);
});
