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
 *   take      a descriptor -> checked, translated, the head loaded, all in one pass
 *   gather    a descriptor -> checked, translated, its first lines asked for
 *   write     header, checked head, the rest: one copy; the used entry
 * ```
 *
 * Why the loops are like that. A cache line that the driver's core has touched last takes 50 to 100
 * ns to come. The processor has dozens of them on their way at once, but only those it meets within
 * a few hundred instructions: so loops are short, do one thing, and gathering stores a word to the
 * first two lines of each buffer, long before they are filled.
 *
 * A piece of memory is a granule of one region (memory/guest_memory.ts). What is known of the last
 * one stays in locals: buffers of a driver lie together.
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
import { copyBytes, windowView } from "./memory/window.ts";
import { writeBareHeader } from "./net_header.ts";

/** Result of a take: there is something, and the general way must look at it. */
export const NOT_PLAIN: number = -1;

/** Where each gathered buffer lies: its window, and its first byte in it. */
export const plainWindow: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** See {@linkcode plainWindow}. */
export const plainOffset: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);

/** Bytes from a buffer's start whose line is asked for besides the first one. */
const SECOND_LINE = 64;

/**
 * Has the first lines of `count` gathered buffers come from the driver's core, with words that are
 * written over: a store each and little else, so that dozens of them are under way at once.
 */
export function touchBuffers(count: number): void {
  for (let k = 0; k < count; k++) {
    const view = windowView[plainWindow[k]!]!;
    const offset = plainOffset[k]!;
    view.setInt32(offset, 0, true);
    if (bufferBytes[k]! >= SECOND_LINE + 4) view.setInt32(offset + SECOND_LINE, 0, true);
  }
}

/** Writes a plain frame, its virtio-net header first. @param offset of the buffer in `view` */
export function writePlainFrame(
  frame: number,
  headerBytes: number,
  window: number,
  view: DataView,
  source: DataView,
  offset: number,
): void {
  writeBareHeader(view, offset, headerBytes, 1);
  const target = offset + headerBytes;
  view.setBigUint64(target, frameHeadPairs[2 * frame]!, true);
  view.setBigUint64(target + 8, frameHeadPairs[2 * frame + 1]!, true);
  const rest = frameBytes[frame]! - HEAD_BYTES;
  const from = segmentOffset[frame]!;
  if (rest >= 8 && rest <= SHORT_BYTES_MAX) {
    copyShort(view, target + HEAD_BYTES, source, from, rest);
  } else copyBytes(window, target + HEAD_BYTES, segmentWindow[frame]!, from, rest);
}

/** Up to here words are moved one by one; beyond, memcpy is faster: see window.ts. */
const SHORT_BYTES_MAX = 128;

/** Moves 8 bytes or more; the last word may overlap the one before. */
function copyShort(
  view: DataView,
  target: number,
  source: DataView,
  from: number,
  bytes: number,
): void {
  const last = bytes - 8;
  for (let done = 0; done < last; done += 8) {
    view.setBigUint64(target + done, source.getBigUint64(from + done, true), true);
  }
  view.setBigUint64(target + last, source.getBigUint64(from + last, true), true);
}
