/** The watch over stuck calls ends connections, each once. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { CallWatch } from "../../../lib/control/call_watch.ts";
import type { StuckCalls } from "../../../lib/worker/stuck_calls.ts";
import { until } from "../../harness/until.ts";

Deno.test("the connection of whoever held the data plane ends, once, as long as it is watched", async () => {
  const guilty = new Map<number, number>();
  let looks = 0;
  let quiet = false;
  const stuckCalls = {
    look: () => void looks++,
    get guilty() {
      return [...guilty];
    },
    forgive: (port: number) => void guilty.delete(port),
    mayRest: () => quiet,
  } as unknown as StuckCalls;
  const ended: [number, number][] = [];
  const watch = new CallWatch({ stuckCalls }, {
    callBlocked: (port, vring) => void ended.push([port, vring]),
  });
  await until("two looks", () => looks >= 2);
  assert.deepEqual(ended, []);
  guilty.set(3, 1).set(5, 0);
  await until("both are found", () => ended.length >= 2);
  const seen = looks;
  await until("two more looks", () => looks >= seen + 2);
  assert.deepEqual(ended, [[3, 1], [5, 0]]);
  quiet = true;
  const last = looks + 1;
  await until("a last look", () => looks >= last);
  await delay(300);
  assert.equal(looks, last, "nobody is called");
  quiet = false;
  watch.resume();
  watch.resume();
  await until("looks again", () => looks >= last + 2);
  // A timer that goes on would fail the test.
  watch.close();
  watch.resume();
});
