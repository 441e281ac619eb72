/** When a data plane may spin: not while others want the processor. */
import { strict as assert } from "node:assert";
import { Crowding } from "../../../lib/worker/crowding.ts";

const PROCESSORS = 2;

class Machine {
  now = 1000;
  ready = 7;
  threads = 1;
  looks = 0;
  readonly crowding = new Crowding(PROCESSORS, {
    readyMs: () => this.ready,
    running: () => {
      this.looks++;
      return this.threads;
    },
  });

  /** Goes on for `ms`, asking every 0.1 ms as a loop does. @returns the answer at the end */
  pass(ms: number, readyShare = 0): boolean {
    let answer = false;
    for (const end = this.now + ms; this.now < end; this.now += 0.1) {
      this.ready += 0.1 * readyShare;
      answer = this.crowding.isCrowded(this.now);
    }
    return answer;
  }
}

Deno.test("a thread that has a processor to itself may spin, and asks the kernel now and then only", () => {
  const machine = new Machine();
  machine.threads = PROCESSORS;
  assert.equal(machine.pass(1000, 0.01), false);
  assert(machine.looks <= 101, `${machine.looks} looks in a second`);
});

Deno.test("a thread that is made to wait is crowded, and for a while after", () => {
  const machine = new Machine();
  machine.pass(50);
  assert.equal(machine.pass(50, 0.3), true);
  assert.equal(machine.pass(80), true, "it holds");
  assert.equal(machine.pass(200), false, "and ends");
});

Deno.test("more threads than processors are a crowd unless it is for a moment", () => {
  const machine = new Machine();
  machine.pass(50);
  machine.threads = PROCESSORS + 1;
  assert.equal(machine.pass(10), false, "a program that starts");
  machine.threads = 1;
  assert.equal(machine.pass(100), false);
  machine.threads = PROCESSORS + 1;
  assert.equal(machine.pass(100), true);
});

Deno.test("a kernel that tells nothing leaves it as it was", () => {
  const machine = new Machine();
  machine.threads = 0;
  machine.ready = 0;
  assert.equal(machine.pass(1000), false);
});
