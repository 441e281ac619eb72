/** The reactor: events of closed descriptors reach nobody, a handler's error stops nobody. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { closeFd, createEventFd, drainEventFd, signalEventFd } from "../../../ffi/mod.ts";
import { Reactor } from "../../../lib/control/reactor.ts";
import { held, untilHeld } from "./support.ts";
import { until } from "../../harness/until.ts";

Deno.test("Reactor keeps an event of a removed descriptor from the next one of its number", async () => {
  const before = held();
  const reactor = new Reactor((error) => {
    throw error;
  });
  const [first, second] = [createEventFd(), createEventFd()];
  const calls: string[] = [];
  let replacement = -1;
  // Both are ready in one turn; whichever comes first removes the other and reuses its number.
  const handler = (mine: number, other: number, name: string) => (): void => {
    calls.push(name);
    drainEventFd(mine);
    reactor.remove(other);
    closeFd(other);
    replacement = createEventFd();
    assert.equal(replacement, other, "the lowest free number is taken");
    reactor.add(replacement, () => calls.push("replacement"));
  };
  reactor.add(first, handler(first, second, "first"));
  reactor.add(second, handler(second, first, "second"));
  signalEventFd(first);
  signalEventFd(second);
  await until("one handler ran", () => calls.length > 0);
  await delay(20);
  assert.equal(calls.length, 1, calls.join());
  signalEventFd(replacement);
  await until("the replacement's own event comes", () => calls.length > 1);
  assert.equal(calls[1], "replacement");
  reactor.remove(replacement);
  await reactor.close();
  for (const fd of [first, second]) closeFd(fd);
  await untilHeld(before);
});

Deno.test("Reactor reports a handler's error and goes on", async () => {
  const before = held();
  const errors: unknown[] = [];
  const reactor = new Reactor((error) => errors.push(error));
  const [bad, good] = [createEventFd(), createEventFd()];
  let calls = 0;
  reactor.add(bad, () => {
    drainEventFd(bad);
    throw new Error("a bug");
  });
  reactor.add(good, () => {
    drainEventFd(good);
    calls++;
  });
  signalEventFd(bad);
  await until("the error is reported", () => errors.length === 1);
  signalEventFd(good);
  await until("the other handler runs", () => calls === 1);
  assert.deepEqual(errors.map(String), ["Error: a bug"]);
  for (const fd of [bad, good]) {
    reactor.remove(fd);
    closeFd(fd);
  }
  reactor.remove(good);
  await reactor.close();
  await untilHeld(before);
});
