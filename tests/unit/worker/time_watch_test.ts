/** Who is charged for time that pages and calls take, and who is not. */
import { strict as assert } from "node:assert";
import type { ThreadUse } from "../../../ffi/mod.ts";
import { KNOWN_MS_MAX, VISIT_MS_MAX } from "../../../lib/switch/closely.ts";
import { EVENT } from "../../../lib/worker/events.ts";
import {
  LONG_MS,
  PART_MS_MIN,
  PORT_MS_MAX,
  PORT_MS_PER_SECOND,
  TimeWatch,
} from "../../../lib/worker/time_watch.ts";

/** A thread whose time is made here. */
class Thread {
  now = 1000;
  ran = 0;
  readonly use: ThreadUse = { faults: 0, waits: 0 };
  readonly told: number[] = [];
  readonly watch = new TimeWatch({
    now: () => this.now,
    ranMs: () => this.ran,
    readUse: (use) => void Object.assign(use, this.use),
  }, {
    write: (kind, port) => {
      assert.equal(kind, EVENT.tooSlow);
      this.told.push(port);
      return true;
    },
  });

  /** It runs. */
  run(ms: number): void {
    this.now += ms;
    this.ran += ms;
  }

  /** Somebody else has the processor. */
  wait(ms: number): void {
    this.now += ms;
  }

  /** A lock comes after a while. */
  lock(ms: number): void {
    this.now += ms;
    this.use.waits++;
  }

  /** A page does. */
  stand(ms: number): void {
    this.lock(ms);
    this.use.faults++;
  }
}

Deno.test("a stretch in which the thread ran or stood for long begins a watch, one in which others ran does not", () => {
  const thread = new Thread();
  const { watch } = thread;
  assert(!watch.isOn(thread.now));
  thread.wait(50);
  watch.longStretch(thread.now, LONG_MS - 0.1, 0);
  assert(!watch.isOn(thread.now), "others had the processor");
  // Each sleep is a wait.
  thread.use.waits += 3;
  watch.longStretch(thread.now, 0, 3);
  assert(!watch.isOn(thread.now), "it slept");
  thread.stand(10);
  watch.longStretch(thread.now, 0, 3);
  assert(watch.isOn(thread.now));
  thread.now += 10_000;
  assert(!watch.isOn(thread.now));
  watch.longStretch(thread.now, LONG_MS, 3);
  thread.now += 15_000;
  assert(watch.isOn(thread.now), "for longer each time");
});

Deno.test("pages that come late are charged to whose they are, and nothing else is", () => {
  const thread = new Thread();
  const { watch } = thread;
  const part = (port: number, doing: () => void): void => {
    watch.begin();
    doing();
    watch.endPart(port);
  };
  const long = 3 * PORT_MS_MAX;
  part(1, () => thread.run(long));
  part(1, () => thread.wait(long));
  part(1, () => thread.lock(long));
  for (let i = 0; i < 10_000; i++) {
    part(1, () => {
      thread.use.faults++;
      thread.run(PART_MS_MIN / 2);
    });
  }
  assert.deepEqual(thread.told, [], "no page, others' time, a lock of our own, short");
  part(2, () => {
    thread.use.faults += 5000;
    thread.run(PORT_MS_MAX + 1);
  });
  part(3, () => thread.stand(PORT_MS_MAX - 1));
  assert.deepEqual(thread.told, [2], "one page of 1 GiB is nobody's fault");
  part(3, () => thread.stand(PORT_MS_MAX - 1));
  assert.deepEqual(thread.told, [2, 3]);
});

Deno.test("a visit is cut where pages are known to come late, later for who meets one lock", () => {
  const thread = new Thread();
  const { watch } = thread;
  watch.begin();
  thread.wait(1000);
  assert(!watch.isOver(5), "others had the processor");
  watch.begin();
  thread.run(1000);
  assert(!watch.isOver(5), "no page came");
  watch.begin();
  thread.lock(1000);
  assert(!watch.isOver(5), "a lock of our own");
  watch.begin();
  thread.stand(VISIT_MS_MAX - 1);
  assert(!watch.isOver(5));
  thread.run(1);
  assert(watch.isOver(5));
  thread.stand(PORT_MS_MAX / 2);
  watch.endPart(5);
  assert.equal(watch.shareMs(5), KNOWN_MS_MAX);
  thread.use.faults++;
  thread.run(KNOWN_MS_MAX - 1);
  assert(!watch.isOver(5));
  thread.run(1);
  assert(watch.isOver(5));
});

Deno.test("a port may go on with a tenth of the time, and is told of once a second", () => {
  const thread = new Thread();
  const { watch } = thread;
  const call = (ms: number): void => {
    watch.begin();
    thread.run(ms);
    watch.endCall(4);
  };
  for (let i = 0; i < 1000; i++) {
    call(10);
    thread.wait(10 * (1000 / PORT_MS_PER_SECOND) - 10);
  }
  assert.deepEqual(thread.told, []);
  const began = thread.now;
  while (thread.now - began < 2900) call(10);
  assert.deepEqual(thread.told, [4, 4, 4]);
  // Its number is somebody else's.
  watch.forget(4);
  call(PORT_MS_MAX - 1);
  assert.equal(thread.told.length, 3);
  call(2);
  assert.equal(thread.told.length, 4);
});
