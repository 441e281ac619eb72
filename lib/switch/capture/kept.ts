// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Private copies of frames that are captured: what is written down is what is delivered, whatever a
 * sender makes of its memory meanwhile. A burst's frames are copied once, and come from the copy from
 * then on; and each is gathered, as it is on the wire of one port, to be looked at and written down.
 *
 * Data-plane thread only.
 *
 * @module
 */
import {
  BURST_BYTES_MAX,
  BURST_FRAMES,
  CHAIN_BYTES_MAX,
  FRAME_BYTES_MAX,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  isPlainBurst,
  spaceSegments,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { copyBytes, WindowSet, windowView } from "../../virtio/memory/window.ts";

/** A burst takes no further chain once it holds that much, and one chain more may be as long. */
const KEPT_BYTES = BURST_BYTES_MAX + CHAIN_BYTES_MAX + 4096;
const keptWindows = WindowSet.over(new ArrayBuffer(KEPT_BYTES));
const KEPT_WINDOW = keptWindows.window(0);
/** Bytes of it that are taken, and which burst they are of. */
const kept = { bytes: 0, burst: 0 };
/** The burst in which each frame was kept last. */
const keptIn = new Int32Array(BURST_FRAMES);

/** Behind the longest frame, so that whole words may be written. */
const WIRE_BYTES = FRAME_BYTES_MAX + HEAD_BYTES;
const wireWindows = WindowSet.over(new ArrayBuffer(WIRE_BYTES));
/** The window of the frame that was gathered last, from its first byte on. */
export const WIRE_WINDOW: number = wireWindows.window(0);
/** Its view. */
export const wireView: DataView = windowView[WIRE_WINDOW]!;

/** Another burst is at hand: none of its frames is kept. */
export function beginKeeping(): void {
  kept.bytes = 0;
  kept.burst = (kept.burst + 1) | 0;
}

/**
 * Has frame `frame` of the burst, below BURST_FRAMES, come from private memory from now on, behind its
 * head, which does already. Sources of longer bursts than guests' have private memory anyway.
 */
export function keepFrame(frame: number): void {
  if (keptIn[frame] === kept.burst) return;
  keptIn[frame] = kept.burst;
  const rest = frameBytes[frame]! - HEAD_BYTES;
  if (rest <= 0 || kept.bytes + rest > KEPT_BYTES) return;
  if (isPlainBurst()) spaceSegments();
  copyRest(KEPT_WINDOW, kept.bytes, frame, rest);
  const segment = frameSegment[frame]!;
  segmentWindow[segment] = KEPT_WINDOW;
  segmentOffset[segment] = kept.bytes;
  segmentBytes[segment] = rest;
  frameSegmentEnd[frame] = segment + 1;
  kept.bytes += rest;
}

/** Gathers a frame, of any bytes at least 0, into {@linkcode wireView}. */
export function gatherFrame(frame: number): void {
  for (let word = 0; word < HEAD_WORDS; word++) {
    wireView.setInt32(4 * word, frameHead[frame * HEAD_WORDS + word]!, true);
  }
  copyRest(WIRE_WINDOW, HEAD_BYTES, frame, frameBytes[frame]! - HEAD_BYTES);
}

/** Copies the first `bytes` bytes behind a frame's head. */
function copyRest(window: number, offset: number, frame: number, bytes: number): void {
  let done = 0;
  for (let segment = frameSegment[frame]!; done < bytes; segment++) {
    const room = segmentBytes[segment]!;
    const part = room < bytes - done ? room : bytes - done;
    copyBytes(window, offset + done, segmentWindow[segment]!, segmentOffset[segment]!, part);
    done += part;
  }
}
