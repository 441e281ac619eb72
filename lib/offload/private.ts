// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Private copies of headers: room for the longest for each frame of the burst and for
 * each made from it, from the frame's first byte on. Data-plane thread only.
 *
 * @module
 */
import {
  frameHead,
  FRAMES,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
} from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { copyBytes, WindowSet, windowView } from "../virtio/memory/window.ts";
import { HEADERS_BYTES_MAX } from "./headers.ts";

/** The longest headers may get a VLAN tag on their way. */
const HEADERS_STRIDE = HEADERS_BYTES_MAX + 8;

const windows = WindowSet.over(new ArrayBuffer(FRAMES * HEADERS_STRIDE));
/** The window of all copies. */
export const HEADERS_WINDOW: number = windows.window(0);
/** Its view. */
export const headersView: DataView = windowView[HEADERS_WINDOW]!;

/** Where the copy of a frame's headers begins. */
export function headersOffset(frame: number): number {
  return frame * HEADERS_STRIDE;
}

/**
 * Copies the first `bytes` bytes of frame `frame`, which has as many, to where those of frame `to`
 * stand: the checked head, and the rest from its segments.
 * @param bytes at most HEADERS_BYTES_MAX, and a VLAN tag
 */
export function copyHeaders(frame: number, to: number, bytes: number): void {
  const target = headersOffset(to);
  for (let word = 0; word < HEAD_WORDS; word++) {
    headersView.setInt32(target + 4 * word, frameHead[frame * HEAD_WORDS + word]!, true);
  }
  copyRest(frame, target, HEAD_BYTES, bytes);
}

/**
 * Has the copy of a frame's own headers, of `have` bytes, go on to `bytes`; those that are there stay
 * as they were read.
 * @param have at least HEAD_BYTES
 */
export function copyMoreHeaders(frame: number, have: number, bytes: number): void {
  copyRest(frame, headersOffset(frame), have, bytes);
}

/** Copies bytes `from` to `to` of a frame, behind its head, to where they stand behind `target`. */
function copyRest(frame: number, target: number, from: number, to: number): void {
  let done = from;
  let skip = from - HEAD_BYTES;
  for (let segment = frameSegment[frame]!; done < to; segment++) {
    const room = segmentBytes[segment]! - skip;
    if (room <= 0) {
      skip = -room;
      continue;
    }
    const part = room < to - done ? room : to - done;
    const offset = segmentOffset[segment]! + skip;
    copyBytes(HEADERS_WINDOW, target + done, segmentWindow[segment]!, offset, part);
    done += part;
    skip = 0;
  }
}

/**
 * Has the first `bytes` bytes of frame `frame` come from its private copy from now on. The segment in
 * front of the frame's first one is free.
 * @param bytes copied already, of the frame's
 */
export function keepHeaders(frame: number, bytes: number): void {
  let left = bytes - HEAD_BYTES;
  if (left <= 0) return;
  let segment = frameSegment[frame]!;
  while (left > 0 && segment < frameSegmentEnd[frame]!) {
    const room = segmentBytes[segment]!;
    if (room > left) {
      segmentOffset[segment] = segmentOffset[segment]! + left;
      segmentBytes[segment] = room - left;
      break;
    }
    left -= room;
    segment++;
  }
  segment--;
  segmentWindow[segment] = HEADERS_WINDOW;
  segmentOffset[segment] = headersOffset(frame) + HEAD_BYTES;
  segmentBytes[segment] = bytes - HEAD_BYTES;
  frameSegment[frame] = segment;
}
