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
import { segmentBytes, segmentOffset, segmentWindow } from "./memory/guest_memory.ts";
import { VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "./net_header.ts";
import { windowView } from "./memory/window.ts";

/** Frames taken from one virtqueue in one visit; 64 to 256 measure the same, 32 is 10 % slower. */
export const BURST_FRAMES = 128;
/** A burst takes no further chain once it holds more segments than this. */
export const CHAIN_SEGMENTS_MAX = 32768;
/**
 * A burst takes no further chain once it holds more bytes than this: a visit to a sender of long
 * frames is as long as one to a sender of common ones, of which a whole burst is less; 25 us of copying.
 */
export const BURST_BYTES_MAX: number = 2 ** 18;
/**
 * Segments of frames taken start here. In front of each frame {@linkcode FREE_SEGMENTS} stay free, but
 * in a plain burst.
 */
export const TAKEN_SEGMENTS = 0;
/**
 * Of a frame: for a private copy of its headers (lib/offload/open.ts), and for what a VLAN tag moves
 * out of its head (lib/switch/vlan/tags.ts).
 */
export const FREE_SEGMENTS = 2;
/**
 * Segments of receive buffers being filled start here. The four runs must never meet, whatever a
 * chain looks like: a segment of another tenant's would be copied from. A chain has at most a
 * segment a byte, CHAIN_BYTES_MAX and a few where its last buffer crosses regions; frames taken end
 * at most one chain behind CHAIN_SEGMENTS_MAX, buffers of a frame at most two chains from here.
 */
export const BUFFER_SEGMENTS = 4 * CHAIN_SEGMENTS_MAX;
/**
 * Segments of frames made for one receiver start here (lib/offload): no more are made once they are
 * {@linkcode CHAIN_SEGMENTS_MAX}, and the last one has at most a segment a byte.
 */
export const MADE_SEGMENTS = 9 * CHAIN_SEGMENTS_MAX;
/** Segments of an indirect table while it is copied start here. */
export const SCRATCH_SEGMENTS = 13 * CHAIN_SEGMENTS_MAX;

/** Longest frame: the largest MTU, an Ethernet header and two VLAN tags, bytes. */
export const FRAME_BYTES_MAX: number = 65535 + 14 + 8;
/** Longest frame with its virtio-net header that is looked at at all, bytes. */
export const CHAIN_BYTES_MAX: number = FRAME_BYTES_MAX + VIRTIO_NET_HDR_MRG_RXBUF_BYTES;

// What BUFFER_SEGMENTS says, with 64 for the regions that a last buffer may cross.
assert(
  TAKEN_SEGMENTS + CHAIN_SEGMENTS_MAX + CHAIN_BYTES_MAX + 64 <= BUFFER_SEGMENTS,
  "takes end there",
);
assert(BUFFER_SEGMENTS + 2 * (CHAIN_BYTES_MAX + 64) <= MADE_SEGMENTS, "buffers end there");
assert(
  MADE_SEGMENTS + CHAIN_SEGMENTS_MAX + CHAIN_BYTES_MAX + 64 <= SCRATCH_SEGMENTS,
  "frames made end there",
);

/** Destination and source MAC and EtherType. */
export const ETHERNET_HEADER_BYTES = 14;
/** Bytes of each frame that are copied once, checked, and delivered from the copy. */
export const HEAD_BYTES = 16;
/** Words of a head. */
export const HEAD_WORDS = 4;

/** Frames of a burst, and behind them those made from it for one receiver (lib/offload). */
export const FRAMES: number = 2 * BURST_FRAMES;

/** Buffer id to give back: the chain's head (split) or its last descriptor's id (packed). */
export const frameId: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** Ring slots the chain takes; always 1 for split rings. */
export const frameSlots: Int32Array<ArrayBuffer> = new Int32Array(BURST_FRAMES);
/** First segment; after opening, of the bytes behind the head. */
export const frameSegment: Int32Array<ArrayBuffer> = new Int32Array(FRAMES);
/** Index behind the last segment. */
export const frameSegmentEnd: Int32Array<ArrayBuffer> = new Int32Array(FRAMES);
/** Bytes of the chain; after opening, of the frame without the virtio-net header, or a defect. */
export const frameBytes: Int32Array<ArrayBuffer> = new Int32Array(FRAMES);
/** Heads: four little-endian words a frame. Shorter frames are padded with zeros. */
export const frameHead: Int32Array<ArrayBuffer> = new Int32Array(FRAMES * HEAD_WORDS);

/** `frameBytes` of a chain longer than {@linkcode CHAIN_BYTES_MAX}. */
export const FRAME_OVERSIZE: number = -1;
/** `frameBytes` of a chain too short for the headers. */
export const FRAME_RUNT: number = -2;
/** `frameBytes` of a frame that asks for an offload which its bytes do not bear out. */
export const FRAME_BAD_OFFLOAD: number = -3;

/** `frameBytes` of a frame whose pages do not come: see lib/switch/closely.ts. */
export const FRAME_SLOW: number = -4;
/** Instead: its port sends more than it may. */
export const FRAME_LIMITED: number = -5;
/** `frameBytes` of a frame that a guard of its port drops, counted there: see lib/switch/guard. */
export const FRAME_GUARDED: number = -6;

const headBytes = new Uint8Array(frameHead.buffer);
/** Heads, two words at a time: half the loads and stores; no BigInt comes into being. */
export const frameHeadPairs: BigUint64Array<ArrayBuffer> = new BigUint64Array(frameHead.buffer);

/**
 * Whether the burst is plain, whether its frames still have the segments of a plain one, whether
 * bursts may be plain at all, and whether a frame of it asks for an offload.
 */
const form = { plain: false, inOrder: false, allowed: true, offloads: false };

/** For tests of the general way: whether bursts may go the plain one. */
// cold
export function allowPlainBursts(allowed: boolean): void {
  form.allowed = allowed;
}

/** Whether the burst that comes may be plain. */
export function mayBePlain(): boolean {
  return form.allowed;
}

/** Whether every frame of the burst is plain: see plain.ts. */
export function isPlainBurst(): boolean {
  return form.plain;
}

/** The burst that comes is plain: frame `n` is segment `n` and takes one slot. */
export function beginPlainBurst(): void {
  form.plain = true;
  form.offloads = false;
  if (form.inOrder) return;
  form.inOrder = true;
  for (let frame = 0; frame < BURST_FRAMES; frame++) {
    frameSlots[frame] = 1;
    frameSegment[frame] = TAKEN_SEGMENTS + frame;
    frameSegmentEnd[frame] = TAKEN_SEGMENTS + frame + 1;
  }
}

/** The burst that comes may be anything. Whoever fills it says so first, or that it is plain. */
export function beginBurst(): void {
  form.plain = false;
  form.inOrder = false;
  form.offloads = false;
}

/** The segment of frame `frame`, in a burst whose frames have one each and free ones in front. */
export function spacedSegment(frame: number): number {
  return TAKEN_SEGMENTS + (FREE_SEGMENTS + 1) * frame + FREE_SEGMENTS;
}

/**
 * The burst, each frame one segment without free ones in front, is a general one from now on, with
 * them. Its frames stay what they are.
 */
export function spaceSegments(): void {
  form.plain = false;
  form.inOrder = false;
  // From the last one on: none is overwritten before it has moved.
  for (let frame = BURST_FRAMES - 1; frame >= 0; frame--) {
    const from = TAKEN_SEGMENTS + frame;
    const to = spacedSegment(frame);
    const isEmpty = frameSegmentEnd[frame] === from;
    segmentWindow[to] = segmentWindow[from]!;
    segmentOffset[to] = segmentOffset[from]!;
    segmentBytes[to] = segmentBytes[from]!;
    frameSegment[frame] = to;
    frameSegmentEnd[frame] = isEmpty ? to : to + 1;
  }
}

/** Whether frames of the burst ask for offloads, as offloads.ts beside this has it; at first none. */
export function burstHasOffloads(): boolean {
  return form.offloads;
}

/** Frames of the burst ask for offloads: what each of them does is written already. */
export function noteOffloads(): void {
  form.offloads = true;
}

/**
 * Opens the first `count` frames of a burst: skips the virtio-net header (what it says is read by
 * lib/offload/open.ts, where offloads were negotiated) and copies the head. The layout of
 * header and data over descriptors is free (virtio-v1.3 §2.7.4.3, VIRTIO_F_ANY_LAYOUT). A plain
 * burst is open already.
 */
export function openFrames(count: number, headerBytes: number): void {
  if (form.plain) return;
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
