// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames that wait for a receive queue whose buffers cannot be translated yet: private copies, in
 * order, in a bounded piece of memory. The sender has its buffers back, and no other port waits. What
 * a frame asks for is kept with it.
 *
 * @module
 */
import {
  beginBurst,
  BURST_FRAMES,
  burstHasOffloads,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  noteOffloads,
  spacedSegment,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { copyBytes, WindowSet } from "../../virtio/memory/window.ts";
import {
  frameCsumEnd,
  frameCsumOffset,
  frameCsumStart,
  frameGsoSize,
  frameHeaders,
  frameNetwork,
  frameOffloads,
  NO_OFFLOADS,
} from "../../virtio/offloads.ts";

/** Frames one park holds. */
export const PARK_FRAMES_MAX = 512;
/** Bytes one park holds, heads not counted. */
export const PARK_BYTES_MAX = 2 ** 20;

/** Words that say what a frame asks for. */
const ASKS_WORDS = 7;

/** Parks kept for the next rings that wait: with an IOMMU they come and go in the middle of traffic. */
const SPARE_MAX = 32;
const spare: Park[] = [];

/**
 * One park. {@linkcode Park.take} it and release it: its window is one of a bounded number.
 * Data-plane thread only.
 */
export class Park {
  readonly #windows: WindowSet;
  readonly #window: number;
  /** Where the bytes behind each frame's head stand. */
  readonly #offset = new Int32Array(PARK_FRAMES_MAX);
  readonly #bytes = new Int32Array(PARK_FRAMES_MAX);
  readonly #head = new Int32Array(PARK_FRAMES_MAX * HEAD_WORDS);
  /** What each frame asks for: the arrays of offloads.ts, a word each, the bits first. */
  readonly #asks = new Int32Array(PARK_FRAMES_MAX * ASKS_WORDS);
  /** Frames parked that ask for something. */
  #asking = 0;
  #first = 0;
  /** Frames parked. */
  count = 0;
  /** Behind the bytes of the frame that came last. */
  #tail = 0;

  /** Takes memory and a window. */
  private constructor() {
    this.#windows = WindowSet.over(new ArrayBuffer(PARK_BYTES_MAX));
    this.#window = this.#windows.window(0);
  }

  /** An empty park. @throws {Error} no window is free */
  static take(): Park {
    return spare.pop() ?? new Park();
  }

  /** Copies frame `frame` of the burst. @returns false if there is no room */
  add(frame: number): boolean {
    if (this.count === PARK_FRAMES_MAX) return false;
    const bytes = frameBytes[frame]!;
    const rest = Math.max(0, bytes - HEAD_BYTES);
    const offset = this.#allot(rest);
    if (offset < 0) return false;
    const slot = (this.#first + this.count) % PARK_FRAMES_MAX;
    this.#offset[slot] = offset;
    this.#bytes[slot] = bytes;
    for (let word = 0; word < HEAD_WORDS; word++) {
      this.#head[slot * HEAD_WORDS + word] = frameHead[frame * HEAD_WORDS + word]!;
    }
    let done = 0;
    for (let segment = frameSegment[frame]!; done < rest; segment++) {
      const part = Math.min(rest - done, segmentBytes[segment]!);
      copyBytes(
        this.#window,
        offset + done,
        segmentWindow[segment]!,
        segmentOffset[segment]!,
        part,
      );
      done += part;
    }
    this.count++;
    this.#keepAsks(slot * ASKS_WORDS, frame);
    return true;
  }

  #keepAsks(at: number, frame: number): void {
    const asks = burstHasOffloads() ? frameOffloads[frame]! : NO_OFFLOADS;
    this.#asks[at] = asks;
    if (asks === NO_OFFLOADS) return;
    this.#asking++;
    this.#asks[at + 1] = frameGsoSize[frame]!;
    this.#asks[at + 2] = frameHeaders[frame]!;
    this.#asks[at + 3] = frameNetwork[frame]!;
    this.#asks[at + 4] = frameCsumStart[frame]!;
    this.#asks[at + 5] = frameCsumOffset[frame]!;
    this.#asks[at + 6] = frameCsumEnd[frame]!;
  }

  #loadAsks(at: number, frame: number): void {
    frameOffloads[frame] = this.#asks[at]!;
    frameGsoSize[frame] = this.#asks[at + 1]!;
    frameHeaders[frame] = this.#asks[at + 2]!;
    frameNetwork[frame] = this.#asks[at + 3]!;
    frameCsumStart[frame] = this.#asks[at + 4]!;
    frameCsumOffset[frame] = this.#asks[at + 5]!;
    frameCsumEnd[frame] = this.#asks[at + 6]!;
  }

  /** Finds room in one piece. @returns its offset, or -1 */
  #allot(bytes: number): number {
    // Every frame takes a byte at least, so that full and empty differ.
    const size = Math.max(1, bytes);
    const oldest = this.#offset[this.#first]!;
    let at = this.count === 0 ? 0 : this.#tail;
    if (this.count > 0 && at <= oldest) {
      if (at + size > oldest) return -1;
    } else if (at + size > PARK_BYTES_MAX) {
      if (this.count === 0 || size > oldest) return -1;
      at = 0;
    }
    this.#tail = at + size;
    return at;
  }

  /** Makes the burst of the oldest frames, at most BURST_FRAMES. @returns how many */
  load(): number {
    const count = Math.min(this.count, BURST_FRAMES);
    beginBurst();
    if (this.#asking > 0) noteOffloads();
    for (let frame = 0; frame < count; frame++) {
      const slot = (this.#first + frame) % PARK_FRAMES_MAX;
      const bytes = this.#bytes[slot]!;
      if (this.#asking > 0) this.#loadAsks(slot * ASKS_WORDS, frame);
      const segment = spacedSegment(frame);
      frameBytes[frame] = bytes;
      for (let word = 0; word < HEAD_WORDS; word++) {
        frameHead[frame * HEAD_WORDS + word] = this.#head[slot * HEAD_WORDS + word]!;
      }
      segmentWindow[segment] = this.#window;
      segmentOffset[segment] = this.#offset[slot]!;
      segmentBytes[segment] = Math.max(0, bytes - HEAD_BYTES);
      frameSegment[frame] = segment;
      frameSegmentEnd[frame] = bytes > HEAD_BYTES ? segment + 1 : segment;
    }
    return count;
  }

  /** Lets the oldest frames go. */
  drop(frames: number): void {
    for (let i = 0; i < frames && this.#asking > 0; i++) {
      const slot = (this.#first + i) % PARK_FRAMES_MAX;
      if (this.#asks[slot * ASKS_WORDS] !== NO_OFFLOADS) this.#asking--;
    }
    this.#first = (this.#first + frames) % PARK_FRAMES_MAX;
    this.count -= frames;
  }

  /** Gives the memory back, and forgets the frames in it. */
  release(): void {
    this.drop(this.count);
    if (spare.length < SPARE_MAX) spare.push(this);
    else this.#windows.release();
  }
}
