// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The plain way of a burst, which nearly all frames go: what split and packed rings share of it.
 *
 * A *plain frame* is one readable descriptor that lies in one piece of guest memory and is longer
 * than what is read of it to decide. A *plain buffer* is one writable descriptor that lies in one
 * piece and holds all of the frame. Between them a frame needs no walk, no list of segments and no
 * second look at either, so each step of a burst is one short loop over its frames:
 *
 * ```
 *   take      a descriptor -> checked, translated
 *   open      the head -> loaded once, into the private copy
 *   gather    a descriptor -> checked, translated
 *   touch     its first lines asked for
 *   write     header, checked head, the rest: one copy
 * ```
 *
 * Why the loops are like that. A cache line that the driver's core has touched last takes 50 to 100
 * ns to come. The processor has dozens of them on their way at once, but only those it meets within
 * a few hundred instructions: so loops are short and do one thing. Stores reach memory in order, and
 * one that waits for its line holds up all behind it: so one loop only stores a word to the first
 * two lines of each buffer, before any is filled, and another to each line of the used ring
 * (split/used.ts).
 *
 * A piece of memory is a granule of one region (memory/guest_memory.ts). What is known of the last
 * one stays in locals: buffers of a driver lie together. So the look-up stands in each loop, four times
 * in all: a function would have to put five results into memory, for every frame.
 *
 * Whatever is not plain ends the loop in front of it, and is served by the general way (frames.ts),
 * in its turn and with all its checks: nothing is given up here, nothing counted as a fault. A plain
 * burst differs from another only in that its frame `n` is segment `n` and no other.
 *
 * @module
 */
import { BURST_FRAMES, frameBytes, frameHeadPairs, HEAD_BYTES } from "./burst.ts";
import { bufferBytes } from "./deliver.ts";
import { segmentOffset, segmentWindow } from "./memory/guest_memory.ts";
import { copyBytes, copyShort, LOOP_BYTES_MAX, windowView } from "./memory/window.ts";
import { netAsksOffload, writeBareHeader } from "./net_header.ts";

/** Result of a take: there is something, and the general way must look at it. */
export const NOT_PLAIN: number = -1;

/** Where each gathered buffer lies: its window, and its first byte in it. */
export const plainWindow: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** See {@linkcode plainWindow}. */
export const plainOffset: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);

/** Bytes from a buffer's start whose line is asked for besides the first one. */
const SECOND_LINE = 64;

/**
 * Opens frames of a plain burst: copies the heads, behind which `segmentOffset` is.
 * @param offloads whether headers are read; where none were negotiated their lines stay where they are
 * @returns frames opened: up to the first one, of `count`, that asks for an offload
 */
export function openPlainFrames(count: number, headerBytes: number, offloads: boolean): number {
  let window = segmentWindow[0]!;
  let view = windowView[window]!;
  for (let frame = 0; frame < count; frame++) {
    if (segmentWindow[frame] !== window) {
      window = segmentWindow[frame]!;
      view = windowView[window]!;
    }
    const offset = segmentOffset[frame]! - HEAD_BYTES;
    if (offloads && netAsksOffload(view, offset - headerBytes)) return frame;
    frameHeadPairs[2 * frame] = view.getBigUint64(offset, true);
    frameHeadPairs[2 * frame + 1] = view.getBigUint64(offset + 8, true);
  }
  return count;
}

/**
 * Has the first lines of `count` gathered buffers come from the driver's core, with words that are
 * written over: a store each and little else, so that dozens of them are under way at once.
 */
function touchBuffers(count: number): void {
  for (let k = 0; k < count; k++) {
    const view = windowView[plainWindow[k]!]!;
    const offset = plainOffset[k]!;
    view.setInt32(offset, 0, true);
    if (bufferBytes[k]! >= SECOND_LINE + 4) view.setInt32(offset + SECOND_LINE, 0, true);
  }
}

/**
 * Writes frames of a plain burst into the buffers gathered for them, each a virtio-net header, the
 * checked head and the rest in one copy.
 * @param list frame numbers, from `listStart` on, one for each of `count` buffers
 * @returns bytes of the frames, without virtio-net headers
 */
export function writePlainFrames(
  list: Uint16Array,
  listStart: number,
  count: number,
  headerBytes: number,
): number {
  touchBuffers(count);
  let window = plainWindow[0]!;
  let view = windowView[window]!;
  let sourceWindow = segmentWindow[list[listStart]!]!;
  let source = windowView[sourceWindow]!;
  let bytes = 0;
  for (let k = 0; k < count; k++) {
    const frame = list[listStart + k]!;
    if (plainWindow[k] !== window) {
      window = plainWindow[k]!;
      view = windowView[window]!;
    }
    if (segmentWindow[frame] !== sourceWindow) {
      sourceWindow = segmentWindow[frame]!;
      source = windowView[sourceWindow]!;
    }
    const offset = plainOffset[k]!;
    writeBareHeader(view, offset, headerBytes, 1);
    const target = offset + headerBytes;
    view.setBigUint64(target, frameHeadPairs[2 * frame]!, true);
    view.setBigUint64(target + 8, frameHeadPairs[2 * frame + 1]!, true);
    const rest = frameBytes[frame]! - HEAD_BYTES;
    const from = segmentOffset[frame]!;
    // The views are at hand: a short frame needs no second look at its windows.
    if (rest <= LOOP_BYTES_MAX) copyShort(view, target + HEAD_BYTES, source, from, rest);
    else copyBytes(window, target + HEAD_BYTES, sourceWindow, from, rest);
    bytes += frameBytes[frame]!;
  }
  return bytes;
}
