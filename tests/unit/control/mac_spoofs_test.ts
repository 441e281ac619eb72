/** What is said of ports that send from addresses which are not their own. */
import { strict as assert } from "node:assert";
import { MacSpoofs } from "../../../lib/control/mac_spoofs.ts";
import { keptLog } from "./support.ts";

Deno.test("a port that goes on is said once a minute, and shown until it ends or is removed", () => {
  let now = 0;
  const { logger, lines } = keptLog();
  const spoofs = new MacSpoofs(logger, () => now);
  const codes = (port: string): string[] => spoofs.problems(port).map(({ code }) => code);
  for (; now < 120_000; now += 1000) {
    spoofs.told("vm1", { low: 0x2, high: now & 0xffff }, now % 2000 === 0 ? "vm2" : null);
    assert.deepEqual([codes("vm1"), codes("vm2")], [["mac-spoof"], []]);
  }
  assert.equal(lines.length, 2);
  assert(lines.every((line) => line.startsWith("mac-spoof")), lines.join("\n"));
  now += 10_000;
  assert.deepEqual(codes("vm1"), []);
  spoofs.told("vm1", { low: 2, high: 0 }, null);
  spoofs.forget("vm1");
  assert.deepEqual(codes("vm1"), []);
});
