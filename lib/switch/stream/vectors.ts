// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames of the burst as the kernel takes them: a list of pieces of memory, each an address and a
 * length (`struct iovec`), from which one system call copies. A frame is its length where the
 * stream has one, its checked head, both from private memory, and the sender's own segments: nothing
 * is copied here.
 *
 * A frame in more pieces than a call takes is copied into one first.
 *
 * ```
 *   0                               HEADS_AT                      FLAT_AT
 *   | address, bytes of each piece  | length, head of each frame  | a frame in too many pieces |
 * ```
 *
 * Pure: the memory comes from who knows its address. Data-plane thread only.
 *
 * @module
 */
import {
  BURST_FRAMES,
  frameBytes,
  frameHead,
  frameSegment,
  HEAD_BYTES,
  HEAD_WORDS,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { copyBytes, hostPlace, type WindowSet } from "../../virtio/memory/window.ts";
import { LENGTH_BYTES, STREAM_FRAME_BYTES_MAX } from "./inbox.ts";

/** Memory of this thread with its window. */
export interface WindowedMemory {
  /** All of it. */
  readonly buffer: ArrayBuffer;
  /** Over all of it. */
  readonly windows: WindowSet;
}

/** Where a byte of a window is, for the kernel. */
export function hostAddress(window: number, offset: number): number {
  return hostPlace(window, offset) - PLACE_BASE;
}

/** What hostPlace() adds to an address. */
const PLACE_BASE: number = 2 ** 52;
/** Pieces that one call takes (UIO_MAXIOV). */
export const VECTORS_MAX = 1024;
const VECTOR_WORDS = 4;
const HEAD_SLOT_BYTES: number = LENGTH_BYTES + HEAD_BYTES;
const HEADS_AT: number = 4 * VECTOR_WORDS * VECTORS_MAX;
const FLAT_AT: number = HEADS_AT + HEAD_SLOT_BYTES * BURST_FRAMES;
/** Room for a frame of any length. */
const FLAT_BYTES: number = STREAM_FRAME_BYTES_MAX;
/** Bytes of memory that {@linkcode SendVectors} needs. */
export const VECTORS_MEMORY_BYTES: number = FLAT_AT + FLAT_BYTES;

/** The pieces of the frames that are being sent. One per thread is enough. */
export class SendVectors {
  /** Where the list is, for the kernel. */
  readonly address: number;
  readonly #words: Uint32Array;
  readonly #view: DataView;
  readonly #window: number;
  /** Of each frame gathered, in order, the number of its first piece; then the end of the last. */
  readonly frameStart: Int32Array = new Int32Array(BURST_FRAMES + 1);
  /** Of each frame gathered, its bytes, its length's included. */
  readonly frameSize: Int32Array = new Int32Array(BURST_FRAMES);
  /** Frames gathered. */
  frames = 0;
  /** Bytes of all of them. */
  bytes = 0;
  #count = 0;

  /** Nothing is gathered. @param memory VECTORS_MEMORY_BYTES of it, 8-byte aligned */
  constructor({ buffer, windows }: WindowedMemory) {
    this.#window = windows.window(0);
    this.address = hostAddress(this.#window, 0);
    this.#words = new Uint32Array(buffer, 0, VECTOR_WORDS * VECTORS_MAX);
    this.#view = new DataView(buffer);
  }

  /**
   * Gathers frames of the list, as many as one call takes, at least one.
   * @param lengths each begins with its length @returns the index behind the last one gathered
   */
  gather(list: Uint16Array, start: number, end: number, lengths: boolean): number {
    this.frames = 0;
    this.bytes = 0;
    this.#count = 0;
    let i = start;
    while (i < end && this.#add(list[i]!, lengths)) i++;
    return i;
  }

  #add(frame: number, lengths: boolean): boolean {
    const size = frameBytes[frame]!;
    const inHead = size < HEAD_BYTES ? size : HEAD_BYTES;
    const first = this.#count;
    const end = this.#placeRest(frame, first + 1, size - inHead);
    if (end < 0) return false;
    const number = this.frames++;
    const at = HEADS_AT + number * HEAD_SLOT_BYTES;
    const view = this.#view;
    view.setUint32(at, size);
    for (let word = 0; word < HEAD_WORDS; word++) {
      const value = frameHead[frame * HEAD_WORDS + word]!;
      view.setInt32(at + LENGTH_BYTES + 4 * word, value, true);
    }
    const skip = lengths ? 0 : LENGTH_BYTES;
    this.set(first, this.address + at + skip, LENGTH_BYTES - skip + inHead);
    this.frameStart[number] = first;
    this.frameStart[number + 1] = end;
    this.frameSize[number] = LENGTH_BYTES - skip + size;
    this.bytes += LENGTH_BYTES - skip + size;
    this.#count = end;
    return true;
  }

  /** Lists what is behind a frame's head, from piece `at` on. @returns the end, or -1: no room */
  #placeRest(frame: number, at: number, rest: number): number {
    let vector = at;
    let left = rest;
    for (let segment = frameSegment[frame]!; left > 0; segment++) {
      // A frame that does not fit behind others is the first of the next call.
      if (vector >= VECTORS_MAX) return at > 1 ? -1 : this.#flatten(frame, rest);
      const bytes = segmentBytes[segment]! < left ? segmentBytes[segment]! : left;
      const window = segmentWindow[segment]!;
      const offset = segmentOffset[segment]!;
      this.set(vector++, hostAddress(window, offset), bytes);
      left -= bytes;
    }
    return at > VECTORS_MAX ? -1 : vector;
  }

  /** Makes one piece of what is behind the head of the first frame gathered. @returns the end */
  #flatten(frame: number, rest: number): number {
    copyRest(frame, 0, rest, this.#window, FLAT_AT);
    this.set(1, this.address + FLAT_AT, rest);
    return 2;
  }

  /** Where a piece of the list is, for the kernel. */
  vectorAddress(vector: number): number {
    return this.address + 4 * VECTOR_WORDS * vector;
  }

  /** Puts a piece into the list. */
  set(vector: number, address: number, bytes: number): void {
    const word = vector * VECTOR_WORDS;
    this.#words[word] = address >>> 0;
    this.#words[word + 1] = (address / 2 ** 32) | 0;
    this.#words[word + 2] = bytes;
    this.#words[word + 3] = 0;
  }

  /** Leaves out `done` bytes from piece `vector` on. @returns the first piece that is left */
  advance(vector: number, done: number): number {
    const words = this.#words;
    let at = vector;
    let left = done;
    while (left > 0 && words[at * VECTOR_WORDS + 2]! <= left) {
      left -= words[at * VECTOR_WORDS + 2]!;
      at++;
    }
    if (left === 0) return at;
    const word = at * VECTOR_WORDS;
    const address = words[word]! + words[word + 1]! * 2 ** 32 + left;
    this.set(at, address, words[word + 2]! - left);
    return at;
  }

  /**
   * Copies the end of a gathered frame, of which the kernel has taken `done` bytes.
   * @param number which of those gathered @param frame the same in the burst
   */
  copyEnd(number: number, frame: number, done: number, window: number, offset: number): void {
    const size = frameBytes[frame]!;
    const lengthBytes = this.frameSize[number]! - size;
    const inHead = size < HEAD_BYTES ? size : HEAD_BYTES;
    const slot = HEADS_AT + number * HEAD_SLOT_BYTES + LENGTH_BYTES - lengthBytes;
    const front = lengthBytes + inHead;
    let at = offset;
    if (done < front) {
      copyBytes(window, at, this.#window, slot + done, front - done);
      at += front - done;
    }
    const skip = done > front ? done - front : 0;
    copyRest(frame, skip, size - inHead - skip, window, at);
  }
}

/** Copies `bytes` of what is behind a frame's head, leaving out the first `skip` of it. */
function copyRest(
  frame: number,
  skip: number,
  bytes: number,
  window: number,
  offset: number,
): void {
  let passed = skip;
  let done = 0;
  for (let segment = frameSegment[frame]!; done < bytes; segment++) {
    const there = segmentBytes[segment]!;
    if (there <= passed) {
      passed -= there;
      continue;
    }
    const part = there - passed < bytes - done ? there - passed : bytes - done;
    const from = segmentOffset[segment]! + passed;
    copyBytes(window, offset + done, segmentWindow[segment]!, from, part);
    passed = 0;
    done += part;
  }
}
