/**
 * What a wake-up takes when nothing else is done: a thread sleeps in epoll on another processor, an
 * eventfd is signalled, and the thread writes a word. No switch that sleeps can be faster; how long
 * it is tells of the machine (of a virtual one, what a halted processor costs).
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, createEventFd, signalEventFd } from "../../ffi/mod.ts";
import { END, READY, type SleeperStart, WAKE_MS_MAX, WOKEN, WORDS } from "./sleeper_words.ts";

/** Wakes a thread on `cpu` again and again, after rests. @returns times, us, sorted */
export async function wakeAlone(
  cpu: number,
  seconds: number,
  restMs: number,
): Promise<Float64Array> {
  const words = new Int32Array(new SharedArrayBuffer(4 * WORDS));
  const fd = createEventFd();
  const sleeper = new Worker(new URL("./sleeper.ts", import.meta.url), { type: "module" });
  const told: SleeperStart = { fd, cpu, words: words.buffer };
  sleeper.postMessage(told);
  while (Atomics.load(words, READY) === 0) await delay(1);
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    await delay(restMs);
    const before = Atomics.load(words, WOKEN);
    const from = performance.now();
    signalEventFd(fd);
    while (Atomics.load(words, WOKEN) === before && performance.now() - from < WAKE_MS_MAX);
    times.push((performance.now() - from) * 1000);
  }
  Atomics.store(words, END, 1);
  signalEventFd(fd);
  await delay(restMs);
  sleeper.terminate();
  closeFd(fd);
  return Float64Array.from(times).sort();
}
