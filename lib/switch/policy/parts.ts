// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Who had how much of something of late, so that one sender can be told from those that had less.
 *
 * @module
 */
import { PORTS_MAX } from "../../base/limits.ts";
import { clock } from "./clock.ts";

/** Of late: what was had is halved every so often, ms. */
const HALVE_MS = 10;
/** What was halved to less than this is nothing, bytes. */
const LEAST = 16;
/** What all senders had, and when that was halved. */
const ALL = 0;
const HALVED = 1;

/** Bytes of each sender. Data-plane thread only. */
export class Parts {
  readonly #had = new Float64Array(PORTS_MAX);
  readonly #state = Float64Array.of(0, clock.ms);
  #senders = 0;

  /** Whether a sender had 1 / (n + 1) of it of late or more, n being the senders there are. */
  isHeavy(sender: number): boolean {
    if (clock.ms - this.#state[HALVED]! >= HALVE_MS) this.#halve();
    return this.#had[sender]! * (this.#senders + 1) >= this.#state[ALL]!;
  }

  /** It had so much more, or tried to get at least something. */
  add(sender: number, bytes: number): void {
    const more = Math.max(2 * LEAST, bytes);
    if (this.#had[sender] === 0) this.#senders++;
    this.#had[sender]! += more;
    this.#state[ALL]! += more;
  }

  #halve(): void {
    this.#state[HALVED] = clock.ms;
    let all = 0;
    this.#senders = 0;
    for (let sender = 0; sender < PORTS_MAX; sender++) {
      const half = this.#had[sender]! / 2;
      const had = half < LEAST ? 0 : half;
      this.#had[sender] = had;
      if (had === 0) continue;
      all += had;
      this.#senders++;
    }
    this.#state[ALL] = all;
  }
}
