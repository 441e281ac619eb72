/**
 * What a pair of lean guests does to a switch: one frame to and fro, a frame after a rest, frames at
 * a rate, and as many as go.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { LeanGuest } from "./guest.ts";

/** Two guests at two ports. */
export type Pair = readonly [LeanGuest, LeanGuest];

const ANSWER_MS_MAX = 20_000;
const START_MS_MAX = 20_000;
const QUIET_MS = 20;
/** Looks at a ring between two looks at the clock. */
const LOOKS = 1024;
/** Frames sent at once. */
const BURST = 32;
/** The generator stood still for longer: the load's clock stands still as well. */
const STALL_MS = 0.05;

/** Looks until something arrived. @returns how much; 0 if nothing did in a generous while */
function spin(guest: LeanGuest): number {
  let count = guest.receive();
  for (let end = 0; count === 0;) {
    for (let i = 0; i < LOOKS && count === 0; i++) count = guest.receive();
    if (count > 0) break;
    const now = performance.now();
    if (end === 0) end = now + ANSWER_MS_MAX;
    else if (now > end) return 0;
  }
  return count;
}

function must(count: number): void {
  if (count === 0) throw new Error("A frame was lost on its way");
  if (count > 1) throw new Error("More frames came than were sent");
}

/** Sends from both sides until both have received: the switch has learned their addresses then. */
export async function awaitSwitch(pair: Pair): Promise<void> {
  const end = performance.now() + START_MS_MAX;
  for (const from of [0, 1, 0] as const) {
    for (;;) {
      pair[from].tx.take();
      if (pair[from].tx.held === 0) pair[from].send(1);
      await delay(5);
      if (pair[1 - from as 0 | 1].receive() > 0) break;
      if (performance.now() > end) throw new Error("No frame comes through the switch");
    }
  }
  await quiet(pair);
}

/** Receives until nothing came for a while. @returns what still came */
async function quiet(pair: Pair): Promise<number> {
  let count = 0;
  for (let last = performance.now(); performance.now() - last < QUIET_MS;) {
    const more = pair[0].receive() + pair[1].receive();
    if (more > 0) last = performance.now();
    count += more;
    await delay(1);
  }
  for (const { tx } of pair) tx.take();
  return count;
}

/** One frame goes to the other guest and back, again and again. @returns us of each, sorted */
export function ping([one, other]: Pair, seconds: number): Float64Array {
  const times = new Float64Array(2_000_000);
  let count = 0;
  const start = performance.now();
  for (let from = start; from - start < seconds * 1000 && count < times.length;) {
    one.tx.take();
    one.send(1);
    must(spin(other));
    other.tx.take();
    other.send(1);
    must(spin(one));
    const now = performance.now();
    times[count++] = (now - from) * 1000;
    from = now;
  }
  return times.subarray(0, count).sort();
}

/** A frame after each rest, one way: what waking up costs. @returns us of each, sorted */
export async function wake(
  [one, other]: Pair,
  seconds: number,
  restMs: number,
): Promise<Float64Array> {
  const times: number[] = [];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    await delay(restMs);
    one.tx.take();
    const from = performance.now();
    one.send(1);
    must(spin(other));
    times.push((performance.now() - from) * 1000);
  }
  return Float64Array.from(times).sort();
}

/** What a load gave, both ways together. */
export interface LoadResult {
  /** Frames that were to be sent. */
  readonly offered: number;
  readonly received: number;
  /** The time frames were sent in, without what the generator itself stood still, s. */
  readonly seconds: number;
  /** The longest time the generator stood still, ms. */
  readonly stallMs: number;
  /** Share of its turns in which the generator had nothing to do. */
  readonly emptyPolls: number;
}

/**
 * Sends at a rate, both ways together, in bursts. A frame that finds its ring full when it is due is
 * lost, as one that does not arrive (RFC 2544 §26.1).
 */
export async function rate(pair: Pair, pps: number, seconds: number): Promise<LoadResult> {
  const perMs = pps / 2000;
  const offered = [0, 0];
  let [received, stallMs, stalled, turns, empty] = [0, 0, 0, 0, 0];
  const start = performance.now();
  let last = start;
  for (;;) {
    const now = performance.now();
    const gap = now - last;
    last = now;
    if (gap > stallMs) stallMs = gap;
    if (gap > STALL_MS) stalled += gap;
    const ms = now - start - stalled;
    if (ms >= seconds * 1000) break;
    let did = 0;
    for (let side = 0; side < 2; side++) {
      const guest = pair[side] as LeanGuest;
      const due = Math.floor(ms * perMs) - (offered[side] as number);
      if (due >= BURST) {
        guest.tx.take();
        const count = Math.min(due, guest.tx.size - guest.tx.held);
        if (count > 0) guest.send(count);
        offered[side] = (offered[side] as number) + due;
        did += due;
      }
      const count = guest.receive();
      received += count;
      did += count;
    }
    turns++;
    if (did === 0) empty++;
  }
  received += await quiet(pair);
  const sent = (offered[0] as number) + (offered[1] as number);
  return { offered: sent, received, seconds, stallMs, emptyPolls: empty / turns };
}

/** Sends as much as goes, among so many stations: every frame's addresses are written anew. */
export async function flood(pair: Pair, seconds: number, stations: number): Promise<LoadResult> {
  const perSide = Math.max(1, stations >> 1);
  const offered = [0, 0];
  let [received, turns, empty, stallMs] = [0, 0, 0, 0];
  const start = performance.now();
  let last = start;
  while (last - start < seconds * 1000) {
    let did = 0;
    for (let side = 0; side < 2; side++) {
      const guest = pair[side] as LeanGuest;
      guest.tx.take();
      const count = Math.min(BURST, guest.tx.size - guest.tx.held);
      if (count > 0) {
        guest.sendAmong(count, perSide, offered[side] as number);
        offered[side] = (offered[side] as number) + count;
      }
      const arrived = guest.receive();
      received += arrived;
      did += count + arrived;
    }
    turns++;
    if (did === 0) empty++;
    const now = performance.now();
    if (now - last > stallMs) stallMs = now - last;
    last = now;
  }
  const ms = last - start;
  const inTime = received;
  await quiet(pair);
  const sent = (offered[0] as number) + (offered[1] as number);
  return {
    ...{ offered: sent, received: inTime, seconds: ms / 1000, stallMs },
    emptyPolls: empty / turns,
  };
}
