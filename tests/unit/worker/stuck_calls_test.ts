/** A data plane that hangs in a call: who is to blame, when it is freed, and how long that may take. */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, drainEventFd, signalEventFd } from "../../../ffi/mod.ts";
import type { Mailbox } from "../../../lib/worker/mailbox.ts";
import { StuckCalls } from "../../../lib/worker/stuck_calls.ts";

const VRINGS = 4;
/** Virtqueue 1 of port 2. */
const TAG = 2 * VRINGS + 1;
type Calling = Mailbox["calling"];

/** The calls of a data plane whose state is the test's; the clock is as well. */
class Bench implements Disposable {
  /** The call under way. */
  under: Calling = null;
  /** How often it was asked whether a call is under way. */
  looks = 0;
  /** Calls so far, and how often one begins just when nobody wants to look any more. */
  made = 0;
  racing = 0;
  nowMs = 1000;
  readonly fd = createEventFd();
  readonly stuck: StuckCalls;
  readonly #clock = performance.now;

  constructor() {
    this.stuck = new StuckCalls(this as unknown as Mailbox, VRINGS);
    this.stuck.setCallFd(2, 1, this.fd);
    performance.now = () => this.nowMs;
  }

  /** What the mailbox of the data plane says. */
  get calling(): Calling {
    this.looks++;
    return this.under;
  }

  get calls(): number {
    return this.made;
  }

  watchNoMore(calls: number): boolean {
    return calls === this.made && this.racing-- <= 0;
  }

  /** A look, some time after the last one. @returns whether the descriptor was emptied */
  look(afterMs: number): boolean {
    signalEventFd(this.fd);
    this.nowMs += afterMs;
    this.stuck.look();
    return drainEventFd(this.fd) === 0;
  }

  [Symbol.dispose](): void {
    performance.now = this.#clock;
    closeFd(this.fd);
  }
}

Deno.test("a call is stuck once the same one has been under way for a tenth of a second", () => {
  using bench = new Bench();
  assert.equal(bench.look(500), false, "no call is under way");
  for (let serial = 1; serial < 5; serial++) {
    bench.under = { tag: TAG, serial };
    assert.equal(bench.look(99), false, "another call each time");
  }
  assert.equal(bench.look(99), false);
  assert.deepEqual(bench.stuck.guilty, []);
  assert.equal(bench.look(1), true);
  assert.deepEqual(bench.stuck.guilty, [[2, 1]]);
});

Deno.test("time without a call does not count", () => {
  using bench = new Bench();
  bench.under = { tag: TAG, serial: 7 };
  bench.look(0);
  bench.under = null;
  bench.look(5000);
  bench.under = { tag: TAG, serial: 7 };
  assert.equal(bench.look(5000), false);
  assert.equal(bench.look(100), true);
});

Deno.test("who did it once is freed without delay, until its connection has ended", () => {
  using bench = new Bench();
  bench.under = { tag: TAG, serial: 1 };
  bench.look(0);
  bench.look(100);
  bench.under = { tag: TAG, serial: 2 };
  assert.equal(bench.look(0), true);
  // Another port's call has its time all the same.
  bench.under = { tag: TAG + VRINGS, serial: 3 };
  bench.look(0);
  assert.deepEqual(bench.stuck.guilty, [[2, 1]]);
  bench.stuck.forgive(2);
  assert.deepEqual(bench.stuck.guilty, []);
  bench.under = { tag: TAG, serial: 4 };
  assert.equal(bench.look(0), false);
});

Deno.test("a tenant that fills its descriptor again at once does not keep the look", () => {
  using bench = new Bench();
  bench.under = { tag: TAG, serial: 1 };
  bench.look(0);
  bench.looks = 0;
  bench.look(100);
  assert(bench.looks > 100 && bench.looks < 1000, `${bench.looks} times`);
});

Deno.test("a virtqueue without a call descriptor is to blame, and no other's is touched", () => {
  using bench = new Bench();
  const other = createEventFd();
  bench.stuck.setCallFd(2, 0, other);
  bench.stuck.setCallFd(2, 1, -1);
  bench.under = { tag: TAG, serial: 1 };
  bench.look(0);
  signalEventFd(other);
  assert.equal(bench.look(100), false);
  assert.deepEqual(bench.stuck.guilty, [[2, 1]]);
  assert.equal(drainEventFd(other), 1);
  closeFd(other);
});

Deno.test("whoever watches may rest after ten looks without a call, but for a port to blame", () => {
  using bench = new Bench();
  const looks = (): number => {
    for (let n = 1; n < 50; n++) if (bench.stuck.mayRest()) return n;
    return 50;
  };
  assert.equal(looks(), 11, "the first one finds out what there was");
  bench.made++;
  assert.equal(bench.stuck.mayRest(), false);
  assert.equal(looks(), 10);
  bench.racing = 3;
  assert.deepEqual([looks(), looks()], [4, 1], "not while calls begin just then");
  bench.under = { tag: TAG, serial: 1 };
  bench.look(0);
  bench.look(100);
  assert.equal(looks(), 50, "its next call is freed at once");
});
