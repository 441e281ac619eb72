/**
 * When a connection counts as a front-end. Whoever looks whether a socket lives connects as well, and
 * hangs up without a word: that is no front-end, and is no news. One that stays is, silent or not.
 *
 * @module
 */

/** It was gone at once, had a link in between, or was there for a while. */
export type Stay = "short" | "linked" | "long";

/** How long one may be silent before it is told of, ms. Whoever stays as long is no storm. */
const SILENT_MS_MAX = 1000;
/** Whoever stays as long is no news of the minute, ms. */
const STAY_MS = 10_000;

/** The arrival of one connection. Control thread only; end it. */
export class Arrival {
  readonly #announce: () => void;
  #timer: ReturnType<typeof setTimeout>;
  #announced = false;
  #stay: Stay = "short";

  /**
   * @param announce called once, when the connection is a front-end
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

  /** It has said something, or something is to be said of it. */
  announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#announce();
  }

  /** Its rings run. */
  prove(): void {
    if (this.#stay === "short") this.#stay = "linked";
  }

  /** Whether it was told of. */
  get isAnnounced(): boolean {
    return this.#announced;
  }

  /** How it stayed so far. */
  get stay(): Stay {
    return this.#stay;
  }

  /** The connection is over. @param told something is to be said of it, even if it was silent */
  end(told: boolean): void {
    clearTimeout(this.#timer);
    if (told) this.announce();
  }
}
