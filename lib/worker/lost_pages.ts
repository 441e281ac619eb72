/**
 * Pages of guests' files that could not be had, as the data plane hears of them: the guard
 * (ffi/guard.ts) has put zeros in their place and counted. Looked at once a round.
 *
 * @module
 */
import type { GuardTable } from "../../ffi/mod.ts";

/** What is new in the guard's table. Data-plane thread only. */
export class LostPages {
  readonly #table: GuardTable | null;
  readonly #before: number;
  #known: number;

  /** Nothing is new. @param table null: there is no guard */
  constructor(table: GuardTable | null) {
    this.#table = table;
    this.#before = this.#known = table === null ? 0 : table.helped;
  }

  /** Whether there were faults since they were taken last. Costs a load. */
  get isNews(): boolean {
    return this.#table !== null && this.#table.helped !== this.#known;
  }

  /** Faults since the start, of both threads. */
  get count(): number {
    return (this.#known - this.#before) >>> 0;
  }

  /** Addresses at which ranges with faults begin. */
  take(): Set<number> {
    const table = this.#table;
    if (table === null) return new Set();
    this.#known = table.helped;
    return new Set(table.faulty().map(({ address }) => address));
  }

  /** Nobody touches those any more. */
  seenTo(): void {
    if (!this.isNews) this.#table?.seenTo();
  }
}
