// deno-lint-ignore-file no-non-null-assertion
/**
 * What the data plane does with its time: rounds that took frames (busy), rounds that found none
 * (polling), sleep, and commands of the control thread. Each moment since the meter began is one of
 * the four, so that together they are the time that went by.
 *
 * There is no cheap clock: a look costs as much as two frames. So it is looked at once a _stretch_,
 * which is about 64 empty rounds or 1024 frames: 0.1 ns a frame. A stretch whose rounds all took
 * frames, or none of them, is that time to the nanosecond, and so is nearly everything of a plane
 * that is full or has nothing to do. Of a mixed stretch the empty rounds are counted at what an
 * empty round costs, and the rest is busy. That cost is an average, over about 16 looks, of
 * stretches that were all empty; behind a mixed stretch comes one of a single round, so that there
 * are some whatever the traffic is. The error is how much an empty round in the stretch differs
 * from that average, times their number: 10 % more or less make a plane that is half busy 45 or 55 %
 * busy, and leave one alone that is full or idle.
 *
 * A round is busy as a whole, with its visits to queues that had nothing.
 *
 * @module
 */
import { ASLEEP_SINCE, AWAKE, WORKER, WORKER_BASE } from "../switch/counters.ts";

/** What a stretch may weigh: a frame is 1. */
const STRETCH_WEIGHT = 1024;
/** Weight of a round beside its frames: 64 empty ones are a stretch, 6 us. */
const ROUND_WEIGHT = 16;
/** Stretches are shorter by 0 to 7 rounds in turn, so that they do not keep step with the traffic. */
const STEPS = 8;
/** Share of a new figure in an average. */
const NEW_SHARE = 1 / 16;
/** A figure counts as this many times the average at most: the thread was away in between. */
const OUTLIER = 4;
/** Time away from the rings that counts as a stall, ms. */
const STALL_MS = 1;
const LONG_STALL_MS = 10;

/** An average with one more figure in it. @param before 0: there was none */
function averaged(before: number, figure: number): number {
  if (before === 0) return figure;
  return before + (Math.min(figure, OUTLIER * before) - before) * NEW_SHARE;
}

/** Data-plane thread only; allocates nothing. */
export class WorkMeter {
  readonly #counters: Float64Array;
  readonly #clock: () => number;
  /** When the time accounted for ends. */
  #last: number;
  /** Time since then that is accounted for already. */
  #awayMs = 0;
  #busyMs = 0;
  #pollingMs = 0;
  #asleepMs = 0;
  #commandMs = 0;
  /** What an empty round takes, ms; 0: not known yet. */
  #emptyRoundMs = 0;
  /** What a look at the clock takes, likewise. */
  #clockMs = 0;
  /** Of the stretch. */
  #rounds = 0;
  #busyRounds = 0;
  #weightLeft = STRETCH_WEIGHT;
  #step = 0;

  /** Begins now. @param counters all of them @param clock the control thread's, ms and fractions */
  constructor(counters: Float64Array, clock: () => number) {
    this.#counters = counters;
    this.#clock = clock;
    this.#last = clock();
  }

  /** A round is over. @returns whether to look at the clock */
  round(frames: number): boolean {
    this.#rounds++;
    if (frames > 0) this.#busyRounds++;
    this.#weightLeft -= ROUND_WEIGHT + frames;
    return this.#weightLeft <= 0;
  }

  /** Ends the stretch. @returns the time, by the clock, ms */
  look(): number {
    const now = this.#clock();
    const rounds = this.#rounds;
    const emptyRounds = rounds - this.#busyRounds;
    const elapsed = now - this.#last - this.#awayMs;
    this.#countStall(now - this.#last);
    this.#last = now;
    this.#awayMs = 0;
    this.#step = (this.#step + 1) % STEPS;
    this.#weightLeft = STRETCH_WEIGHT - this.#step * ROUND_WEIGHT;
    if (emptyRounds === rounds) {
      const roundMs = Math.max(0, elapsed - this.#clockMs) / Math.max(1, rounds);
      this.#emptyRoundMs = averaged(this.#emptyRoundMs, roundMs);
      this.#pollingMs += elapsed;
    } else {
      const polling = Math.min(elapsed, emptyRounds * this.#emptyRoundMs);
      this.#pollingMs += polling;
      this.#busyMs += elapsed - polling;
      if (emptyRounds > 0) this.#timeOneRound(now);
    }
    this.#publish(rounds);
    return now;
  }

  /** The next stretch is one round, and what a look takes is taken off it. */
  #timeOneRound(now: number): void {
    const again = this.#clock();
    this.#clockMs = averaged(this.#clockMs, again - now);
    this.#pollingMs += again - now;
    this.#last = again;
    this.#weightLeft = 1;
  }

  /** Sleep begins: it counts from the last look on, and readers may count it as it goes. */
  fallAsleep(): void {
    this.#counters[ASLEEP_SINCE] = this.#last;
  }

  /** It is over. Readers rather miss it for a moment than count it twice: see `asleepUs`. */
  wakeUp(): void {
    const now = this.#clock();
    this.#asleepMs += now - this.#last;
    this.#last = now;
    this.#counters[ASLEEP_SINCE] = AWAKE;
    this.#counters[WORKER_BASE + WORKER.asleepUs] = Math.round(1000 * this.#asleepMs);
  }

  /** A command begins. @returns what {@linkcode endCommand} wants */
  beginCommand(): number {
    return this.#clock();
  }

  /** It is done, before its answer is read. */
  endCommand(began: number): void {
    const ms = this.#clock() - began;
    this.#awayMs += ms;
    this.#commandMs += ms;
    this.#counters[WORKER_BASE + WORKER.commandUs] = Math.round(1000 * this.#commandMs);
  }

  #countStall(ms: number): void {
    if (ms < STALL_MS) return;
    const counters = this.#counters;
    counters[WORKER_BASE + WORKER.stalls]!++;
    if (ms >= LONG_STALL_MS) counters[WORKER_BASE + WORKER.longStalls]!++;
    const us = Math.round(1000 * ms);
    if (us > counters[WORKER_BASE + WORKER.longestStallUs]!) {
      counters[WORKER_BASE + WORKER.longestStallUs] = us;
    }
  }

  #publish(rounds: number): void {
    const counters = this.#counters;
    counters[WORKER_BASE + WORKER.rounds]! += rounds;
    counters[WORKER_BASE + WORKER.busyRounds]! += this.#busyRounds;
    counters[WORKER_BASE + WORKER.busyUs] = Math.round(1000 * this.#busyMs);
    counters[WORKER_BASE + WORKER.pollingUs] = Math.round(1000 * this.#pollingMs);
    this.#rounds = 0;
    this.#busyRounds = 0;
  }
}
