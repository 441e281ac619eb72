// HOT
/**
 * What a stream of frames has brought so far, and the whole frames in it. The framing is that of
 * QEMU's `-netdev stream` and of passt: four bytes of length, the most significant first, then the
 * Ethernet frame, without virtio-net header and FCS. Bytes come in pieces of any size.
 *
 * Who sends them is not trusted: a length is judged as soon as its four bytes are there, before
 * room is made for what it announces, and what is there is never more than the buffer.
 *
 * ```
 *   0        head                    tail                              capacity
 *   | taken  | length frame length … | receive here                    | HEAD_BYTES |
 * ```
 *
 * Pure: whoever has the socket receives into the buffer and says how much came. Data-plane thread
 * only.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";
import {
  beginBurst,
  beginPlainBurst,
  BURST_FRAMES,
  ETHERNET_HEADER_BYTES,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  mayBePlain,
  spaceSegments,
  TAKEN_SEGMENTS,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import type { WindowSet } from "../../virtio/memory/window.ts";

/** Bytes of a frame's length. */
export const LENGTH_BYTES = 4;
/** The longest frame of a stream: the largest MTU, an Ethernet header and a VLAN tag, bytes. */
export const STREAM_FRAME_BYTES_MAX: number = 65535 + ETHERNET_HEADER_BYTES + 4;
/** What is received at once at most, and held until it is whole, bytes: about 1 MiB a millisecond. */
export const INBOX_BYTES: number = 256 * 1024;
/** Bytes of an inbox's memory: a short frame's head is read beyond its end. */
export const INBOX_MEMORY_BYTES: number = INBOX_BYTES + HEAD_BYTES;

/** {@linkcode FrameInbox.peek} where no frame is whole. */
export const INCOMPLETE: number = -1;
/** {@linkcode FrameInbox.peek} at a length that no frame has: the stream cannot be read on. */
export const BAD_LENGTH: number = -2;

// However a frame lies, it can become whole, with a byte to tell that a packet is too long.
assert(INBOX_BYTES >= 3 * (LENGTH_BYTES + STREAM_FRAME_BYTES_MAX + 1), "an inbox holds a frame");

/** Bytes of one stream, received and not taken yet. */
export class FrameInbox {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #window: number;
  readonly #start: number;
  #head = 0;
  #tail = 0;

  /** Empty. @param start where its {@linkcode INBOX_MEMORY_BYTES} of that memory begin */
  constructor(memory: ArrayBuffer, windows: WindowSet, start: number) {
    this.#view = new DataView(memory, start, INBOX_MEMORY_BYTES);
    this.#bytes = new Uint8Array(memory, start, INBOX_MEMORY_BYTES);
    this.#window = windows.window(start);
    this.#start = start;
  }

  /** Where the next bytes are to be put, from the start of its memory. */
  get tail(): number {
    return this.#tail;
  }

  /** How many bytes can be put there. */
  get room(): number {
    return INBOX_BYTES - this.#tail;
  }

  /** Bytes that are no whole frame, or not yet looked at. */
  get waiting(): number {
    return this.#tail - this.#head;
  }

  /** So many more bytes stand at the tail. */
  received(bytes: number): void {
    this.#tail += bytes;
  }

  /** A whole frame of so many bytes stands {@linkcode LENGTH_BYTES} behind the tail. */
  receivedFrame(bytes: number): void {
    this.#view.setUint32(this.#tail, bytes);
    this.#tail += LENGTH_BYTES + bytes;
  }

  /** Length of the next frame, bytes, or one of the two above. */
  peek(): number {
    const waiting = this.#tail - this.#head;
    if (waiting < LENGTH_BYTES) return INCOMPLETE;
    const bytes = this.#view.getUint32(this.#head);
    if (bytes < ETHERNET_HEADER_BYTES || bytes > STREAM_FRAME_BYTES_MAX) return BAD_LENGTH;
    return waiting < LENGTH_BYTES + bytes ? INCOMPLETE : bytes;
  }

  /**
   * Makes the burst of the oldest whole frames, opened, at most BURST_FRAMES. They stay where they
   * are until {@linkcode makeRoom}. @returns how many
   */
  load(): number {
    let bytes = this.peek();
    let plain = mayBePlain();
    let frame = 0;
    for (; bytes >= 0 && frame < BURST_FRAMES; bytes = this.peek()) {
      const at = this.#head + LENGTH_BYTES;
      this.#open(frame++, at, bytes);
      this.#head = at + bytes;
      if (bytes <= HEAD_BYTES) plain = false;
    }
    if (frame === 0) return 0;
    // As plain.ts has it: frame `n` is segment `n`, and longer than its head.
    if (plain) beginPlainBurst();
    else {
      beginBurst();
      spaceSegments();
    }
    return frame;
  }

  #open(frame: number, at: number, bytes: number): void {
    const view = this.#view;
    const head = frame * HEAD_WORDS;
    frameHead[head] = view.getInt32(at, true);
    frameHead[head + 1] = view.getInt32(at + 4, true);
    frameHead[head + 2] = view.getInt32(at + 8, true);
    const last = view.getInt32(at + 12, true);
    // What is behind a frame of 14 or 15 bytes is not its own.
    const beyond = HEAD_BYTES - bytes;
    frameHead[head + 3] = beyond <= 0 ? last : last & (-1 >>> (8 * beyond));
    frameBytes[frame] = bytes;
    const segment = TAKEN_SEGMENTS + frame;
    segmentWindow[segment] = this.#window;
    segmentOffset[segment] = this.#start + at + HEAD_BYTES;
    segmentBytes[segment] = beyond < 0 ? -beyond : 0;
    frameSegment[frame] = segment;
    frameSegmentEnd[frame] = beyond < 0 ? segment + 1 : segment;
  }

  /**
   * Makes room for a frame of any length. Call before receiving, when no frame is whole: what moves
   * then is less than a frame, and not again before twice the longest has come.
   */
  makeRoom(): void {
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
    } else if (this.room <= LENGTH_BYTES + STREAM_FRAME_BYTES_MAX) {
      this.#bytes.copyWithin(0, this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    }
  }
}
