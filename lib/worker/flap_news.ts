// deno-lint-ignore-file no-non-null-assertion
/**
 * Tells the control thread of addresses that begin to flap, of each port only so many: one port's
 * flaps must leave room for other events. All flaps are counted, told or not.
 *
 * @module
 */
import { macNumber } from "../base/mac.ts";
import { EVENT, type EventWriter } from "./events.ts";
import { PORTS_MAX } from "../base/limits.ts";

/** Events of one port in one second. */
const EVENTS_PER_SECOND = 32;

/** Limits what is told of flaps. Data-plane thread only. */
export class FlapNews {
  readonly #events: Pick<EventWriter, "write">;
  readonly #second = new Int32Array(PORTS_MAX);
  readonly #told = new Int32Array(PORTS_MAX);

  /** Nothing was told yet. */
  constructor(events: Pick<EventWriter, "write">) {
    this.#events = events;
  }

  /** See DatapathHost.macFlap. @param now seconds of this thread */
  tell(macLo: number, macHi: number, from: number, to: number, now: number): void {
    if (this.#second[to] !== now) {
      this.#second[to] = now;
      this.#told[to] = 0;
    }
    if (this.#told[to]! >= EVENTS_PER_SECOND) return;
    this.#told[to]!++;
    this.#events.write(EVENT.macFlap, to, from, macNumber(macLo, macHi));
  }
}
