// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A queue of a TAP device: one read and one write system call a frame, each with a virtio-net header
 * of 12 bytes in front.
 *
 * Frames of guests are written from where they are, the kernel's copy is the only one:
 * `[header and checked head][the sender's segments]`. What is read goes through memory of this thread
 * first, for the switch decides by what is in it, and nobody but the receiver may see it.
 *
 * A read that finds nothing costs 300 to 600 ns. So a queue that was empty is left alone for some
 * rounds ({@linkcode Datapath.idleRounds}), and epoll wakes a thread that sleeps.
 *
 * Data-plane thread only; nothing here blocks, throws or allocates per frame.
 *
 * @module
 */
import {
  EAGAIN,
  EBADFD,
  EFAULT,
  EINTR,
  EIO,
  errno,
  readFrame,
  writeFrame,
} from "../../../ffi/mod.ts";
import { openOffloads } from "../../offload/open.ts";
import { adaptingSteps } from "../../switch/adapt.ts";
import { PORT } from "../../switch/counters.ts";
import type { Datapath } from "../../switch/datapath.ts";
import {
  type Lane,
  type LanePort,
  type LaneStart,
  TAP_HEADER_BYTES,
} from "../../switch/ports/lane_port.ts";
import {
  beginBurst,
  beginPlainBurst,
  burstHasOffloads,
  FRAME_BYTES_MAX,
  frameBytes,
  frameHeadPairs,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  mayBePlain,
  spacedSegment,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { writeFrameOffloads } from "../../virtio/offloads.ts";
import { copyBytes, hostPlace, WindowSet, windowView } from "../../virtio/memory/window.ts";
import { netAsksOffload, writeBareHeader } from "../../virtio/net_header.ts";

/** Frames read in one visit, and bytes after which it ends: 20 to 60 us, and the others' turn. */
const READS_MAX = 32;
const READ_BYTES_MAX = 256 * 1024;
/** A frame that fills its slot was cut. */
const SLOT_BYTES = TAP_HEADER_BYTES + FRAME_BYTES_MAX + 1;
/** Slots begin in different sets of the cache. */
const SLOT_STRIDE = 65536 + 128;
/** Pieces of one write, the kernel's limit (UIO_MAXIOV); a frame in more of them is copied first. */
const PIECES_MAX = 1024;
const VECTOR_BYTES = 16;
/** Float64 numbers of a vector: its address, its length; the latter's first half is an int32. */
const VECTOR_NUMBERS = 2;
const VECTOR_WORDS = 4;
const VECTOR_HALVES = 8;
/** The upper 16 bits of 2^52 + an address are not the address'. */
const EXPONENT_HALF = 3;

/** What all queues of this thread share: one burst, and one frame that is written, at a time. */
class Buffers {
  readonly window: number;
  readonly slots: Uint8Array<ArrayBuffer>[];
  /** Header and head of the frame that is written, and behind them room for all of a frame. */
  readonly outWindow: number;
  readonly vectors = new Uint8Array(new ArrayBuffer(PIECES_MAX * VECTOR_BYTES));
  readonly places = new Float64Array(this.vectors.buffer);
  readonly words = new Int32Array(this.vectors.buffer);
  readonly halves = new Uint16Array(this.vectors.buffer);

  constructor() {
    const read = new ArrayBuffer(READS_MAX * SLOT_STRIDE);
    this.slots = Array.from(
      { length: READS_MAX },
      (_, i) => new Uint8Array(read, i * SLOT_STRIDE, SLOT_BYTES),
    );
    this.window = WindowSet.over(read).window(0);
    const out = new ArrayBuffer(TAP_HEADER_BYTES + FRAME_BYTES_MAX + HEAD_BYTES);
    this.outWindow = WindowSet.over(out).window(0);
    // Copies by host address from now on.
    hostPlace(this.window, 0);
    hostPlace(this.outWindow, 0);
  }
}

let shared: Buffers | null = null;

/** The thread's buffers, made with its first queue. */
// cold
function useBuffers(): Buffers {
  shared ??= new Buffers();
  return shared;
}

/** One queue of a TAP device. Data-plane thread only. */
export class TapLane implements Lane {
  readonly port: LanePort;
  readonly number: number;
  readonly fd: number;
  /** Whatever the kernel hands over, it takes. */
  readonly accepts: number;
  readonly #buffers: Buffers;
  /** Rounds in which it is not looked at. */
  #rest = 0;
  /** The last read found nothing. */
  #isEmpty = false;
  /** errno of what ended it, or 0. */
  #failure = 0;
  /** That was told. */
  #isTold = false;

  /** A lane of a port; its queue has a header of {@linkcode TAP_HEADER_BYTES} bytes. */
  constructor(port: LanePort, { number, fd, offloads }: LaneStart) {
    this.port = port;
    this.number = number;
    this.fd = fd;
    this.accepts = offloads;
    this.#buffers = useBuffers();
  }

  get enabled(): boolean {
    return this.port.adminUp;
  }

  /** Its descriptor wakes the thread. */
  get polled(): boolean {
    return false;
  }

  wake(): void {
    this.#rest = 0;
  }

  /** Whoever has frames left, or was not looked at since it was woken, keeps the thread awake. */
  setKicks(wanted: boolean): boolean {
    if (!wanted || this.#failure !== 0) return false;
    this.#rest = 0;
    return !this.#isEmpty;
  }

  take(path: Datapath): number {
    if (this.port.debt > 0) return this.port.payBack(this);
    if (this.#rest > 0) {
      this.#rest--;
      return 0;
    }
    if (this.#failure !== 0) return this.#tell(path);
    const { slots } = this.#buffers;
    let count = 0;
    let bytes = 0;
    this.#isEmpty = false;
    while (count < READS_MAX && bytes < READ_BYTES_MAX) {
      const got = readFrame(this.fd, slots[count]!, SLOT_BYTES);
      if (got < 0) {
        this.#ended(path, errno());
        break;
      }
      frameBytes[count++] = got;
      bytes += got;
    }
    if (count > 0) openRead(this.#buffers.window, count, this.accepts);
    return count;
  }

  /** A read found nothing, or failed. */
  #ended(path: Datapath, code: number): void {
    this.#isEmpty = true;
    this.#rest = path.idleRounds;
    if (code !== EAGAIN && code !== EINTR) this.#fail(path, code);
  }

  /** What was made of its frames is made up for by rounds in which no queue of its port is looked at. */
  finish(): void {
    if (burstHasOffloads()) this.port.charge(adaptingSteps());
  }

  deliver(path: Datapath, list: Uint16Array, start: number, count: number): void {
    const { counters } = path;
    const base = this.port.counterBase;
    let sent = 0;
    let bytes = 0;
    for (let i = start; i < start + count; i++) {
      const frame = list[i]!;
      if (this.#failure !== 0) {
        counters[base + PORT.txDroppedUplinkDown]! += start + count - i;
        break;
      }
      const pieces = gather(this.#buffers, frame);
      if (writeFrame(this.fd, this.#buffers.vectors, pieces) < 0) {
        this.#refused(path, errno());
        continue;
      }
      sent++;
      bytes += frameBytes[frame]!;
    }
    counters[base + PORT.txFrames]! += sent;
    counters[base + PORT.txBytes]! += bytes;
  }

  /** A frame was not written. Only pieces of guests' memory can be missing: the others are ours. */
  #refused({ counters, sender }: Datapath, code: number): void {
    const base = this.port.counterBase;
    if (code === EAGAIN) counters[base + PORT.txDroppedUplinkFull]!++;
    else if (code === EIO) counters[base + PORT.txDroppedUplinkDown]!++;
    else if (code === EBADFD) {
      counters[base + PORT.txDroppedUplinkDown]!++;
      this.#failure = code;
    } else {
      counters[base + PORT.txDroppedUplinkRefused]!++;
      if (code === EFAULT) sender?.losePage?.();
    }
  }

  // cold
  #fail(path: Datapath, code: number): void {
    this.#failure = code;
    this.#tell(path);
  }

  /** Says once that it has ended. @returns frames taken: none */
  // cold
  #tell(path: Datapath): number {
    if (!this.#isTold) this.#isTold = path.host.laneFailed?.(this, this.#failure) ?? true;
    return 0;
  }
}

/** Opens a burst of frames that were read, each into its slot: `frameBytes` has the header too. */
function openRead(window: number, count: number, may: number): void {
  const view = windowView[window]!;
  let plain = mayBePlain();
  for (let frame = 0; plain && frame < count; frame++) {
    const bytes = frameBytes[frame]!;
    if (bytes <= TAP_HEADER_BYTES + HEAD_BYTES || bytes === SLOT_BYTES) plain = false;
    else if (netAsksOffload(view, frame * SLOT_STRIDE)) plain = false;
  }
  if (plain) openPlain(view, window, count);
  else openGeneral(window, count, may);
}

/** As plain.ts has it: frame `n` is segment `n`, and longer than its head. */
function openPlain(view: DataView, window: number, count: number): void {
  for (let frame = 0; frame < count; frame++) {
    const offset = frame * SLOT_STRIDE + TAP_HEADER_BYTES;
    const bytes = frameBytes[frame]! - TAP_HEADER_BYTES;
    frameHeadPairs[2 * frame] = view.getBigUint64(offset, true);
    frameHeadPairs[2 * frame + 1] = view.getBigUint64(offset + 8, true);
    segmentWindow[frame] = window;
    segmentOffset[frame] = offset + HEAD_BYTES;
    segmentBytes[frame] = bytes - HEAD_BYTES;
    frameBytes[frame] = bytes;
  }
  beginPlainBurst();
}

/** A segment each, and free ones in front of it. */
function openGeneral(window: number, count: number, may: number): void {
  beginBurst();
  for (let frame = 0; frame < count; frame++) {
    const segment = spacedSegment(frame);
    segmentWindow[segment] = window;
    segmentOffset[segment] = frame * SLOT_STRIDE;
    segmentBytes[segment] = frameBytes[frame]!;
    frameSegment[frame] = segment;
    frameSegmentEnd[frame] = segment + 1;
  }
  openOffloads(count, TAP_HEADER_BYTES, may);
}

/** Gathers the pieces of a frame of the opened burst, its header first. @returns how many */
function gather(buffers: Buffers, frame: number): number {
  const { outWindow } = buffers;
  const view = windowView[outWindow]!;
  const bytes = frameBytes[frame]!;
  writeBareHeader(view, 0, TAP_HEADER_BYTES, 0);
  writeFrameOffloads(view, 0, frame);
  view.setBigUint64(TAP_HEADER_BYTES, frameHeadPairs[2 * frame]!, true);
  view.setBigUint64(TAP_HEADER_BYTES + 8, frameHeadPairs[2 * frame + 1]!, true);
  const first = TAP_HEADER_BYTES + (bytes < HEAD_BYTES ? bytes : HEAD_BYTES);
  putVector(buffers, 0, hostPlace(outWindow, 0), first);
  let left = bytes - HEAD_BYTES;
  let segment = frameSegment[frame]!;
  if (left > 0 && frameSegmentEnd[frame]! - segment >= PIECES_MAX) {
    return gatherCopy(buffers, frame, left);
  }
  let piece = 1;
  for (; left > 0; segment++) {
    const part = segmentBytes[segment]! < left ? segmentBytes[segment]! : left;
    const place = hostPlace(segmentWindow[segment]!, segmentOffset[segment]!);
    putVector(buffers, piece++, place, part);
    left -= part;
  }
  return piece;
}

/** A frame in too many pieces: copied behind its head. */
// cold
function gatherCopy(buffers: Buffers, frame: number, rest: number): number {
  let at = TAP_HEADER_BYTES + HEAD_BYTES;
  let left = rest;
  for (let segment = frameSegment[frame]!; left > 0; segment++) {
    const part = segmentBytes[segment]! < left ? segmentBytes[segment]! : left;
    copyBytes(buffers.outWindow, at, segmentWindow[segment]!, segmentOffset[segment]!, part);
    at += part;
    left -= part;
  }
  putVector(buffers, 0, hostPlace(buffers.outWindow, 0), at);
  return 1;
}

/** Writes a vector. @param place as hostPlace() has it */
function putVector(buffers: Buffers, piece: number, place: number, sizeBytes: number): void {
  buffers.places[piece * VECTOR_NUMBERS] = place;
  buffers.halves[piece * VECTOR_HALVES + EXPONENT_HALF] = 0;
  buffers.words[piece * VECTOR_WORDS + 2] = sizeBytes;
}
