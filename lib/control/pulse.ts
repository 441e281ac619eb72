/**
 * Whether the data planes go on. One that works counts rounds, one that sleeps counts its sleep; one
 * that hangs counts nothing.
 *
 * @module
 */
import type { WorkerStatus } from "./types.ts";

/** What was counted when somebody looked last. */
export class Pulse {
  #before: readonly string[] = [];

  /**
   * Looks again.
   * @returns whether each data plane has moved on since the last look; true for the first
   */
  beats(workers: readonly Pick<WorkerStatus, "total">[]): boolean {
    const counted = workers.map(({ total }) => JSON.stringify(total.counters));
    const before = this.#before;
    this.#before = counted;
    return counted.every((each, number) => each !== before[number]);
  }
}
