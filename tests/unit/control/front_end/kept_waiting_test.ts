/** Calls that a tenant kept waiting are told from those that a busy machine did. */
import { strict as assert } from "node:assert";
import { closeFd } from "../../../../ffi/mod.ts";
import { KeptWaiting } from "../../../../lib/control/front_end/kept_waiting.ts";
import { MappingPool } from "../../../../lib/control/front_end/guest_memory.ts";
import { isRefusal } from "../../../../lib/vhost/reasons.ts";
import { faultOf } from "../../../../lib/control/vhost_port/stalls.ts";
import { TestArena } from "../../../harness/arena.ts";
import { FakePlane } from "../fake_plane.ts";
import { held, memoryFile } from "../support.ts";

/** Clocks that a test sets. */
class Clocks {
  nowMs = 1000;
  waited = 5;
  now = (): number => this.nowMs;
  waits = (): number => this.waited;
}

Deno.test("a call that waited and took long was kept waiting; no other", () => {
  const clocks = new Clocks();
  const kept = new KeptWaiting(clocks);
  const after = (ms: number, waits: number): number => {
    kept.begin();
    clocks.nowMs += ms;
    clocks.waited += waits;
    return kept.end();
  };
  assert.equal(after(0, 0), 0);
  assert.equal(after(99, 3), 0);
  assert.equal(after(500, 0), 0, "the machine stood still");
  assert.equal(after(500, 1), 500);
  assert.equal(after(0, 0), 0, "each is judged by itself");
});

Deno.test("a thread's own clocks go on", () => {
  const kept = new KeptWaiting();
  kept.begin();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
  assert(kept.end() > 100);
  kept.begin();
  assert.equal(kept.end(), 0);
});

Deno.test("who keeps the mapping of its file waiting is refused, and rests", () => {
  const before = held();
  const plane = new FakePlane();
  using arena = new TestArena();
  const clocks = new Clocks();
  // The file is asked for nothing between both looks at the clock but to be mapped.
  let slow = true;
  clocks.now = () => clocks.nowMs += slow ? 150 : 0;
  clocks.waits = () => clocks.waited++;
  const pool = new MappingPool(plane.commands, arena, "take", new KeptWaiting(clocks));
  const fd = memoryFile(4096);
  const region = { guestAddr: 0, sizeBytes: 4096, userAddr: 0, mmapOffset: 0 };
  const refused = pool.acquire(region, fd);
  assert(isRefusal(refused));
  assert.equal(refused.code, "slow-file");
  assert.match(refused.detail, /test-\S+ took 150 ms: its owner kept it busy/);
  assert.deepEqual(faultOf(refused), { faulty: true, stalled: true });
  assert.deepEqual([pool.mappedBytes, plane.mappings.size], [0, 0]);
  slow = false;
  const mapped = pool.acquire(region, fd);
  assert(!isRefusal(mapped), "the next one is not to blame");
  pool.release(mapped);
  closeFd(fd);
  assert.deepEqual(held(), before);
});
