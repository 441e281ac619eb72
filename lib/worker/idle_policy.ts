/**
 * What a data plane does while no frames come: looks on, naps, or sleeps.
 *
 * To look on costs nobody anything on a processor of one's own, and is the quickest. Asleep, it asks
 * the drivers for kicks and has to be woken: about 8 us of its time and 2 of the driver's, more in an
 * emulated guest. A nap lasts a moment, and needs no kick. What comes meanwhile is served together: so
 * where others want the processor (crowding.ts) naps are what costs them least, as long as frames
 * keep coming. They end with a few in which nothing came.
 *
 * @module
 */
import type { Crowding } from "./crowding.ts";
import type { Idle } from "./mailbox.ts";

/** Look at the queues again. */
export const LOOK_ON = 0;
/** Stand still for {@linkcode NAP_US}. */
export const NAP = 1;
/** Ask for kicks, and stand still until one comes. */
export const SLEEP = 2;

/**
 * How long a nap is, us; the kernel's timer slack adds 50. TCP of two emulated guests on two processors,
 * Mbit/s, medians of two: without naps 1490, 50 us 1600, 150 us 1870, 400 us 1500.
 */
export const NAP_US = 150;
/** Naps in a row before sleep. */
const NAPS_MAX = 4;
/** Without frames for this long, `adaptive` goes to sleep, ms. */
const SPIN_MS = 0.1;
/** Empty rounds before it does, 90 ns each. */
export const EMPTY_ROUNDS_MIN = 64;

/** Data-plane thread only; allocates nothing. */
export class IdlePolicy {
  readonly #idle: Idle;
  readonly #crowding: Crowding;
  #busyUntil = 0;
  #naps = 0;
  #crowded = false;

  /** For a thread that begins. */
  constructor(idle: Idle, crowding: Crowding) {
    this.#idle = idle;
    this.#crowding = crowding;
  }

  /** Whether {@linkcode decide} is to be asked after each round. */
  get isHasty(): boolean {
    return this.#crowded || this.#idle === "sleep";
  }

  /**
   * What to do next.
   * @param now ms
   * @param hadFrames since it was asked last
   * @param emptyRounds without frames, up to now
   */
  decide(now: number, hadFrames: boolean, emptyRounds: number): number {
    if (this.#idle !== "adaptive") return this.#idle === "poll" || hadFrames ? LOOK_ON : SLEEP;
    this.#crowded = this.#crowding.isCrowded(now);
    if (hadFrames) {
      this.#naps = 0;
      this.#busyUntil = now + SPIN_MS;
      return LOOK_ON;
    }
    if (this.#crowded) return this.#naps++ < NAPS_MAX ? NAP : SLEEP;
    return now > this.#busyUntil && emptyRounds >= EMPTY_ROUNDS_MIN ? SLEEP : LOOK_ON;
  }
}
