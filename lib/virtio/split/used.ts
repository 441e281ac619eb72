// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Buffers of a split virtqueue given back: used entries written, and all of them shown at once by
 * the used index (virtio-v1.3 §2.7.8). packed/used.ts is the same for packed ones.
 *
 * @module
 */
import { BURST_FRAMES, frameId } from "../burst.ts";
import { publishSplit, type SplitQueue } from "./queue.ts";

/** What a device writes into chains of the driver's frames. */
const NOTHING_WRITTEN = new Int32Array(BURST_FRAMES);
/** Used entries, 8 bytes each, in a cache line of 64. */
const LINE_ENTRIES = 8;

/**
 * Has the lines of the next `count` used entries come from the driver's core, long before these are
 * written: a store a line, so that all are under way together. Where each is waited for as its
 * first entry is written, a frame costs 10 to 20 ns more (docs/performance.md). No driver looks at
 * an entry before the used index shows it.
 * @param count 1 or more, all of which will be written
 */
export function askUsed(queue: SplitQueue, count: number): void {
  const { lastUsed, mask, usedRing } = queue;
  for (let k = 0; k < count; k += LINE_ENTRIES) usedRing[2 * ((lastUsed + k) & mask)] = 0;
  usedRing[2 * ((lastUsed + count - 1) & mask)] = 0;
}

/** Writes the next `count` used entries and shows them. @param received they are receive buffers */
export function giveBackSplit(
  queue: SplitQueue,
  count: number,
  ids: Int32Array,
  bytes: Int32Array,
  received: boolean,
): void {
  const { lastUsed, mask, usedRing } = queue;
  for (let k = 0; k < count; k++) {
    const entry = 2 * ((lastUsed + k) & mask);
    usedRing[entry] = ids[k]!;
    usedRing[entry + 1] = bytes[k]!;
  }
  publishSplit(queue, (lastUsed + count) & 0xffff, received);
}

/** Gives the first `count` frames of the burst back to the driver and publishes them. */
export function finishSplit(queue: SplitQueue, count: number): void {
  giveBackSplit(queue, count, frameId, NOTHING_WRITTEN, false);
}
