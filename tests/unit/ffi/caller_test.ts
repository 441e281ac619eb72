/** Calls by eventfds, whatever state they are in. */
import { strict as assert } from "node:assert";
import {
  Caller,
  closeFd,
  createEventFd,
  createMemoryFile,
  drainEventFd,
} from "../../../ffi/mod.ts";
import { fullEventFd } from "../../harness/fds.ts";

/** More than a context keeps completions for. */
const MANY = 10_000;
const FULL = 2 ** 64;

function opened(): Caller {
  const caller = Caller.open();
  assert(caller, "this kernel has asynchronous I/O");
  return caller;
}

Deno.test("a call adds 1 to an eventfd, any number of times", () => {
  const caller = opened();
  const [one, other] = [createEventFd(), createEventFd()];
  for (let i = 0; i < MANY; i++) assert(caller.call(i % 4 === 0 ? other : one));
  assert.deepEqual([one, other].map(drainEventFd), [0.75 * MANY, 0.25 * MANY]);
  for (const fd of [one, other]) closeFd(fd);
  caller.close();
});

Deno.test("a call by an eventfd that is full and blocks its writers is made at once", () => {
  const caller = opened();
  const fd = fullEventFd();
  // A write would never return.
  for (let i = 0; i < 3; i++) assert(caller.call(fd));
  assert.equal(drainEventFd(fd), FULL);
  assert(caller.call(fd));
  assert.equal(drainEventFd(fd), 1);
  closeFd(fd);
  caller.close();
});

Deno.test("a call by what is no eventfd does nothing and says so", () => {
  const caller = opened();
  const [memory, fd] = [createMemoryFile("no-eventfd", 4096), createEventFd()];
  assert.equal(caller.call(memory), false);
  assert.equal(caller.call(-1), false);
  assert(caller.call(fd), "and the next is made");
  assert.equal(drainEventFd(fd), 1);
  for (const each of [memory, fd]) closeFd(each);
  caller.close();
});
