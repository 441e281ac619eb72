/**
 * Guests that are there and send nothing.
 *
 * @module
 */
import { raiseFdLimit } from "../../ffi/mod.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";

/** One guest at each of some sockets. */
export class IdleGuests implements Disposable {
  readonly #guests: NetGuest[] = [];

  private constructor() {}

  /** Connects them, one after the other; their links are up when this resolves. */
  static async start(sockets: readonly string[]): Promise<IdleGuests> {
    raiseFdLimit();
    const guests = new IdleGuests();
    try {
      for (const [i, socket] of sockets.entries()) {
        const low = i.toString(16).padStart(2, "0");
        guests.#guests.push(
          await NetGuest.start({
            ...{ socket, mac: `02:ff:00:00:00:${low}`, memoryBytes: 2 << 20, buffers: 64 },
          }),
        );
      }
      return guests;
    } catch (error) {
      guests[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const guest of this.#guests) guest.close();
  }
}
