/**
 * Setting the data plane's arena aside: address space for all guests' memory.
 *
 * @module
 */
import { addressSpaceLeft, Reservation } from "../../ffi/mod.ts";
import { WINDOW_STRIDE } from "../virtio/memory/arena.ts";
import { ARENA_BYTES } from "../virtio/memory/window.ts";

/** Share of a limited address space that is set aside: the rest is for the runtime itself. */
const LIMITED_SHARE = 0.75;

/**
 * Reserves the arena: {@linkcode ARENA_BYTES}, or less where `ulimit -v` or the processor leaves
 * less. The caller owns it. @throws {Error} there is none at all
 */
export function reserveArena(): Reservation {
  const left = addressSpaceLeft() * LIMITED_SHARE;
  let granules = Math.floor(Math.min(ARENA_BYTES, left) / WINDOW_STRIDE);
  for (; granules > 0; granules = Math.floor(granules / 2)) {
    try {
      return Reservation.make(granules * WINDOW_STRIDE, WINDOW_STRIDE);
    } catch {
      // Half as much, then.
    }
  }
  throw new Error("no address space is left for guests' memory: see ulimit -v");
}
