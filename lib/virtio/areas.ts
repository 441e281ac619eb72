/**
 * How large a ring's three areas are, by its kind.
 *
 * @module
 */
import { PACKED_EVENT_BYTES, packedDescBytes } from "./packed/queue.ts";
import { splitAvailBytes, splitDescBytes, splitUsedBytes } from "./split/queue.ts";

/** Bytes of a ring's three areas, named as the data plane does. @param size entries, 1-32768 */
export function areaBytes(
  size: number,
  packed: boolean,
): { readonly desc: number; readonly driver: number; readonly device: number } {
  return packed
    ? { desc: packedDescBytes(size), driver: PACKED_EVENT_BYTES, device: PACKED_EVENT_BYTES }
    : { desc: splitDescBytes(size), driver: splitAvailBytes(size), device: splitUsedBytes(size) };
}
