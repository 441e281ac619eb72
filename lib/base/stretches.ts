/**
 * Which of a row of equal units are taken: stretches are taken and given back, first fit behind the
 * one that was taken last. What was given back is taken again late, so that whoever still uses it by
 * mistake meets nobody for long.
 *
 * @module
 */
import { assert } from "./assert.ts";

interface Stretch {
  first: number;
  count: number;
}

/** A row of units, numbered from 0. */
export class Stretches {
  /** Free ones in order; none touches the next. */
  readonly #free: Stretch[];
  readonly #turning: number;
  #next = 0;

  /**
   * All are free.
   * @param turning units that are gone through in turn; those behind are for when these are taken
   */
  constructor(units: number, turning = units) {
    this.#turning = turning;
    this.#free = units > 0 ? [{ first: 0, count: units }] : [];
  }

  /** Units that are free, in all. */
  get free(): number {
    return this.#free.reduce((sum, { count }) => sum + count, 0);
  }

  /** Units of the longest free stretch. */
  get longest(): number {
    return this.#free.reduce((most, { count }) => Math.max(most, count), 0);
  }

  /** Takes `count` units in a row, above 0. @returns the first one's number, or -1: there are none */
  take(count: number): number {
    assert(count > 0, "A stretch has units");
    let found = this.#find(count, this.#next);
    if (found < 0 || found + count > this.#turning) {
      const first = this.#find(count, 0);
      if (first >= 0) found = first;
    }
    if (found < 0) return -1;
    this.#cut(found, count);
    this.#next = found + count;
    return found;
  }

  /** Where `count` units are free from number `from` on. */
  #find(count: number, from: number): number {
    for (const { first, count: free } of this.#free) {
      const start = Math.max(first, from);
      if (first + free - start >= count) return start;
    }
    return -1;
  }

  #cut(start: number, count: number): void {
    const at = this.#free.findIndex(({ first, count: free }) =>
      start >= first && start + count <= first + free
    );
    const { first, count: free } = this.#free[at] as Stretch;
    const before = { first, count: start - first };
    const behind = { first: start + count, count: first + free - start - count };
    this.#free.splice(at, 1, ...[before, behind].filter((part) => part.count > 0));
  }

  /** Gives back what {@linkcode take} gave. */
  give(first: number, count: number): void {
    let at = this.#free.findIndex((stretch) => stretch.first > first);
    if (at < 0) at = this.#free.length;
    const before = this.#free[at - 1];
    const behind = this.#free[at];
    assert(!before || before.first + before.count <= first, "What is free cannot be given back");
    assert(!behind || first + count <= behind.first, "What is free cannot be given back");
    const joined = { first, count };
    const touchesBefore = before !== undefined && before.first + before.count === first;
    const touchesBehind = behind !== undefined && first + count === behind.first;
    if (touchesBefore) {
      joined.first = before.first;
      joined.count += before.count;
    }
    if (touchesBehind) joined.count += behind.count;
    const from = touchesBefore ? at - 1 : at;
    this.#free.splice(from, Number(touchesBefore) + Number(touchesBehind), joined);
  }
}
