// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The burst: frames taken from one virtqueue, described in parallel arrays until they are
 * delivered. One burst exists per thread; it is filled by a take, opened, delivered, finished.
 *
 * A frame is: a private copy of its first 16 bytes (what the switch decides on, and what the
 * receiver gets), and segments in the sender's memory for the rest.
 *
 * @module
 */
import { segmentBytes, segmentOffset, segmentWindow } from "./memory.ts";
import { windowView } from "./window.ts";

/** Frames taken from one virtqueue in one visit; 64 to 256 measure the same, 32 is 10 % slower. */
export const BURST_FRAMES = 128;
/** A chain may hold this many segments (the largest ring); a burst stops before it might not fit. */
export const CHAIN_SEGMENTS_MAX = 32768;
/** Segments of frames taken start here. */
export const TAKEN_SEGMENTS = 0;
/** Segments of receive buffers being filled start here. */
export const BUFFER_SEGMENTS = 2 * CHAIN_SEGMENTS_MAX;

/** Longest frame with its virtio-net header that is looked at at all, bytes. */
export const CHAIN_BYTES_MAX = 65550 + 12;

/** Destination and source MAC and EtherType. */
export const ETHERNET_HEADER_BYTES = 14;
/** Bytes of each frame that are copied once, checked, and delivered from the copy. */
export const HEAD_BYTES = 16;
/** Words of a head. */
export const HEAD_WORDS = 4;

/** Buffer id to give back: the chain's head (split) or its last descriptor's id (packed). */
export const frameId: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Ring slots the chain takes; always 1 for split rings. */
export const frameSlots: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** First segment; after opening, of the bytes behind the head. */
export const frameSegment: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Index behind the last segment. */
export const frameSegmentEnd: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Bytes of the chain; after opening, of the frame without the virtio-net header, or a defect. */
export const frameBytes: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Heads: four little-endian words a frame. Shorter frames are padded with zeros. */
export const frameHead: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES * HEAD_WORDS);

/** `frameBytes` of a chain longer than {@linkcode CHAIN_BYTES_MAX}. */
export const FRAME_OVERSIZE = -1;
/** `frameBytes` of a chain too short for the headers. */
export const FRAME_RUNT = -2;

const headBytes = new Uint8Array(frameHead.buffer);

/**
 * Opens the first `count` frames of a burst: skips the virtio-net header (whatever its bytes say:
 * no offload is offered, so none of them may mean anything) and copies the head. The layout of
 * header and data over descriptors is free (virtio-v1.3 §2.7.4.3, VIRTIO_F_ANY_LAYOUT).
 */
export function openFrames(count: number, headerBytes: number): void {
  for (let frame = 0; frame < count; frame++) {
    const bytes = frameBytes[frame]! - headerBytes;
    if (frameBytes[frame]! > CHAIN_BYTES_MAX) {
      frameBytes[frame] = FRAME_OVERSIZE;
      continue;
    }
    if (bytes < ETHERNET_HEADER_BYTES) {
      frameBytes[frame] = FRAME_RUNT;
      continue;
    }
    frameBytes[frame] = bytes;
    let segment = frameSegment[frame]!;
    let skip = headerBytes;
    if (segmentBytes[segment]! === headerBytes) {
      segment++;
      skip = 0;
    }
    const left = segmentBytes[segment]! - skip - HEAD_BYTES;
    if (left < 0) {
      openScattered(frame, segment, skip);
      continue;
    }
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]! + skip;
    const head = frame * HEAD_WORDS;
    frameHead[head] = view.getInt32(offset, true);
    frameHead[head + 1] = view.getInt32(offset + 4, true);
    frameHead[head + 2] = view.getInt32(offset + 8, true);
    frameHead[head + 3] = view.getInt32(offset + 12, true);
    segmentOffset[segment] = offset + HEAD_BYTES;
    segmentBytes[segment] = left;
    frameSegment[frame] = left === 0 ? segment + 1 : segment;
  }
}

/** Header or head lie over several descriptors, of any size: gathered byte by byte. */
function openScattered(frame: number, firstSegment: number, headerLeft: number): void {
  const end = frameSegmentEnd[frame]!;
  const base = frame * HEAD_BYTES;
  let segment = firstSegment;
  let skip = headerLeft;
  let got = 0;
  headBytes.fill(0, base, base + HEAD_BYTES);
  while (segment < end && got < HEAD_BYTES) {
    const bytes = segmentBytes[segment]!;
    if (bytes <= skip) {
      skip -= bytes;
      segment++;
      continue;
    }
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]!;
    let at = skip;
    while (at < bytes && got < HEAD_BYTES) headBytes[base + got++] = view.getUint8(offset + at++);
    skip = 0;
    segmentOffset[segment] = offset + at;
    segmentBytes[segment] = bytes - at;
    if (at === bytes) segment++;
  }
  frameSegment[frame] = segment;
}
