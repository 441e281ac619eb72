/**
 * Calls that leave as messages: events for the control thread, which sends them. A call that is lost
 * would hang its driver, and a driver that is called often must not fill the events of all ports.
 *
 * @module
 */
import type { Vring } from "../switch/ports/vring.ts";
import { EVENT, type EventWriter } from "./events.ts";
import { IN_BAND } from "./wire.ts";

/** The in-band calls of all virtqueues. Data-plane thread only. */
export class InBandCalls {
  readonly #events: EventWriter;
  /** Where the last call of a virtqueue stands among the events. */
  readonly #told = new WeakMap<Vring, number>();
  /** Virtqueues whose call found no room. */
  readonly #due: Vring[] = [];

  /** Calls leave as records of `events`. */
  constructor(events: EventWriter) {
    this.#events = events;
  }

  /** Some calls found no room: {@linkcode retry} soon. */
  get waiting(): boolean {
    return this.#due.length > 0;
  }

  /** The driver of a virtqueue, whose buffers are published, wants a call. */
  call(vring: Vring): void {
    const told = this.#told.get(vring);
    // One that is still unread stands for any number of buffers.
    if (told !== undefined && this.#events.unread(told)) return;
    const { port, number } = vring;
    if (this.#events.write(EVENT.call, port.index, number, 0)) {
      this.#told.set(vring, this.#events.written);
    } else if (!this.#due.includes(vring)) this.#due.push(vring);
  }

  /** Makes the calls that found no room, as far as there is room now. */
  retry(): void {
    for (const vring of this.#due.splice(0)) {
      // Unless it was stopped meanwhile, or calls go elsewhere.
      if (vring.port.vrings[vring.number] !== vring || vring.callFd !== IN_BAND) continue;
      this.call(vring);
    }
  }
}
