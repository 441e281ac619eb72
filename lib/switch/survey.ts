// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Looks at a visit now and then, for what is too dear to count for every frame: how long frames are,
 * and how long a visit takes.
 *
 * While the data plane has time to spare each visit that took frames is looked at. While it has none,
 * one in {@linkcode SURVEY_EVERY} is, by chance and not in turn, as visits to the same few queues come
 * in turn too. Of a visit's frames no more than {@linkcode SURVEY_FRAMES} are measured, from a random
 * one on. What is seen counts as many times as there are visits and frames that it stands for: so the
 * counters say about how many there were of each kind, whatever the load was meanwhile. A look costs
 * less than 2 ns for each frame of its visit, of a full one.
 *
 * A visit's time begins when its frames are at hand, their heads read and checked, and ends when all
 * receivers are called and the sender has its buffers back: the longest that a frame of it takes to
 * get through the switch. How long frames wait for the visit in their ring is not in it; that is a
 * round at most, or the way out of sleep.
 *
 * Data-plane thread only; allocates nothing.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { frameBytes } from "../virtio/burst.ts";
import { PORT, WORKER, WORKER_BASE } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Port } from "./ports/port.ts";

/** Visits for each one that is looked at while there is no time to spare. */
export const SURVEY_EVERY: number = 32;
/** Frames of a visit that are measured each way, at most. */
export const SURVEY_FRAMES: number = 8;

/** Sizes from the least to the greatest, as counters are in order. */
const SIZES = [64, 128, 256, 512, 1024, 1518, 9018] as const;
/** Counters of visits by their time, the last one apart: each has twice the time of the one before. */
const TIMES = WORKER.visitsUsMore - WORKER.visitsUs1;

assert(PORT.rxSizeMore - PORT.rxSize64 === SIZES.length, "each size has its row");
assert(
  PORT.txSize64 - PORT.rxSize64 === PORT.txSizeBytes - PORT.rxSizeBytes,
  "both ways are alike",
);
assert(WORKER.visitsUsMore === WORKER.visitsUs1 + 15, "each time has its row");

/** Place of a size among {@linkcode SIZES}, or behind them. */
function placeOfSize(bytes: number): number {
  let place = 0;
  while (place < SIZES.length && bytes > SIZES[place]!) place++;
  return place;
}

/** Place of a time: 0 for up to 1 us, then one more for each doubling. */
function placeOfTime(us: number): number {
  const place = us <= 1 ? 0 : 32 - Math.clz32(Math.ceil(us) - 1);
  return place < TIMES ? place : TIMES;
}

/** Looks at visits of one data plane. */
export class Survey {
  /** Visits with frames until one is looked at, that one included. */
  left = 1;
  /** A visit is being looked at. */
  isOn = false;
  /** There is time to spare: each visit is looked at. */
  isUnhurried = false;
  readonly #path: Datapath;
  readonly #clock: () => number;
  /** Visits that the next one looked at stands for. */
  #weight = 1;
  #began = 0;
  /** Time of all visits, us. */
  #us = 0;
  /** State of a random sequence (xorshift32), never 0. */
  #random = 0x2545f491;
  /** Ports whose rings were looked at, ever. */
  #portsSeen = 0;

  /** Looks at none before the first. @param path whose visits they are @param clock ms and fractions */
  constructor(path: Datapath, clock: () => number = () => performance.now()) {
    this.#path = path;
    this.#clock = clock;
  }

  /** A visit is to be looked at: its frames are at hand. @param count of them that were opened */
  begin(port: Port, count: number): void {
    this.isOn = true;
    const base = port.counterBase + PORT.rxSize64;
    const step = Math.ceil(count / SURVEY_FRAMES);
    for (let frame = this.#below(step); frame < count; frame += step) {
      this.#countSize(base, frameBytes[frame]!, step);
    }
    this.#began = this.#clock();
  }

  /** Frames of it are on their way to a receiver of a port, which may yet drop them. */
  handed(port: Port, list: Uint16Array, start: number, count: number): void {
    const base = port.counterBase + PORT.txSize64;
    const step = Math.ceil(count / SURVEY_FRAMES);
    for (let i = this.#below(step); i < count; i += step) {
      this.#countSize(base, frameBytes[list[start + i]!]!, step);
    }
  }

  /** It is over. */
  end(): void {
    const us = Math.max(0, 1000 * (this.#clock() - this.#began));
    const { counters } = this.#path;
    counters[WORKER_BASE + WORKER.visitsUs1 + placeOfTime(us)]! += this.#weight;
    this.#us += this.#weight * us;
    counters[WORKER_BASE + WORKER.visitsUs] = Math.round(this.#us);
    this.isOn = false;
    this.#weight = this.isUnhurried ? 1 : SURVEY_EVERY;
    this.left = this.isUnhurried ? 1 : 1 + this.#below(2 * SURVEY_EVERY - 1);
  }

  /**
   * Looks how full rings are: of each port once in a second, spread over it.
   * @param now ms, which never goes back
   */
  lookAtRings(now: number): void {
    const { ports } = this.#path;
    const due = Math.floor(now * ports.length / 1000);
    const first = Math.max(this.#portsSeen, due - ports.length);
    for (let i = first; i < due; i++) ports[i % ports.length]?.countReady(this.#path);
    this.#portsSeen = due;
  }

  /** @param base counters of sizes from there on; behind them, all bytes @param step it stands for */
  #countSize(base: number, bytes: number, step: number): void {
    // Below 0: no frame, for a reason that is counted elsewhere.
    if (bytes < 0) return;
    const { counters } = this.#path;
    const weight = this.#weight * step;
    counters[base + placeOfSize(bytes)]! += weight;
    counters[base + PORT.rxSizeBytes - PORT.rxSize64]! += weight * bytes;
  }

  /** A random number from 0 on. */
  #below(end: number): number {
    if (end <= 1) return 0;
    let word = this.#random;
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    this.#random = word;
    return (word >>> 0) % end;
  }
}
