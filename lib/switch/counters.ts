/**
 * The counters: one array of float64 in shared memory, written by the data plane (whole numbers,
 * exact up to 2^53), read by anybody at any time. Reading costs the data plane nothing. What each of
 * them means stands in counter_rows.ts.
 *
 * A port's block: its port counters, then a block per virtqueue.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import {
  type CounterNames,
  counterNames,
  PORT_ROWS,
  VRING_ROWS,
  WORKER_ROWS,
} from "./counter_rows.ts";

/** Names of the counters of a port. */
export const PORT_COUNTERS: CounterNames<typeof PORT_ROWS> = counterNames(PORT_ROWS);
/** Names of the counters of a virtqueue. */
export const VRING_COUNTERS: CounterNames<typeof VRING_ROWS> = counterNames(VRING_ROWS);
/** Names of the counters of the data plane as a whole. */
export const WORKER_COUNTERS: CounterNames<typeof WORKER_ROWS> = counterNames(WORKER_ROWS);

/** For each name its place among the names. */
export type IndexOf<Names extends readonly string[]> = Readonly<Record<Names[number], number>>;

function indexOf<const Names extends readonly string[]>(names: Names): IndexOf<Names> {
  return Object.fromEntries(names.map((name, index) => [name, index])) as IndexOf<Names>;
}

/** Offset of each port counter in a port's block. */
export const PORT: IndexOf<typeof PORT_COUNTERS> = indexOf(PORT_COUNTERS);
/** Offset of each virtqueue counter in its block. */
export const VRING: IndexOf<typeof VRING_COUNTERS> = indexOf(VRING_COUNTERS);
/** Offset of each data-plane counter. */
export const WORKER: IndexOf<typeof WORKER_COUNTERS> = indexOf(WORKER_COUNTERS);

/** Numbers in a block; a whole number of cache lines, so that no two ports share one. */
const PORT_BLOCK = 128;
const VRING_BLOCK = 16;
const WORKER_BLOCK = 64;

/** Where the counters of the data plane stand. */
export const WORKER_BASE = 0;
/** Where the time stands since which the data plane sleeps: the last number of its block. */
export const ASLEEP_SINCE: number = WORKER_BLOCK - 1;
/** What stands there while it does not. */
export const AWAKE = 0;

// A counter too many would overlap with the next block.
assert(PORT_COUNTERS.length <= PORT_BLOCK, "a port's counters fit its block");
assert(VRING_COUNTERS.length <= VRING_BLOCK, "a virtqueue's counters fit its block");
assert(WORKER_COUNTERS.length <= ASLEEP_SINCE, "the data plane's counters fit their block");

/** Where the block of port `port` starts. */
export function portBase(port: number, vringsPerPort: number): number {
  return WORKER_BLOCK + port * (PORT_BLOCK + vringsPerPort * VRING_BLOCK);
}

/** Where the block of virtqueue `vring` of port `port` starts. */
export function vringBase(port: number, vring: number, vringsPerPort: number): number {
  return portBase(port, vringsPerPort) + PORT_BLOCK + vring * VRING_BLOCK;
}

/** Bytes of shared memory for the counters of `ports` ports. */
export function counterBytes(ports: number, vringsPerPort: number): number {
  return 8 * portBase(ports, vringsPerPort);
}

/**
 * `asleepUs` with the sleep that goes on: the data plane adds it when it wakes, up to a second later.
 * @param nowMs by the control thread's clock
 * @param least what was read before: it never goes back
 */
export function asleepUs(counters: Float64Array, nowMs: number, least: number): number {
  // In this order: a data plane that wakes in between says that first, and adds then.
  const us = counters[WORKER_BASE + WORKER.asleepUs] ?? 0;
  const since = counters[ASLEEP_SINCE] ?? AWAKE;
  return Math.max(least, since === AWAKE ? us : us + Math.round(1000 * (nowMs - since)));
}

/** Counters by name, read from `base` on. */
export function readCounters(
  counters: Float64Array,
  base: number,
  names: readonly string[],
): Record<string, number> {
  return Object.fromEntries(names.map((name, index) => [name, counters[base + index] ?? 0]));
}
