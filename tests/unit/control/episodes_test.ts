/** What is said of ports that go on doing something wrong. */
import { strict as assert } from "node:assert";
import { Episodes } from "../../../lib/control/episodes.ts";

Deno.test("what goes on is said once a minute for each kind, and shown until it ends", () => {
  let now = 0;
  const episodes = new Episodes(() => now);
  const codes = (port: string): string[] => episodes.problems(port).map(({ code }) => code);
  let said = 0;
  for (; now < 120_000; now += 1000) {
    if (episodes.goesOn("vm1", "mac-spoof", `text ${now}`, "hint")) said++;
    if (episodes.goesOn("vm1", "storm", "text", "hint")) said++;
    assert.deepEqual([codes("vm1"), codes("vm2")], [["mac-spoof", "storm"], []]);
  }
  assert.equal(said, 4);
  now += 10_000;
  assert.deepEqual(codes("vm1"), []);
  episodes.goesOn("vm1", "storm", "text", "hint");
  assert.deepEqual(codes("vm1"), ["storm"]);
  episodes.forget("vm1");
  assert.deepEqual(codes("vm1"), []);
});
