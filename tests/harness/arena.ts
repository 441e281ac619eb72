/**
 * Arenas for tests: address space that memory files are mapped into, as in a switch.
 *
 * @module
 */
import { Reservation, viewBytesMax, viewMemory } from "../../ffi/mod.ts";
import { type ArenaGuard, GuestArena } from "../../lib/control/front_end/guest_arena.ts";
import { Arena, WINDOW_STRIDE } from "../../lib/virtio/memory/arena.ts";
import { useArena } from "../../lib/virtio/memory/window.ts";

/** An arena of the control thread. Release it, or leave it to the end of the process. */
export class TestArena extends GuestArena implements Disposable {
  readonly #reservation: Reservation;

  /** @param granules GiB of it @param guard of what is mapped */
  constructor(granules = 64, guard: ArenaGuard | null = null) {
    const reservation = Reservation.make(granules * WINDOW_STRIDE, WINDOW_STRIDE);
    super(reservation, guard);
    this.#reservation = reservation;
  }

  /** Has this thread's windows look into it, as the data plane's do. */
  show(): this {
    const { address, sizeBytes } = this.#reservation;
    useArena(new Arena({ address, sizeBytes, viewBytesMax: viewBytesMax() }, viewMemory));
    return this;
  }

  [Symbol.dispose](): void {
    this.#reservation.release();
  }
}
