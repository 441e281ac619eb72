/** Collections of V8 as a thread sees them that never returns to its event loop. */
import { strict as assert } from "node:assert";
import * as v8 from "node:v8";
import { counterBytes, WORKER, WORKER_BASE } from "../../../lib/switch/counters.ts";
import {
  CollectionCounter,
  type HeapTeller,
  LOOK_SECONDS,
} from "../../../lib/worker/collections.ts";

function counter(teller: HeapTeller): {
  readonly look: () => { collections: number; us: number };
  readonly tick: (seconds: number) => void;
} {
  const counters = new Float64Array(counterBytes(1, 2) / 8);
  const counting = new CollectionCounter(counters, teller);
  let seconds = 0;
  const get = (name: keyof typeof WORKER): number => counters[WORKER_BASE + WORKER[name]] ?? NaN;
  return {
    tick: (at) => counting.tick(at),
    look: () => {
      counting.tick(seconds += LOOK_SECONDS);
      return { collections: get("collections"), us: get("collectionUs") };
    },
  };
}

/** Makes garbage until V8 has collected some, if `look` tells. */
function untilCollected(look: () => { collections: number }, from: number): void {
  let kept: unknown[] = [];
  for (let i = 0; i < 10_000; i++) {
    for (let n = 0; n < 1000; n++) kept = [kept.length, n, i];
    if (look().collections > from) return;
  }
  assert.fail(`garbage is collected: ${kept.length}`);
}

Deno.test("collections of V8 are counted, without a turn of the event loop", () => {
  const { look } = counter(v8);
  const before = look();
  untilCollected(look, before.collections);
  const after = look();
  // Where V8 tells of each collection, it tells how long it took.
  if ("GCProfiler" in v8 && v8.GCProfiler) assert(after.us > before.us);
  else assert.equal(after.us, 0);
});

Deno.test("without a profile a heap that shrank tells of a collection", () => {
  let used = 1000;
  const { look } = counter({ getHeapStatistics: () => ({ used_heap_size: used }) });
  assert.deepEqual(look(), { collections: 0, us: 0 });
  const seen = [1200, 1500, 400, 400, 500, 100].map((bytes) => {
    used = bytes;
    return look().collections;
  });
  assert.deepEqual(seen, [0, 0, 1, 1, 1, 2]);
});

Deno.test("profiles are begun and ended in turn, nothing is counted twice, and looks are rare", () => {
  const said: string[] = [];
  let collected = [500_000, 250_000];
  class GCProfiler {
    start(): void {
      said.push("start");
    }
    stop(): { statistics: { cost: number }[] } {
      said.push("stop");
      return { statistics: collected.map((cost) => ({ cost })) };
    }
  }
  const { look, tick } = counter({ GCProfiler, getHeapStatistics: () => ({ used_heap_size: 0 }) });
  assert.deepEqual(look(), { collections: 2, us: 750 });
  collected = [];
  for (let second = 1; second < LOOK_SECONDS; second++) tick(LOOK_SECONDS + second);
  assert.equal(said.length, 3, "not in every second");
  assert.deepEqual(look(), { collections: 2, us: 750 });
  assert.deepEqual(said, ["start", "stop", "start", "stop", "start"]);
});
