/**
 * When a connection counts as a front-end. Whoever looks whether a socket is alive connects as well,
 * and hangs up without a word: that is no front-end, and nothing is logged of it. A connection that
 * stays is one, silent or not.
 *
 * @module
 */

/** How long a connection stayed: gone at once, had a link in between, or was there for a while. */
export type Stay = "short" | "linked" | "long";

/**
 * A silent connection counts as a front-end after this time, ms; floods of connections last less.
 */
const SILENT_MS_MAX = 1000;
/** A front-end that stays as long is not one that comes and goes, ms. */
const STAY_MS = 10_000;

/** The arrival of one connection. Control thread only; end it. */
export class Arrival {
  readonly #announce: () => void;
  #timer: ReturnType<typeof setTimeout>;
  #announced = false;
  #stay: Stay = "short";

  /**
   * Begins with a connection.
   * @param announce called once, when the connection counts as a front-end
   * @param stays called once, when it has been there for long; null: nobody asks
   */
  constructor(announce: () => void, stays: (() => void) | null = null) {
    this.#announce = announce;
    this.#timer = setTimeout(() => {
      this.#stay = "long";
      this.announce();
      if (stays !== null) this.#timer = setTimeout(stays, STAY_MS - SILENT_MS_MAX);
    }, SILENT_MS_MAX);
  }

  /** It counts as a front-end now: it has said something, or something is to be logged of it. */
  announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#announce();
  }

  /** Its rings run: it stayed `linked` at least. */
  prove(): void {
    if (this.#stay === "short") this.#stay = "linked";
  }

  /** Whether it counts as a front-end. */
  get isAnnounced(): boolean {
    return this.#announced;
  }

  /** How it stayed so far. */
  get stay(): Stay {
    return this.#stay;
  }

  /** The connection is over. @param told it is to count as a front-end, even if it was silent */
  end(told: boolean): void {
    clearTimeout(this.#timer);
    if (told) this.announce();
  }
}
