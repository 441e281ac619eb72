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
import { assert } from "../base/assert.ts";
import * as memory from "./memory/guest_memory.ts";
import { VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "./net_header.ts";
import * as window from "./memory/window.ts";

// Own constants are folded into optimised code; an import is read and checked at every use.
const { segmentBytes, segmentOffset, segmentWindow } = memory;
const { windowView } = window;

/** Frames taken from one virtqueue in one visit; 64 to 256 measure the same, 32 is 10 % slower. */
export const BURST_FRAMES = 128;
/** A burst takes no further chain once it holds more segments than this. */
export const CHAIN_SEGMENTS_MAX = 32768;
/** Segments of frames taken start here. */
export const TAKEN_SEGMENTS = 0;
/**
 * Segments of receive buffers being filled start here. The three runs must never meet, whatever a
 * chain looks like: a segment of another tenant's would be copied from. A chain has at most a
 * segment a byte, CHAIN_BYTES_MAX and a few where its last buffer crosses regions; frames taken end
 * at most one chain behind CHAIN_SEGMENTS_MAX, buffers of a frame at most two chains from here.
 */
export const BUFFER_SEGMENTS = 4 * CHAIN_SEGMENTS_MAX;
/** Segments of an indirect table while it is copied start here. */
export const SCRATCH_SEGMENTS = 9 * CHAIN_SEGMENTS_MAX;

/** Longest frame: the largest MTU, an Ethernet header and two VLAN tags, bytes. */
const FRAME_MAX = 65535 + 14 + 8;
/** `FRAME_MAX` for other modules: a module reads even its own exports through a cell. */
export const FRAME_BYTES_MAX: number = FRAME_MAX;
/** Longest frame with its virtio-net header that is looked at at all, bytes. */
const CHAIN_MAX = FRAME_MAX + VIRTIO_NET_HDR_MRG_RXBUF_BYTES;
/** `CHAIN_MAX` for other modules: a module reads even its own exports through a cell. */
export const CHAIN_BYTES_MAX: number = CHAIN_MAX;

// What BUFFER_SEGMENTS says, with 64 for the regions that a last buffer may cross.
assert(TAKEN_SEGMENTS + CHAIN_SEGMENTS_MAX + CHAIN_MAX + 64 <= BUFFER_SEGMENTS, "takes end there");
assert(BUFFER_SEGMENTS + 2 * (CHAIN_MAX + 64) <= SCRATCH_SEGMENTS, "buffers end there");

/** Destination and source MAC and EtherType. */
const ETHERNET = 14;
/** `ETHERNET` for other modules: a module reads even its own exports through a cell. */
export const ETHERNET_HEADER_BYTES: number = ETHERNET;
/** Bytes of each frame that are copied once, checked, and delivered from the copy. */
const HEAD = 16;
/** `HEAD` for other modules: a module reads even its own exports through a cell. */
export const HEAD_BYTES: number = HEAD;
/** Words of a head. */
const WORDS = 4;
/** `WORDS` for other modules: a module reads even its own exports through a cell. */
export const HEAD_WORDS: number = WORDS;

/** Buffer id to give back: the chain's head (split) or its last descriptor's id (packed). */
export const frameId: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Ring slots the chain takes; always 1 for split rings. */
export const frameSlots: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** First segment; after opening, of the bytes behind the head. */
const segmentOf: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** `segmentOf` for other modules: a module reads even its own exports through a cell. */
export const frameSegment: Int32Array<ArrayBuffer> = segmentOf;
/** Index behind the last segment. */
const segmentEndOf: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** `segmentEndOf` for other modules: a module reads even its own exports through a cell. */
export const frameSegmentEnd: Int32Array<ArrayBuffer> = segmentEndOf;
/** Bytes of the chain; after opening, of the frame without the virtio-net header, or a defect. */
const bytesOf: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** `bytesOf` for other modules: a module reads even its own exports through a cell. */
export const frameBytes: Int32Array<ArrayBuffer> = bytesOf;
/** Heads: four little-endian words a frame. Shorter frames are padded with zeros. */
const heads: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES * WORDS);
/** `heads` for other modules: a module reads even its own exports through a cell. */
export const frameHead: Int32Array<ArrayBuffer> = heads;

/** `bytesOf` of a chain longer than {@linkcode CHAIN_MAX}. */
const OVERSIZE = -1;
/** `OVERSIZE` for other modules: a module reads even its own exports through a cell. */
export const FRAME_OVERSIZE: number = OVERSIZE;
/** `bytesOf` of a chain too short for the headers. */
const RUNT = -2;
/** `RUNT` for other modules: a module reads even its own exports through a cell. */
export const FRAME_RUNT: number = RUNT;

const headBytes = new Uint8Array(heads.buffer);
// Two words at a time halve the loads and stores; no BigInt comes into being.
const headPairs = new BigUint64Array(heads.buffer);
/** `headPairs` for other modules: a module reads even its own exports through a cell. */
export const frameHeadPairs: BigUint64Array<ArrayBuffer> = headPairs;

/**
 * Opens the first `count` frames of a burst: skips the virtio-net header (whatever its bytes say:
 * no offload is offered, so none of them may mean anything) and copies the head. The layout of
 * header and data over descriptors is free (virtio-v1.3 §2.7.4.3, VIRTIO_F_ANY_LAYOUT).
 */
export function openFrames(count: number, headerBytes: number): void {
  for (let frame = 0; frame < count; frame++) {
    const bytes = bytesOf[frame]! - headerBytes;
    if (bytesOf[frame]! > CHAIN_MAX) {
      bytesOf[frame] = OVERSIZE;
      continue;
    }
    if (bytes < ETHERNET) {
      bytesOf[frame] = RUNT;
      continue;
    }
    bytesOf[frame] = bytes;
    let segment = segmentOf[frame]!;
    let skip = headerBytes;
    if (segmentBytes[segment]! === headerBytes) {
      segment++;
      skip = 0;
    }
    const left = segmentBytes[segment]! - skip - HEAD;
    if (left < 0) {
      openScattered(frame, segment, skip);
      continue;
    }
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]! + skip;
    const head = frame * WORDS;
    heads[head] = view.getInt32(offset, true);
    heads[head + 1] = view.getInt32(offset + 4, true);
    heads[head + 2] = view.getInt32(offset + 8, true);
    heads[head + 3] = view.getInt32(offset + 12, true);
    segmentOffset[segment] = offset + HEAD;
    segmentBytes[segment] = left;
    segmentOf[frame] = left === 0 ? segment + 1 : segment;
  }
}

/** Header or head lie over several descriptors, of any size: gathered byte by byte. */
function openScattered(frame: number, firstSegment: number, headerLeft: number): void {
  const end = segmentEndOf[frame]!;
  const base = frame * HEAD;
  let segment = firstSegment;
  let skip = headerLeft;
  let got = 0;
  headBytes.fill(0, base, base + HEAD);
  while (segment < end && got < HEAD) {
    const bytes = segmentBytes[segment]!;
    if (bytes <= skip) {
      skip -= bytes;
      segment++;
      continue;
    }
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]!;
    let at = skip;
    while (at < bytes && got < HEAD) headBytes[base + got++] = view.getUint8(offset + at++);
    skip = 0;
    segmentOffset[segment] = offset + at;
    segmentBytes[segment] = bytes - at;
    if (at === bytes) segment++;
  }
  segmentOf[frame] = segment;
}
