/** What a data plane does while no frames come. */
import { strict as assert } from "node:assert";
import { Crowding } from "../../../lib/worker/crowding.ts";
import {
  EMPTY_ROUNDS_MIN,
  IdlePolicy,
  LOOK_ON,
  NAP,
  SLEEP,
} from "../../../lib/worker/idle_policy.ts";
import type { Idle } from "../../../lib/worker/mailbox.ts";

function policy(idle: Idle, threads = 1): IdlePolicy {
  return new IdlePolicy(idle, new Crowding(2, { readyMs: () => 0, running: () => threads }));
}

/** A policy that has seen for long that others want the processor, and a frame at the end. */
function crowded(idle: Idle): { made: IdlePolicy; now: number } {
  const made = policy(idle, 5);
  for (let now = 0; now < 100; now++) made.decide(now, true, 0);
  return { made, now: 100 };
}

Deno.test("poll looks on, sleep sleeps at the first round without a frame", () => {
  for (const { made, now } of [crowded("poll"), { made: policy("poll"), now: 0 }]) {
    assert.equal(made.decide(now + 1e4, false, 1e6), LOOK_ON);
    assert.equal(made.isHasty, false);
  }
  const made = policy("sleep");
  assert.equal(made.isHasty, true);
  assert.equal(made.decide(5, true, 0), LOOK_ON);
  assert.equal(made.decide(5, false, 1), SLEEP);
});

Deno.test("adaptive looks on for a tenth of a millisecond, then sleeps", () => {
  const made = policy("adaptive");
  made.decide(5, true, 0);
  assert.equal(made.isHasty, false);
  assert.equal(made.decide(5.09, false, 1000), LOOK_ON);
  assert.equal(made.decide(5.11, false, EMPTY_ROUNDS_MIN - 1), LOOK_ON, "the thread was away");
  assert.equal(made.decide(5.11, false, EMPTY_ROUNDS_MIN), SLEEP);
});

Deno.test("where others want the processor it naps while frames keep coming, then sleeps", () => {
  const { made, now } = crowded("adaptive");
  assert.equal(made.isHasty, true);
  const naps = (): number => {
    for (let naps = 0; naps < 100; naps++) {
      const next = made.decide(now, false, 1);
      if (next === SLEEP) return naps;
      assert.equal(next, NAP);
    }
    throw new Error("it never sleeps");
  };
  const first = naps();
  assert(first > 0);
  assert.equal(made.decide(now, false, 1), SLEEP, "and sleeps on");
  assert.equal(made.decide(now, true, 0), LOOK_ON);
  assert.equal(naps(), first, "a frame begins it anew");
});
