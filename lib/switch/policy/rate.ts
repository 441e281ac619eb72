// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A rate of one direction of a port, in bits and in frames: a token bucket for each, filled by the
 * thread's clock. A frame passes while there are tokens in both, and takes what it weighs, beyond the
 * last token if need be: what it lacks is a debt that time pays back. So the rate holds for frames of
 * any size; a bucket holds at least the largest that passed.
 *
 * @module
 */
import { clock } from "./clock.ts";

/** Highest rates that can be set, a second. */
export const BIT_RATE_MAX = 1e12;
/** Likewise. */
export const FRAME_RATE_MAX = 1e9;
/** What a bucket holds if nobody says so: what its rate gives in so long, ms. */
export const RATE_BURST_MS = 20;
/** The most that can be said. */
export const RATE_BURST_MS_MAX = 10_000;

/** Buckets. */
const BYTES = 0;
const FRAMES = 1;
/** A sender that has more than its part leaves so much of each bucket: see limits.ts. */
const RESERVE = 1 / 4;

/** Data-plane thread only. */
export class Rate {
  readonly #perMs: Float64Array;
  readonly #depths: Float64Array;
  readonly #reserves: Float64Array;
  readonly #tokens: Float64Array;
  /** In an array, for a number in a field of its own would be garbage each time. */
  readonly #filledMs = Float64Array.of(clock.ms);

  /** Full buckets. @param bits a second, 0: any number @param frames likewise */
  constructor(bits: number, frames: number, burstMs: number) {
    const perMs = [bits === 0 ? Infinity : bits / 8000, frames === 0 ? Infinity : frames / 1000];
    this.#perMs = Float64Array.from(perMs);
    // With less than one frame there would never be a token.
    this.#depths = this.#perMs.map((tokens) => Math.max(1, burstMs * tokens));
    this.#reserves = this.#depths.map((depth) => depth === Infinity ? 0 : depth * RESERVE);
    this.#tokens = this.#depths.slice();
  }

  /** Puts in what time has brought. Call once a burst. */
  fill(): void {
    const ms = clock.ms - this.#filledMs[0]!;
    if (ms <= 0) return;
    this.#filledMs[0] = clock.ms;
    for (let i = BYTES; i <= FRAMES; i++) {
      this.#tokens[i] = Math.min(this.#depths[i]!, this.#tokens[i]! + ms * this.#perMs[i]!);
    }
  }

  /** Takes the tokens of a frame, if it may pass. @param sparing it must leave the reserve */
  take(bytes: number, frames: number, sparing: boolean): boolean {
    const tokens = this.#tokens;
    if (tokens[BYTES]! <= (sparing ? this.#reserves[BYTES]! : 0)) return false;
    if (tokens[FRAMES]! <= (sparing ? this.#reserves[FRAMES]! : 0)) return false;
    tokens[BYTES]! -= bytes;
    tokens[FRAMES]! -= frames;
    // In a bucket smaller than a frame, tokens would be lost between two of them.
    if (bytes > this.#depths[BYTES]!) this.#depths[BYTES] = bytes;
    if (frames > this.#depths[FRAMES]!) this.#depths[FRAMES] = frames;
    return true;
  }
}
