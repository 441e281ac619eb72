// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Writing one frame into receive buffers: the part that split and packed rings share.
 *
 * The virtio-net header is made anew (virtio-v1.3 §5.1.6.4): none of what the sender wrote into its
 * own, only what was found of it in the frame (offloads.ts). The frame's head comes from the checked
 * private copy, the rest in one copy from the sender's memory.
 *
 * @module
 */
import {
  BUFFER_SEGMENTS,
  CHAIN_SEGMENTS_MAX,
  frameBytes,
  frameHeadPairs,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
} from "./burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "./memory/guest_memory.ts";
import { touchHeader, writeBareHeader } from "./net_header.ts";
import { writeFrameOffloads } from "./offloads.ts";
import { copyBytes, PRIVATE_WINDOW, privateView, windowView } from "./memory/window.ts";

/** Delivered. */
export const DELIVERED = 0;
/** The receiver has too few buffers available. */
export const NO_BUFFER = 1;
/** One buffer must hold the frame (no VIRTIO_NET_F_MRG_RXBUF) and the next one does not. */
export const BUFFER_TOO_SMALL = 2;

/**
 * A receive chain that cannot hold a virtio-net header, as some drivers offer: of length 0, or of a
 * few bytes. It goes back with length 0, with those gathered before it for the same frame, so that
 * used buffers keep the order of the available ones; the frame takes the next ones.
 */
export const BUFFER_UNUSABLE: number = -2;
/** Where chains that went back so are counted: they are published too, and may want a call. */
export const SPENT_BUFFERS: number = 4;
/** Where bytes delivered are counted, without virtio-net headers. */
export const DELIVERED_BYTES: number = 3;
/** Where it is counted how many of those delivered went the plain way: plain.ts. */
export const DELIVERED_PLAIN: number = 5;
/** Numbers in what a delivery counts: the outcomes of frames first. */
export const OUTCOMES: number = 6;

/**
 * Receive buffers (chains) gathered: those of the frame at hand, and in a packed ring, behind the
 * ones that this visit has filled.
 */
export const bufferId: Int32Array<ArrayBuffer> = new Int32Array(CHAIN_SEGMENTS_MAX);
/** Bytes each of them can hold; after writing, bytes written. */
export const bufferBytes: Int32Array<ArrayBuffer> = new Int32Array(CHAIN_SEGMENTS_MAX);
/** Ring slots each of them takes. */
export const bufferSlots: Int32Array<ArrayBuffer> = new Int32Array(CHAIN_SEGMENTS_MAX);

/**
 * Begins the headers of `count` receive buffers, each the segment of its number from
 * {@linkcode BUFFER_SEGMENTS} on. The driver has read or written these lines last, on its own core;
 * one store each in a short loop has dozens of them on the way here at once.
 */
export function openBuffers(count: number): void {
  for (let segment = BUFFER_SEGMENTS; segment < BUFFER_SEGMENTS + count; segment++) {
    touchHeader(windowView[segmentWindow[segment]!]!, segmentOffset[segment]!);
  }
}

/**
 * Writes frame `frame` of the burst, header first, into the one segment `segment`, which is large
 * enough.
 */
export function writePlain(frame: number, headerBytes: number, segment: number): void {
  const source = frameSegment[frame]!;
  const rest = frameBytes[frame]! - HEAD_BYTES;
  if (rest < 0 || (rest > 0 && source + 1 !== frameSegmentEnd[frame])) {
    writeScattered(frame, headerBytes, 1, segment, segment + 1);
    return;
  }
  const offset = segmentOffset[segment]!;
  const window = segmentWindow[segment]!;
  writeHead(windowView[window]!, offset, headerBytes, 1, frame);
  if (rest > 0) {
    copyBytes(
      window,
      offset + headerBytes + HEAD_BYTES,
      segmentWindow[source]!,
      segmentOffset[source]!,
      rest,
    );
  }
}

/**
 * Writes frame `frame` of the burst, header first, into the buffers whose segments stand from
 * {@linkcode BUFFER_SEGMENTS} to `segmentEnd`; together they are large enough.
 * @param first number of the first buffer, the others follow
 */
export function writeFrame(
  frame: number,
  headerBytes: number,
  buffers: number,
  segmentEnd: number,
  first: number,
): void {
  shareOut(headerBytes + frameBytes[frame]!, first, buffers);
  if (segmentEnd === BUFFER_SEGMENTS + 1) writePlain(frame, headerBytes, BUFFER_SEGMENTS);
  else writeScattered(frame, headerBytes, buffers, BUFFER_SEGMENTS, segmentEnd);
}

function writeHead(
  view: DataView,
  offset: number,
  headerBytes: number,
  buffers: number,
  frame: number,
): void {
  writeBareHeader(view, offset, headerBytes, buffers);
  writeFrameOffloads(view, offset, frame);
  const at = offset + headerBytes;
  view.setBigUint64(at, frameHeadPairs[2 * frame]!, true);
  view.setBigUint64(at + 8, frameHeadPairs[2 * frame + 1]!, true);
}

/** All buffers but the last are filled to the end (virtio-v1.3 §5.1.6.4). */
function shareOut(totalBytes: number, first: number, buffers: number): void {
  let left = totalBytes;
  for (let buffer = first; buffer < first + buffers; buffer++) {
    const part = bufferBytes[buffer]! < left ? bufferBytes[buffer]! : left;
    bufferBytes[buffer] = part;
    left -= part;
  }
}

/** Many segments on either side: one pass over both, piece by piece. */
function writeScattered(
  frame: number,
  headerBytes: number,
  buffers: number,
  segmentStart: number,
  segmentEnd: number,
): void {
  writeHead(privateView, 0, headerBytes, buffers, frame);
  const bytes = frameBytes[frame]!;
  const headBytes = headerBytes + (bytes < HEAD_BYTES ? bytes : HEAD_BYTES);
  let left = headerBytes + bytes;
  // The source is the private header and head first, then the sender's segments.
  let sourceWindow = PRIVATE_WINDOW;
  let sourceOffset = 0;
  let sourceLeft = headBytes;
  let source = frameSegment[frame]! - 1;
  let target = segmentStart;
  let targetOffset = segmentOffset[target]!;
  let targetLeft = segmentBytes[target]!;
  for (;;) {
    const step = sourceLeft < targetLeft ? sourceLeft : targetLeft;
    const part = step < left ? step : left;
    copyBytes(segmentWindow[target]!, targetOffset, sourceWindow, sourceOffset, part);
    left -= part;
    if (left === 0) return;
    sourceOffset += part;
    sourceLeft -= part;
    targetOffset += part;
    targetLeft -= part;
    if (sourceLeft === 0) {
      source++;
      sourceWindow = segmentWindow[source]!;
      sourceOffset = segmentOffset[source]!;
      sourceLeft = segmentBytes[source]!;
    }
    if (targetLeft === 0) {
      target++;
      if (target === segmentEnd) return;
      targetOffset = segmentOffset[target]!;
      targetLeft = segmentBytes[target]!;
    }
  }
}
