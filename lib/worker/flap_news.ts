// deno-lint-ignore-file no-non-null-assertion
/**
 * Tells the control thread of addresses that begin to flap, so that nobody's flaps leave no room
 * for other events. Those that are not told are counted like all others.
 *
 * @module
 */
import { macNumber } from "../base/mac.ts";
import { EVENT, type EventWriter } from "./events.ts";
import { PORTS_MAX } from "../base/limits.ts";

/** Events of one port in one second. */
const EVENTS_PER_SECOND = 32;

/** What is told of flaps. Data-plane thread only. */
export class FlapNews {
  readonly #events: Pick<EventWriter, "write">;
  readonly #second = new Int32Array(PORTS_MAX);
  readonly #told = new Int32Array(PORTS_MAX);

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
