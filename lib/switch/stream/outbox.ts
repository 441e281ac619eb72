// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames on their way into a stream or packet socket, from the senders' memory in one copy, which is
 * the kernel's. Nobody waits for a peer that does not read: what finds no room is dropped and
 * counted. But a stream must not be cut inside of a frame: of one that the kernel took in part, the
 * rest is kept, and goes before anything else.
 *
 * Pure: system calls are made by a {@linkcode FrameLine}. Data-plane thread only.
 *
 * @module
 */
import { frameBytes } from "../../virtio/burst.ts";
import { LENGTH_BYTES, STREAM_FRAME_BYTES_MAX } from "./inbox.ts";
import { hostAddress, type SendVectors, type WindowedMemory } from "./vectors.ts";

/** No room: the peer does not read. */
export const LINE_FULL: number = -1;
/** What was to be sent is refused, and nothing of it is gone. */
export const LINE_REFUSED: number = -2;
/** The connection is over. */
export const LINE_GONE: number = -3;
/** Refused likewise: its sender's memory is not there. */
export const LINE_FAULT: number = -4;

/** The socket, which never blocks. */
export interface FrameLine {
  /**
   * Sends pieces of the list as they follow one another.
   * @returns bytes taken, at least one, or one of those above
   */
  send(vector: number, vectors: number): number;
  /** Sends gathered frames, each a packet. @returns packets taken, at least one, or as above */
  sendEach(first: number, frames: number): number;
}

/** Memory an outbox keeps the rest of a frame in, bytes. */
export const KEPT_BYTES: number = LENGTH_BYTES + STREAM_FRAME_BYTES_MAX;

/** How often a frame that is taken in parts is offered again before the rest of it is kept. */
const LOOKS_MAX = 8;

/** What leaves by one socket. */
export class FrameOutbox {
  readonly #line: FrameLine;
  readonly #vectors: SendVectors;
  readonly #lengths: boolean;
  readonly #bytes: Uint8Array;
  readonly #window: number;
  readonly #start: number;
  readonly #address: number;
  #keptAt = 0;
  #keptEnd = 0;
  /** Of the frames of the last {@linkcode deliver}: those that went, or will. */
  sent = 0;
  /** Bytes of them. */
  sentBytes = 0;
  /** Those that found no room. */
  full = 0;
  /** Those that were refused. */
  refused = 0;
  /** Memory of one of them was not there. */
  faulty = false;
  /** Those longer than any frame of a stream. */
  oversize = 0;
  /** The connection is over: nothing goes any more. */
  gone = false;

  /**
   * Nothing is kept. @param packets the socket keeps packets apart: frames have no lengths
   * @param start where {@linkcode KEPT_BYTES} of the memory begin that are its own
   */
  constructor(
    line: FrameLine,
    vectors: SendVectors,
    packets: boolean,
    { buffer, windows }: WindowedMemory,
    start: number,
  ) {
    this.#line = line;
    this.#vectors = vectors;
    this.#lengths = !packets;
    this.#bytes = new Uint8Array(buffer, start, KEPT_BYTES);
    this.#window = windows.window(start);
    this.#start = start;
    this.#address = hostAddress(this.#window, start);
  }

  /** The rest of a frame waits for room. */
  get isKeeping(): boolean {
    return this.#keptAt < this.#keptEnd;
  }

  /** Sends what was kept, as far as there is room. @returns whether nothing is left of it */
  flush(): boolean {
    if (!this.isKeeping) return true;
    this.#vectors.set(0, this.#address + this.#keptAt, this.#keptEnd - this.#keptAt);
    const taken = this.#line.send(0, 1);
    if (taken === LINE_GONE) this.gone = true;
    if (taken > 0) this.#keptAt += taken;
    return !this.isKeeping;
  }

  /** Sends frames of the opened burst, in order, and says in its fields what became of them. */
  deliver(list: Uint16Array, start: number, count: number): void {
    this.sent = 0;
    this.sentBytes = 0;
    this.full = 0;
    this.refused = 0;
    this.faulty = false;
    const fitting = this.#leaveOut(list, start, count);
    const end = start + fitting;
    if (this.gone || !this.flush()) {
      this.full = fitting;
      return;
    }
    let i = start;
    while (i < end && !this.gone) {
      const next = this.#vectors.gather(list, i, end, this.#lengths);
      const done = this.#lengths
        ? this.#sendStream(list, i, next)
        : this.#sendPackets(list, i, next);
      if (done < 0) break;
      i = done;
    }
    this.full = fitting - this.sent - this.refused;
  }

  /** Leaves frames that no stream can carry out of the list. @returns how many are left */
  #leaveOut(list: Uint16Array, start: number, count: number): number {
    let kept = 0;
    for (let i = start; i < start + count; i++) {
      if (frameBytes[list[i]!]! <= STREAM_FRAME_BYTES_MAX) list[start + kept++] = list[i]!;
    }
    this.oversize = count - kept;
    return kept;
  }

  #count(list: Uint16Array, start: number, end: number): void {
    for (let i = start; i < end; i++) this.sentBytes += frameBytes[list[i]!]!;
    this.sent += end - start;
  }

  /** @returns where to go on in the list, or -1: there is no room for more */
  #sendStream(list: Uint16Array, start: number, end: number): number {
    const vectors = this.#vectors;
    const taken = this.#line.send(0, vectors.frameStart[vectors.frames]!);
    if (taken === vectors.bytes) {
      this.#count(list, start, end);
      return end;
    }
    if (taken < 0) return this.#failed(taken, end - start) ? end : -1;
    let done = taken;
    let number = 0;
    while (done >= vectors.frameSize[number]!) done -= vectors.frameSize[number++]!;
    const whole = done === 0 ? 0 : 1;
    this.#count(list, start, start + number + whole);
    if (whole === 0 || !this.#finish(number, list[start + number]!, done)) return -1;
    return start + number + 1;
  }

  /**
   * The kernel took `begun` bytes of a frame: the others follow, now or later. It may have stopped
   * where the sender's memory is not there; then they are zeros, so that whoever took that memory
   * away spoils its own frame and no other.
   * @returns whether all of the frame is gone, and more may find room
   */
  #finish(number: number, frame: number, begun: number): boolean {
    const vectors = this.#vectors;
    const end = vectors.frameStart[number + 1]!;
    const size = vectors.frameSize[number]!;
    let done = begun;
    let part = begun;
    let vector = vectors.frameStart[number]!;
    for (let look = 0; look < LOOKS_MAX; look++) {
      vector = vectors.advance(vector, part);
      part = this.#line.send(vector, end - vector);
      if (part < 0) break;
      done += part;
      if (done === size) return true;
    }
    if (part === LINE_GONE) this.gone = true;
    this.#keptAt = 0;
    this.#keptEnd = size - done;
    if (part === LINE_FAULT) {
      this.faulty = true;
      this.#bytes.fill(0, 0, size - done);
    } else vectors.copyEnd(number, frame, done, this.#window, this.#start);
    return false;
  }

  /** @returns as #sendStream */
  #sendPackets(list: Uint16Array, start: number, end: number): number {
    let i = start;
    while (i < end) {
      const taken = this.#line.sendEach(i - start, end - i);
      if (taken > 0) {
        this.#count(list, i, i + taken);
        i += taken;
      } else if (this.#failed(taken, 1)) i++;
      else return -1;
    }
    return end;
  }

  /** @param frames how many it was about @returns whether others may do better */
  #failed(outcome: number, frames: number): boolean {
    if (outcome === LINE_GONE) this.gone = true;
    if (outcome === LINE_FAULT) this.faulty = true;
    else if (outcome !== LINE_REFUSED) return false;
    this.refused += frames;
    return true;
  }
}
