// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A lane whose descriptor is a socket with one process at its other end: frames come and go with
 * their lengths in front (a stream), or each as a packet. The process is trusted as little as a
 * guest: what it sends is bounded and judged, what it does not read is dropped, and nobody waits.
 *
 * A visit brings one piece of the stream, or a few packets, and no more than a burst of frames; the
 * rest is there at the next visit. While nothing comes, only each so many rounds ask the kernel
 * ({@linkcode Datapath.idleRounds}), which costs 0.4 us: a socket that is silent must not cost the
 * others a system call a round.
 *
 * Pure: system calls are made by a {@linkcode StreamIo}. Data-plane thread only.
 *
 * @module
 */
import { NO_OFFLOADS } from "../../virtio/offloads.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Lane, LanePort, LaneStart } from "../ports/lane_port.ts";
import {
  BAD_LENGTH,
  FrameInbox,
  INBOX_MEMORY_BYTES,
  INCOMPLETE,
  LENGTH_BYTES,
  STREAM_FRAME_BYTES_MAX,
} from "./inbox.ts";
import { type FrameLine, FrameOutbox, KEPT_BYTES } from "./outbox.ts";
import type { SendVectors, WindowedMemory } from "./vectors.ts";

/** Nothing has come. */
export const IO_NOTHING: number = -1;
/** The connection is over by an error, and what was under way is lost. */
export const IO_GONE: number = -3;
/** Descriptors came along, which no frame has. */
export const IO_DESCRIPTORS: number = -4;

/** The lane's socket, which never blocks. */
export interface StreamIo extends FrameLine {
  /**
   * Receives to `offset` of the lane's memory.
   * @returns bytes, of a packet that is longer than the room, the room; 0: the peer has closed; or one
   * of the three above
   */
  receive(offset: number, room: number): number;
  /** The thread also wakes when there is room to send again, or no more. */
  watchRoom(on: boolean): void;
  /** The lane has ended, and its memory is free. @returns descriptors that came along */
  release(): number[];
}

/** Why a lane has ended: what its event carries. */
export const STREAM_END = {
  /** The peer closed its end, between two frames. */
  closed: 0,
  /** It closed its end inside of a frame. */
  cut: 1,
  /** The connection broke. */
  broken: 2,
  /** A frame of a length that none has. */
  badLength: 3,
  /** It sent descriptors. */
  descriptors: 4,
} as const;

/** Bytes of memory a lane needs. */
export const LANE_MEMORY_BYTES: number = INBOX_MEMORY_BYTES + KEPT_BYTES;
/** Packets of one visit at most. */
const PACKETS_MAX = 32;
/** One that stays silent is left alone for longer each time, up to 16 times as long. */
const SILENCE_MAX = 4;

/** One connection. Data-plane thread only. */
export class StreamLane implements Lane {
  readonly port: LanePort;
  readonly number: number;
  readonly fd: number;
  /** A stream has no words for what a frame may ask for. */
  readonly accepts: number = NO_OFFLOADS;
  readonly #io: StreamIo;
  readonly #packets: boolean;
  readonly #inbox: FrameInbox;
  readonly #outbox: FrameOutbox;
  /** Rounds in which it is not looked at, and how often in a row nothing had come. */
  #rest = 0;
  #silence = 0;
  /** The kernel had no more when it was asked last. */
  #drained = false;
  #watchesRoom = false;
  #ended = false;
  /** The end is not told yet, for want of room. */
  #untold = false;
  #reason = 0;

  /**
   * Nothing has come. @param packets the socket keeps packets apart
   * @param memory {@linkcode LANE_MEMORY_BYTES} of it, its own, with its window
   */
  constructor(
    port: LanePort,
    { number, fd }: Pick<LaneStart, "number" | "fd">,
    packets: boolean,
    io: StreamIo,
    vectors: SendVectors,
    memory: WindowedMemory,
  ) {
    this.port = port;
    this.number = number;
    this.fd = fd;
    this.#io = io;
    this.#packets = packets;
    this.#inbox = new FrameInbox(memory.buffer, memory.windows, 0);
    this.#outbox = new FrameOutbox(io, vectors, packets, memory, INBOX_MEMORY_BYTES);
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
    this.#silence = 0;
    this.#drained = false;
  }

  take(path: Datapath): number {
    const waiting = this.#inbox.load();
    if (waiting > 0) return waiting;
    if (this.#ended) {
      if (this.#untold) this.#tell(path);
      return 0;
    }
    if (this.#rest > 0) {
      this.#rest--;
      return 0;
    }
    if (this.#outbox.isKeeping) this.#flush(path);
    if (this.#inbox.peek() === BAD_LENGTH) this.#end(path, STREAM_END.badLength);
    else this.#receive(path);
    const count = this.#inbox.load();
    if (count > 0) {
      this.#silence = 0;
      return count;
    }
    if (this.#drained) this.#fallSilent(path);
    return 0;
  }

  #fallSilent(path: Datapath): void {
    this.#rest = path.idleRounds << this.#silence;
    if (this.#silence < SILENCE_MAX) this.#silence++;
  }

  /** What was received is the lane's own: nothing goes back. */
  finish(_path: Datapath, _count: number): void {}

  #receive(path: Datapath): void {
    const inbox = this.#inbox;
    inbox.makeRoom();
    if (this.#packets) {
      this.#receivePackets(path);
      return;
    }
    const room = inbox.room;
    const bytes = this.#io.receive(inbox.tail, room);
    if (bytes <= 0) this.#received(path, bytes);
    else inbox.received(bytes);
    this.#drained = bytes < room;
  }

  #receivePackets(path: Datapath): void {
    const inbox = this.#inbox;
    this.#drained = false;
    for (let packet = 0; packet < PACKETS_MAX; packet++) {
      if (inbox.room <= LENGTH_BYTES + STREAM_FRAME_BYTES_MAX) return;
      const bytes = this.#io.receive(inbox.tail + LENGTH_BYTES, inbox.room - LENGTH_BYTES);
      if (bytes <= 0) {
        this.#received(path, bytes);
        this.#drained = true;
        return;
      }
      inbox.receivedFrame(bytes);
    }
  }

  /** No bytes came. @param outcome 0 or one of IO_… */
  #received(path: Datapath, outcome: number): void {
    if (outcome === IO_NOTHING) return;
    if (outcome === IO_DESCRIPTORS) this.#end(path, STREAM_END.descriptors);
    else if (outcome === IO_GONE) this.#end(path, STREAM_END.broken);
    else {
      const cut = !this.#packets && this.#inbox.waiting > 0;
      this.#end(path, cut ? STREAM_END.cut : STREAM_END.closed);
    }
  }

  #end(path: Datapath, reason: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.#tell(path);
  }

  #tell(path: Datapath): void {
    this.#untold = !path.host.laneFailed!(this, this.#reason);
  }

  #flush(path: Datapath): void {
    this.#outbox.flush();
    if (this.#outbox.gone) this.#end(path, STREAM_END.broken);
    else if (this.#watchesRoom && !this.#outbox.isKeeping) this.#watchRoom(false);
  }

  #watchRoom(on: boolean): void {
    this.#watchesRoom = on;
    this.#io.watchRoom(on);
  }

  setKicks(wanted: boolean): boolean {
    if (!wanted || this.#ended) return wanted && this.#untold;
    this.#rest = 0;
    if (this.#outbox.isKeeping && !this.#watchesRoom) this.#watchRoom(true);
    return !this.#drained || this.#inbox.peek() !== INCOMPLETE;
  }

  deliver(path: Datapath, list: Uint16Array, start: number, count: number): void {
    const { counters } = path;
    const base = this.port.counterBase;
    if (this.#ended) {
      counters[base + PORT.txDroppedUplinkDown]! += count;
      return;
    }
    const outbox = this.#outbox;
    outbox.deliver(list, start, count);
    counters[base + PORT.txFrames]! += outbox.sent;
    counters[base + PORT.txBytes]! += outbox.sentBytes;
    if (outbox.faulty) path.sender?.losePage?.();
    if (outbox.sent === count) return;
    counters[base + PORT.txDroppedOversize]! += outbox.oversize;
    counters[base + PORT.txDroppedUplinkRefused]! += outbox.refused;
    if (!outbox.gone) counters[base + PORT.txDroppedUplinkFull]! += outbox.full;
    else {
      counters[base + PORT.txDroppedUplinkDown]! += outbox.full;
      this.#end(path, STREAM_END.broken);
    }
  }

  // cold
  release(): number[] {
    return this.#io.release();
  }
}
