// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Storm limits: how many frames a second a port may send to many at once, by kind: to everybody, to a
 * group, to an address that nobody knows. Each costs as many copies as there are ports and takes room
 * in every guest's ring, so that one port's flood is everybody's.
 *
 * A bucket a kind that holds what may be sent in a tenth of a second, for a receiver's ring is full
 * long before that of a whole one; it is filled by the thread's clock and looked at for frames that go
 * to many alone. What goes to one port, as where there are only two, is not limited.
 *
 * @module
 */
import { clock } from "./clock.ts";

/** Kinds of frames, by their place in {@linkcode StormRates}. */
export const STORM_KINDS = ["broadcast", "multicast", "unknown"] as const;
/** To the broadcast address. */
export const BROADCAST = 0;
/** To another group. */
export const MULTICAST = 1;
/** To an address that nobody has. */
export const UNKNOWN = 2;

/** Highest limit that can be set. */
export const STORM_RATE_MAX = 1_000_000_000;

/** What a bucket holds at least, frames, if its rate is not below that. */
const DEPTH_MIN = 100;

/** Frames a second of each of {@linkcode STORM_KINDS}; 0: no limit. */
export type StormRates = readonly [broadcast: number, multicast: number, unknown: number];

/** The limits of one port. Data-plane thread only. */
export class Storm {
  readonly #rates: Float64Array;
  readonly #depths: Float64Array;
  readonly #tokens: Float64Array;
  #filledMs: number;

  /** Its buckets are full. */
  constructor(rates: StormRates) {
    this.#rates = Float64Array.from(rates);
    this.#depths = Float64Array.from(
      rates,
      (rate) => Math.max(Math.min(rate, DEPTH_MIN), rate / 10),
    );
    this.#tokens = Float64Array.from(this.#depths);
    this.#filledMs = clock.ms;
  }

  /** Whether one more frame of a kind may go to many. */
  admits(kind: number): boolean {
    const tokens = this.#tokens;
    if (this.#rates[kind] === 0) return true;
    if (tokens[kind]! < 1) this.#fill();
    if (tokens[kind]! < 1) return false;
    tokens[kind]!--;
    return true;
  }

  #fill(): void {
    const seconds = Math.max(0, clock.ms - this.#filledMs) / 1000;
    this.#filledMs = clock.ms;
    for (let kind = 0; kind < STORM_KINDS.length; kind++) {
      const rate = this.#rates[kind]!;
      this.#tokens[kind] = Math.min(this.#depths[kind]!, this.#tokens[kind]! + rate * seconds);
    }
  }
}
