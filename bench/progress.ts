/**
 * How far a session is, and how long the rest will take.
 *
 * @module
 */

/** Seconds as people say them. */
export function sayTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Counts runs, and scales what was expected by what the first ones took. */
export class Progress {
  readonly #runs: number;
  readonly #now: () => number;
  readonly #expected: number;
  #done = 0;
  #expectedDone = 0;
  #tookMs = 0;
  #from: number;

  /**
   * @param expected seconds that each run should take, in order
   * @param now clock, ms
   */
  constructor(expected: readonly number[], now: () => number = () => performance.now()) {
    this.#runs = expected.length;
    this.#expected = expected.reduce((sum, seconds) => sum + seconds, 0);
    this.#now = now;
    this.#from = now();
  }

  /** A run of so many expected seconds is over; the time since the last one was its own. */
  step(expected: number): void {
    const now = this.#now();
    this.#tookMs += now - this.#from;
    this.#from = now;
    this.#done++;
    this.#expectedDone += expected;
  }

  /** Seconds until all is done. */
  get leftSeconds(): number {
    const left = this.#expected - this.#expectedDone;
    const scale = this.#expectedDone > 0 ? this.#tookMs / 1000 / this.#expectedDone : 1;
    return left * scale;
  }

  /** Such as `[3/60, 12 min 3 s left]`. */
  get head(): string {
    const left = this.#done === this.#runs ? "done" : `${sayTime(this.leftSeconds)} left`;
    return `[${this.#done}/${this.#runs}, ${left}]`;
  }
}
