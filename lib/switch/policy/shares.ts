// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * How the table's places are shared among ports: a quarter of them is set aside in equal parts, one
 * for each port that there can be, and the rest is for whoever comes first. So ports that fill the
 * table leave a place for the guests of those that come later.
 *
 * @module
 */
import { PORTS_MAX } from "../../base/limits.ts";

/** Part of all places that is set aside: one in so many. */
const SET_ASIDE = 4;

/** Places that are set aside for each port. @param entriesMax places in all */
// cold
export function placesSetAside(entriesMax: number): number {
  return Math.floor(entriesMax / SET_ASIDE / PORTS_MAX);
}

/** Places taken by each port. Data-plane thread only. */
export class Shares {
  readonly #own: number;
  readonly #commonMax: number;
  readonly #taken = new Int32Array(PORTS_MAX);
  /** Places taken beyond what is set aside for those who have them. */
  #common = 0;

  /** None is taken. @param entriesMax places in all */
  constructor(entriesMax: number) {
    this.#own = placesSetAside(entriesMax);
    this.#commonMax = entriesMax - PORTS_MAX * this.#own;
  }

  /** All places are free again. */
  clear(): void {
    this.#taken.fill(0);
    this.#common = 0;
  }

  /** Places that a port has. */
  of(port: number): number {
    return this.#taken[port]!;
  }

  /** Whether there is a place for one more address of a port. */
  hasRoom(port: number): boolean {
    return this.#taken[port]! < this.#own || this.#common < this.#commonMax;
  }

  /** Whether an address may go from one port to another. */
  mayMove(from: number, to: number): boolean {
    return this.hasRoom(to) || this.#taken[from]! > this.#own;
  }

  /** A port takes a place. */
  take(port: number): void {
    if (++this.#taken[port]! > this.#own) this.#common++;
  }

  /** A port gives a place back. */
  give(port: number): void {
    if (this.#taken[port]!-- > this.#own) this.#common--;
  }
}
