/**
 * Frames put into the thread's burst, and read out of it again, for tests of what lies at its ends.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { concat } from "@std/bytes/concat";
import { addressOf, copyMemory, viewMemory } from "../../ffi/mod.ts";
import { LENGTH_BYTES } from "../../lib/switch/stream/inbox.ts";
import {
  type FrameLine,
  LINE_FAULT,
  LINE_FULL,
  LINE_GONE,
} from "../../lib/switch/stream/outbox.ts";
import { SendVectors, VECTORS_MEMORY_BYTES } from "../../lib/switch/stream/vectors.ts";
import {
  beginBurst,
  BURST_FRAMES,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  FREE_SEGMENTS,
  HEAD_BYTES,
  TAKEN_SEGMENTS,
} from "../../lib/virtio/burst.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../lib/virtio/memory/guest_memory.ts";
import {
  useHostAddress,
  useHostCopy,
  WindowSet,
  windowView,
} from "../../lib/virtio/memory/window.ts";

useHostCopy(copyMemory);
useHostAddress(addressOf);

/** The numbers of all frames of a burst. */
export const ALL_FRAMES = Uint16Array.from({ length: BURST_FRAMES }, (_, frame) => frame);

/** Memory with a window and an address. */
export class TestMemory {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly windows: WindowSet;

  constructor(sizeBytes: number) {
    this.buffer = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(this.buffer);
    this.address = addressOf(this.buffer);
    this.windows = WindowSet.over(this.buffer);
  }

  [Symbol.dispose](): void {
    this.windows.release();
  }
}

/** A frame of a burst: its bytes, and where its memory is cut, from the frame's start. */
export interface BurstFrame {
  readonly bytes: Uint8Array;
  readonly cuts?: readonly number[];
}

/** A frame of this length, whose bytes follow from their places. */
export function patterned(length: number, seed = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed * 13) & 0xff);
}

/** Makes the burst of these frames, opened, in a sender's memory, with odd bytes between pieces. */
export function putFrames(frames: readonly BurstFrame[], memory: TestMemory): void {
  beginBurst();
  const heads = new Uint8Array(frameHead.buffer);
  let segment = TAKEN_SEGMENTS + FREE_SEGMENTS;
  let at = 1;
  for (const [frame, { bytes, cuts = [] }] of frames.entries()) {
    frameBytes[frame] = bytes.length;
    heads.fill(0, frame * HEAD_BYTES, (frame + 1) * HEAD_BYTES);
    heads.set(bytes.subarray(0, HEAD_BYTES), frame * HEAD_BYTES);
    frameSegment[frame] = segment;
    let from = Math.min(HEAD_BYTES, bytes.length);
    const ends = [...cuts].sort((a, b) => a - b).filter((cut) => cut > from && cut < bytes.length);
    for (const end of [...new Set([...ends, bytes.length])]) {
      if (end === from) continue;
      memory.bytes.set(bytes.subarray(from, end), at);
      segmentWindow[segment] = memory.windows.window(at);
      segmentOffset[segment] = at;
      segmentBytes[segment++] = end - from;
      at += end - from + 1;
      from = end;
    }
    frameSegmentEnd[frame] = segment;
    segment += FREE_SEGMENTS;
  }
}

/** The first frames of the burst, whole. */
export function readFrames(count: number): Uint8Array[] {
  const heads = new Uint8Array(frameHead.buffer);
  return Array.from({ length: count }, (_, frame) => {
    const bytes = new Uint8Array(frameBytes[frame] ?? 0);
    const inHead = Math.min(HEAD_BYTES, bytes.length);
    bytes.set(heads.subarray(frame * HEAD_BYTES, frame * HEAD_BYTES + inHead));
    let at = inHead;
    for (let i = frameSegment[frame] ?? 0; i < (frameSegmentEnd[frame] ?? 0); i++) {
      const view = windowView[segmentWindow[i] ?? 0] as DataView;
      const from = view.byteOffset + (segmentOffset[i] ?? 0);
      const part = new Uint8Array(view.buffer, from, segmentBytes[i]);
      bytes.set(part, at);
      at += part.length;
    }
    assert.equal(at, bytes.length, "segments hold what the frame's length says");
    const padding = heads.subarray(frame * HEAD_BYTES + inHead, (frame + 1) * HEAD_BYTES);
    assert(padding.every((byte) => byte === 0), "a short head is padded with zeros");
    return bytes;
  });
}

/** Frames as a stream carries them. */
export function framed(frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(frames.reduce((sum, each) => sum + LENGTH_BYTES + each.length, 0));
  let at = 0;
  for (const frame of frames) {
    new DataView(all.buffer).setUint32(at, frame.length);
    all.set(frame, at + LENGTH_BYTES);
    at += LENGTH_BYTES + frame.length;
  }
  return all;
}

/** Reads a stream as its peer does; what is left at the end is no whole frame. */
export function unframe(stream: Uint8Array): { frames: Uint8Array[]; left: number } {
  const frames: Uint8Array[] = [];
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  let at = 0;
  while (at + LENGTH_BYTES <= stream.length) {
    const length = view.getUint32(at);
    if (at + LENGTH_BYTES + length > stream.length) break;
    frames.push(stream.slice(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    at += LENGTH_BYTES + length;
  }
  return { frames, left: stream.length - at };
}

/** Makes the list by which frames are sent, in memory of its own. */
export function makeVectors(): SendVectors {
  return new SendVectors(new TestMemory(VECTORS_MEMORY_BYTES));
}

/** A socket without a kernel: it takes what a test gives room for, from addresses as a kernel does. */
export class ScriptedLine implements FrameLine {
  readonly #vectors: SendVectors;
  /** Bytes that the next calls take at most, one number a call; without one, all. */
  readonly parts: number[] = [];
  /** Bytes, or packets, there is room for. */
  room = Infinity;
  /** Pieces that begin in this stretch of addresses are not there. */
  missing: readonly [from: number, to: number] = [Infinity, Infinity];
  gone = false;
  readonly packets: Uint8Array[] = [];
  readonly #taken: Uint8Array[] = [];
  calls = 0;

  constructor(vectors: SendVectors) {
    this.#vectors = vectors;
  }

  /** All that was taken so far, in a row. */
  get stream(): Uint8Array {
    return concat(this.#taken);
  }

  #read(vector: number, vectors: number): { bytes: Uint8Array; missing: boolean } {
    const list = new DataView(viewMemory(this.#vectors.vectorAddress(vector), 16 * vectors));
    const parts: Uint8Array[] = [];
    for (let i = 0; i < vectors; i++) {
      const address = Number(list.getBigUint64(16 * i, true));
      const length = Number(list.getBigUint64(16 * i + 8, true));
      if (address >= this.missing[0] && address < this.missing[1]) {
        return { bytes: concat(parts), missing: true };
      }
      if (length > 0) parts.push(new Uint8Array(viewMemory(address, length)));
    }
    return { bytes: concat(parts), missing: false };
  }

  send(vector: number, vectors: number): number {
    this.calls++;
    if (this.gone) return LINE_GONE;
    const most = Math.min(this.room, this.parts.shift() ?? Infinity);
    if (most <= 0) return LINE_FULL;
    const { bytes, missing } = this.#read(vector, vectors);
    if (missing && bytes.length === 0) return LINE_FAULT;
    const taken = bytes.slice(0, most);
    this.#taken.push(taken);
    this.room -= taken.length;
    return taken.length;
  }

  sendEach(first: number, frames: number): number {
    this.calls++;
    if (this.gone) return LINE_GONE;
    const { frameStart } = this.#vectors;
    let sent = 0;
    for (; sent < frames && this.room > 0; sent++) {
      const start = frameStart[first + sent] ?? 0;
      const { bytes, missing } = this.#read(start, (frameStart[first + sent + 1] ?? 0) - start);
      if (missing) return sent > 0 ? sent : LINE_FAULT;
      this.packets.push(bytes);
      this.room--;
    }
    return sent > 0 ? sent : LINE_FULL;
  }
}
