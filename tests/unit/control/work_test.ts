/** What is worked out from a data plane's counters, for all time and between two looks. */
import { strict as assert } from "node:assert";
import { workBetween, workOf } from "../../../lib/control/work.ts";

const SECOND = 1e6;

Deno.test("shares are of the time that is told apart, and a frame costs busy time", () => {
  const work = workOf({
    ...{ busyUs: SECOND, pollingUs: 2 * SECOND, asleepUs: 3 * SECOND, commandUs: SECOND },
    waitedUs: SECOND,
    ...{ frames: 20_000_000, bursts: 3 },
  });
  const { counters, ...rest } = work;
  assert.deepEqual(rest, {
    ...{ seconds: 8, busy: 0.125, idle: 0.625, polling: 0.25, asleep: 0.375 },
    ...{ commands: 0.125, waited: 0.125, nsPerFrame: 50 },
  });
  assert.equal(counters["bursts"], 3);
  assert.equal(counters["sleeps"], 0, "every counter is there");
  assert(!("longestStallUs" in counters), "but for those that do not grow");
});

Deno.test("without time there are no shares, without frames no time a frame", () => {
  const { seconds, busy, idle, nsPerFrame } = workOf({});
  assert.deepEqual([seconds, busy, idle, nsPerFrame], [0, null, null, null]);
});

Deno.test("between two looks only what grew counts, beyond 32 bits too; anew it began at 0", () => {
  const first = { busyUs: 7e12, pollingUs: 3e12, frames: 2 ** 40, bursts128: 2 ** 33 };
  const last = { busyUs: 7e12 + 900_000, pollingUs: 3e12 + 100_000, frames: 2 ** 40 + 2 ** 33 };
  const work = workBetween(first, { ...last, bursts128: 2 ** 33 + 2 ** 26 });
  assert.deepEqual([work.seconds, work.busy, work.idle], [1, 0.9, 0.1]);
  assert.equal(work.counters["frames"], 2 ** 33);
  assert.equal(work.counters["bursts128"], 2 ** 26);
  const anew = workBetween(first, { busyUs: 100, pollingUs: 300, frames: 4 });
  assert.deepEqual([anew.busy, anew.counters["frames"], anew.nsPerFrame], [0.25, 4, 25_000]);
});
