// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * VLAN tags of frames of the burst, pushed and popped before they are copied, so that there is one
 * copy still. A tag is the last word of a frame's head, and what is behind it moves:
 *
 * ```
 *             head: 16 bytes, private                    segments
 *   untagged  | to | from | type, 2 bytes of payload |   | payload …
 *   tagged    | to | from | 0x8100, tag              |   | type, 2 bytes | payload …
 * ```
 *
 * Pushed, the word that was in the head is a segment of 4 private bytes in front of the others. Popped,
 * the next 4 bytes are read into the head, once: what is decided by them is what is delivered.
 *
 * What a frame asks for moves along. Data-plane thread only.
 *
 * @module
 */
import {
  BURST_FRAMES,
  burstHasOffloads,
  frameBytes,
  frameHead,
  frameSegment,
  HEAD_BYTES,
  HEAD_WORDS,
  isPlainBurst,
  spaceSegments,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { WindowSet, windowView } from "../../virtio/memory/window.ts";
import { frameOffloads, NO_OFFLOADS, shiftFrameOffloads } from "../../virtio/offloads.ts";

/** Bytes of a tag. */
export const TAG_BYTES = 4;
/** Shortest frame with a tag: both addresses, the tag, an EtherType. */
export const TAGGED_BYTES_MIN = 18;
/** Word of the head where a tag stands, and its lower half where one does: 0x8100. */
const TAG_WORD = 3;
const TAG_TYPE = 0x0081;
/** Where that word begins in the frame. */
const TAG_OFFSET = 12;

const windows = WindowSet.over(new ArrayBuffer(TAG_BYTES * BURST_FRAMES));
/** The window of words that pushed tags moved out of heads. */
export const TAG_WINDOW: number = windows.window(0);
const tagView = windowView[TAG_WINDOW]!;

/** Of each frame that is in a VLAN: priority and drop bit, 4 bits, and the VLAN. */
export const frameTci: Uint16Array<ArrayBuffer> = new Uint16Array(BURST_FRAMES);
/** Whether the head has that as a tag now, 0 or 1. */
export const frameTagged: Uint8Array<ArrayBuffer> = new Uint8Array(BURST_FRAMES);

/** Whether a frame's head has a tag, as far as its bytes go. */
export function hasTag(frame: number): boolean {
  return (frameHead[frame * HEAD_WORDS + TAG_WORD]! & 0xffff) === TAG_TYPE;
}

/** The tag in a frame's head: priority, drop bit and VLAN, 16 bits. */
export function readTag(frame: number): number {
  const word = frameHead[frame * HEAD_WORDS + TAG_WORD]!;
  return ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** Writes a tag where one is, or its place is free. */
export function writeTag(frame: number, tci: number): void {
  frameHead[frame * HEAD_WORDS + TAG_WORD] = TAG_TYPE | ((tci & 0xff00) << 8) | (tci << 24);
}

/** Puts the tag into a frame that has none now. */
export function pushTag(frame: number): void {
  if (isPlainBurst()) spaceSegments();
  const bytes = frameBytes[frame]!;
  const segment = frameSegment[frame]! - 1;
  const offset = TAG_BYTES * frame;
  tagView.setInt32(offset, frameHead[frame * HEAD_WORDS + TAG_WORD]!, true);
  segmentWindow[segment] = TAG_WINDOW;
  segmentOffset[segment] = offset;
  segmentBytes[segment] = bytes < HEAD_BYTES ? bytes - TAG_OFFSET : TAG_BYTES;
  frameSegment[frame] = segment;
  writeTag(frame, frameTci[frame]!);
  changed(frame, 1, TAG_BYTES);
}

/** Takes the tag out of a frame that has one now, of {@linkcode TAGGED_BYTES_MIN} bytes at least. */
export function popTag(frame: number): void {
  if (isPlainBurst() && segmentBytes[frame]! <= TAG_BYTES) spaceSegments();
  const segment = frameSegment[frame]!;
  const left = segmentBytes[segment]! - TAG_BYTES;
  let word: number;
  if (left > 0) {
    const offset = segmentOffset[segment]!;
    word = windowView[segmentWindow[segment]!]!.getInt32(offset, true);
    segmentOffset[segment] = offset + TAG_BYTES;
    segmentBytes[segment] = left;
  } else word = gatherWord(frame);
  frameHead[frame * HEAD_WORDS + TAG_WORD] = word;
  changed(frame, 0, -TAG_BYTES);
}

/** Takes the next 4 bytes, as many as the frame has, out of segments of any size. */
function gatherWord(frame: number): number {
  const rest = frameBytes[frame]! - HEAD_BYTES;
  const wanted = rest < TAG_BYTES ? rest : TAG_BYTES;
  let segment = frameSegment[frame]!;
  let word = 0;
  for (let got = 0; got < wanted;) {
    const view = windowView[segmentWindow[segment]!]!;
    let offset = segmentOffset[segment]!;
    let left = segmentBytes[segment]!;
    for (; left > 0 && got < wanted; left--) word |= view.getUint8(offset++) << (8 * got++);
    segmentOffset[segment] = offset;
    segmentBytes[segment] = left;
    if (left === 0) segment++;
  }
  frameSegment[frame] = segment;
  return word;
}

/** A tag came or went. */
function changed(frame: number, tagged: number, bytes: number): void {
  frameTagged[frame] = tagged;
  frameBytes[frame] = frameBytes[frame]! + bytes;
  if (burstHasOffloads() && frameOffloads[frame] !== NO_OFFLOADS) shiftFrameOffloads(frame, bytes);
}
