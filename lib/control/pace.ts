/**
 * How fast one socket takes front-ends. Each costs the control thread a session and a look at /proc,
 * and one that comes, is thrown out or leaves, and comes again would cost it without end. Those that
 * had a link or stayed for a while cost nothing; the others wait in the kernel's queue.
 *
 * @module
 */

/** Front-ends a socket takes in a row, and a second after that: 1 % of the thread's time. */
const TAKES_BURST_MAX = 200;
const TAKES_PER_SECOND = 20;

/** The allowance of one socket. Control thread only. */
export class Pace {
  readonly #most: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  /** @param multi front-ends that may all come at once @param now ms, from any moment on */
  constructor(multi: number, now: () => number = () => performance.now()) {
    this.#most = TAKES_BURST_MAX + 2 * multi;
    this.#now = now;
    this.#left = this.#most;
    this.#at = now();
  }

  /** Whether one may be taken now. */
  mayTake(): boolean {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * TAKES_PER_SECOND / 1000);
    this.#at = now;
    return this.#left >= 1;
  }

  /** One was taken. */
  took(): void {
    this.#left--;
  }

  /** One that was taken was worth it. */
  refund(): void {
    this.#left++;
  }
}
