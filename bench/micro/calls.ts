/**
 * What a call of a driver costs, by a write to its eventfd and by what never waits (ffi/caller.ts):
 * `deno run -A bench/micro/main.ts calls`, ns each, least of many short times taken in turn.
 *
 * @module
 */
import { Caller, createEventFd, signalEventFd } from "../../ffi/mod.ts";
import { present } from "../../lib/base/assert.ts";

const ROUNDS = 400;
const CALLS = 500;

const caller = present(Caller.open(), "a kernel with asynchronous I/O");
const fd = createEventFd();

function ns(call: () => void): number {
  const start = performance.now();
  for (let i = 0; i < CALLS; i++) call();
  return (performance.now() - start) * 1e6 / CALLS;
}

let [write, never] = [Infinity, Infinity];
for (let round = 0; round < ROUNDS; round++) {
  write = Math.min(write, ns(() => void signalEventFd(fd)));
  never = Math.min(never, ns(() => void caller.call(fd)));
}
console.log(`a write ${write.toFixed(0)} ns, without waiting ${never.toFixed(0)} ns`);
