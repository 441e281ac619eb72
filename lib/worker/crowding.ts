/**
 * Whether others want the processor that a data plane spins on. To look on for a while, for frames that
 * may come, costs nobody anything on a processor of one's own. Where more threads are ready to run than
 * there are processors, it takes the time of the very guests whose frames it waits for: two emulated
 * guests that share two processors with the switch have 1.6 times as much TCP if it sleeps at once
 * (docs/performance.md).
 *
 * There is no one figure for it. A thread that has to wait itself knows; one that sleeps half of the
 * time has its turn at once, while others wait for it: then more are ready than there are processors.
 * Each is looked at once in {@linkcode LOOK_MS}, 3 us, and what was seen holds for a while.
 *
 * @module
 */

/** Between two looks, ms. */
const LOOK_MS = 10;
/** How long what was seen holds, ms. */
const HOLD_MS = 100;
/** Share of the time in which the thread was ready and did not run: others were crowded out as well. */
const READY_SHARE = 0.05;
/** Looks in a row that find too many threads: one that finds some has met a program that starts. */
const LOOKS_CROWDED = 2;

/** What is looked at; each is a system call. */
export interface CrowdingClocks {
  /** How long the thread was ready to run and did not, ms. */
  readyMs(): number;
  /** Threads of the machine that run or are ready to, this one among them. */
  running(): number;
}

/** Data-plane thread only; allocates nothing. */
export class Crowding {
  readonly #clocks: CrowdingClocks;
  readonly #processors: number;
  #lookedMs = -Infinity;
  #readyMs = 0;
  #looks = 0;
  #untilMs = -Infinity;

  /** Nobody is crowded yet. @param processors of the machine */
  constructor(processors: number, clocks: CrowdingClocks) {
    this.#processors = processors;
    this.#clocks = clocks;
  }

  /** Whether others want the processor. @param now ms, never less than before */
  isCrowded(now: number): boolean {
    if (now - this.#lookedMs >= LOOK_MS) this.#look(now);
    return now < this.#untilMs;
  }

  #look(now: number): void {
    const readyMs = this.#clocks.readyMs();
    const waited = readyMs - this.#readyMs > READY_SHARE * (now - this.#lookedMs);
    this.#looks = this.#clocks.running() > this.#processors ? this.#looks + 1 : 0;
    this.#lookedMs = now;
    this.#readyMs = readyMs;
    if (waited || this.#looks >= LOOKS_CROWDED) this.#untilMs = now + HOLD_MS;
  }
}
