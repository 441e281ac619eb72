// deno-lint-ignore-file no-non-null-assertion
/**
 * What the data plane does with its time: rounds that took frames (busy), rounds that found none
 * (polling), sleep, commands of the control thread, and waiting for a processor that others have.
 * Each moment since the meter began is one of the five, so that together they are the time that went
 * by.
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
 * Where frames are large a stretch is shorter, so that it takes less than a millisecond unless one
 * round does: what takes longer is a stall, and counted.
 *
 * Time in which the thread did not run is not its work. It is looked for where a stretch took a
 * millisecond or more: the kernel knows how long the thread ran. Shorter breaks are found with the
 * next long one at most, and otherwise stay in the stretch that they fell into.
 *
 * @module
 */
import { ASLEEP_SINCE, AWAKE, WORKER, WORKER_BASE } from "../switch/counters.ts";

/** What a stretch may weigh, if that does not take it long: a frame is 1. */
const WEIGHT_MAX = 1024;
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
/** Time after which a sleep asks how long the thread ran, ms: that is a system call, some us. */
const MARK_MS_MAX = 5;
/** A stretch that took so long is followed by one of half its weight, down to a single round. */
const LONG_STRETCH_MS = STALL_MS / 2;
/** One that took so little, by one of twice its weight. */
const SHORT_STRETCH_MS = STALL_MS / 8;
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
  readonly #ranMs: () => number;
  /** When the time accounted for ends. */
  #last: number;
  /** Time since then that is accounted for already. */
  #awayMs = 0;
  #busyMs = 0;
  #pollingMs = 0;
  #asleepMs = 0;
  #commandMs = 0;
  #waitedMs = 0;
  /** Both clocks when the thread was last known to have run all the time. */
  #markMs: number;
  #markRanMs: number;
  /** How long the thread ran in the last stretch, if that took {@linkcode STALL_MS} or more; 0. */
  longRanMs = 0;
  /** The last stretch took as long. */
  wasLong = false;
  /** Of the rounds of the last stretch, half or more took no frames: there is time to spare. */
  wasIdle = true;
  /** When that was: `#markMs` moves on with sleep. */
  #markedAtMs: number;
  /** What an empty round takes, ms; 0: not known yet. */
  #emptyRoundMs = 0;
  /** What a look at the clock takes, likewise. */
  #clockMs = 0;
  /** Of the stretch. */
  #rounds = 0;
  #busyRounds = 0;
  #weightMax = WEIGHT_MAX;
  #weightLeft = WEIGHT_MAX;
  #step = 0;

  /**
   * Begins now.
   * @param counters all of them
   * @param clock the control thread's, ms and fractions
   * @param ranMs how long this thread has run, likewise
   */
  constructor(counters: Float64Array, clock: () => number, ranMs: () => number) {
    this.#counters = counters;
    this.#clock = clock;
    this.#ranMs = ranMs;
    this.#last = clock();
    this.#markMs = this.#last;
    this.#markedAtMs = this.#last;
    this.#markRanMs = ranMs();
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
    this.wasIdle = 2 * emptyRounds >= rounds;
    let elapsed = now - this.#last - this.#awayMs;
    this.wasLong = now - this.#last >= STALL_MS;
    if (this.wasLong) {
      this.#countStall(now - this.#last);
      elapsed -= this.#takeWaited(now, elapsed);
      this.longRanMs = elapsed;
    }
    this.#last = now;
    this.#awayMs = 0;
    this.#setWeight(elapsed);
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

  /** Of the next stretch. @param elapsed ms that the last one took */
  #setWeight(elapsed: number): void {
    if (elapsed >= LONG_STRETCH_MS) this.#weightMax = Math.max(1, this.#weightMax >> 1);
    else if (elapsed < SHORT_STRETCH_MS) {
      this.#weightMax = Math.min(WEIGHT_MAX, this.#weightMax << 1);
    }
    this.#step = (this.#step + 1) % STEPS;
    this.#weightLeft = this.#weightMax - this.#step * ROUND_WEIGHT;
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
    const sleptMs = now - this.#last;
    this.#asleepMs += sleptMs;
    this.#last = now;
    // What falling asleep and waking up took is taken for running; a mark is not old for long.
    this.#markMs += sleptMs;
    if (now - this.#markedAtMs >= MARK_MS_MAX) this.#mark(now, this.#ranMs());
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

  /** The thread has run for `ranMs` until now. */
  #mark(now: number, ranMs: number): void {
    this.#markMs = now;
    this.#markedAtMs = now;
    this.#markRanMs = ranMs;
  }

  /** Finds out how much of a stretch it did not run. @returns ms, at most `elapsed` */
  #takeWaited(now: number, elapsed: number): number {
    const ranMs = this.#ranMs();
    const stoodMs = now - this.#markMs - (ranMs - this.#markRanMs);
    this.#mark(now, ranMs);
    const waited = Math.max(0, Math.min(elapsed, stoodMs));
    this.#waitedMs += waited;
    this.#counters[WORKER_BASE + WORKER.waitedUs] = Math.round(1000 * this.#waitedMs);
    return waited;
  }

  #countStall(ms: number): void {
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
