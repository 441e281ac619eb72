/**
 * What a data plane says of its own time, on a real switch with real traffic. How shares are told
 * apart is tested on a clock of its own (tests/unit/worker/work_meter_test.ts); here it is that the
 * loop tells the meter of everything.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { WorkerStatus } from "../../lib/control/types.ts";
import { type Work, workBetween } from "../../lib/control/work.ts";
import { Bed } from "../harness/bed.ts";
import { introduce, macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

async function total(bed: Bed): Promise<Work> {
  const workers = await callSwitch(bed.process.ctl, "GET", "/v1/workers") as WorkerStatus[];
  assert.equal(workers.length, 1);
  return (workers[0] as WorkerStatus).total;
}

/** What it did in the next part of a second. */
async function next(bed: Bed): Promise<Work> {
  const before = await total(bed);
  let work = workBetween(before.counters, before.counters);
  await until("time goes by", async () => {
    work = workBetween(before.counters, (await total(bed)).counters);
    return work.seconds > 0.3;
  });
  return work;
}

/** A guest may have a frame before it is counted, so until nothing is under way. */
async function atRest(bed: Bed): Promise<Work> {
  await until("nothing is under way", async () => (await next(bed)).busy === 0);
  return await total(bed);
}

Deno.test("worker: a plane without frames says so, however it waits for them", async () => {
  for (const idle of ["poll", "adaptive", "sleep"]) {
    await using bed = await Bed.make(2, "--idle", idle);
    for (const port of [1, 2]) await bed.guest(port);
    await atRest(bed);
    const { busy, idle: idleShare, polling, asleep, waited, counters } = await next(bed);
    assert.equal(busy, 0);
    // Others may have its processor: that is told apart.
    const ran = 1 - (waited ?? 0);
    assert((idleShare ?? 0) > 0.95 * ran, `${idle}: ${idleShare} of ${ran}`);
    const share = idle === "poll" ? polling : asleep;
    assert((share ?? 0) > 0.9 * ran, `${idle}: polling ${polling}, asleep ${asleep} of ${ran}`);
    assert.equal(counters["frames"], 0);
  }
});

Deno.test("worker: every frame is in a burst, and went one way or the other", async () => {
  await using bed = await Bed.make(2, "--idle", "adaptive");
  const one = await bed.guest(1);
  const two = await bed.guest(2, { packed: true });
  await introduce(one, two);
  const before = await atRest(bed);
  const frames = 200;
  for (let i = 0; i < frames; i++) {
    const frame = numberedFrame(macOf(2), macOf(1), i, i % 2 === 0 ? 60 : 1000);
    await until("there is room", () => {
      one.reapTransmit();
      return one.send(frame);
    });
    assert(await two.waitFor((bytes) => bytes.length === frame.length), "it arrives");
  }
  const { counters, busy, nsPerFrame } = workBetween(before.counters, (await atRest(bed)).counters);
  const get = (name: string): number => counters[name] ?? NaN;
  assert.equal(get("frames"), frames);
  assert.equal(get("plainFrames") + get("generalFrames"), frames);
  assert.equal(get("plainDelivered") + get("generalDelivered"), frames);
  const bursts = Object.entries(counters).filter(([name]) => /^bursts\d/.test(name));
  assert.equal(bursts.reduce((sum, [, count]) => sum + count, 0), get("bursts"));
  assert((busy ?? 0) > 0 && (nsPerFrame ?? 0) > 0, "and took some time");
  assert(get("busyRounds") > 0 && get("rounds") > get("busyRounds"));
});
