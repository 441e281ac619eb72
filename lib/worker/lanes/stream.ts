/**
 * Lanes whose descriptor is a connected unix socket: system calls for what lib/switch/stream decides.
 *
 * @module
 */
import {
  cameWithControl,
  EAGAIN,
  EFAULT,
  EINTR,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOMEM,
  receiveAt,
  sendPackets,
  sendVectors,
  takeControlFds,
} from "../../../ffi/mod.ts";
import type { LanePort, LaneStart } from "../../switch/ports/lane_port.ts";
import { LINE_FAULT, LINE_FULL, LINE_GONE, LINE_REFUSED } from "../../switch/stream/outbox.ts";
import {
  IO_DESCRIPTORS,
  IO_GONE,
  IO_NOTHING,
  LANE_MEMORY_BYTES,
  type StreamIo,
  StreamLane,
} from "../../switch/stream/stream_lane.ts";
import {
  hostAddress,
  SendVectors,
  VECTORS_MEMORY_BYTES,
  type WindowedMemory,
} from "../../switch/stream/vectors.ts";
import { WindowSet } from "../../virtio/memory/window.ts";

/** Why nothing was sent. */
function sendOutcome(result: number): number {
  switch (-result) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:
    case ENOMEM:
      return LINE_FULL;
    case EFAULT:
      return LINE_FAULT;
    case EINVAL:
    case EMSGSIZE:
      return LINE_REFUSED;
  }
  return LINE_GONE;
}

function makeMemory(sizeBytes: number): WindowedMemory {
  const buffer = new ArrayBuffer(sizeBytes);
  return { buffer, windows: WindowSet.over(buffer) };
}

/** The list that all such lanes of this thread send by, made for the first of them. */
let shared: SendVectors | null = null;

function sharedVectors(): SendVectors {
  if (shared !== null) return shared;
  shared = new SendVectors(makeMemory(VECTORS_MEMORY_BYTES));
  return shared;
}

/** Memory kept for the next lanes: peers may come and go all day. */
const SPARE_MAX = 16;
const spare: WindowedMemory[] = [];

function takeMemory(): WindowedMemory {
  return spare.pop() ?? makeMemory(LANE_MEMORY_BYTES);
}

function giveBack(memory: WindowedMemory): void {
  if (spare.length < SPARE_MAX) spare.push(memory);
  else memory.windows.release();
}

/**
 * Makes a lane of a connected socket. @param packets it keeps packets apart
 * @throws {Error} no window is free
 */
export function makeStreamLane(
  port: LanePort,
  start: LaneStart,
  packets: boolean,
): StreamLane {
  const memory = takeMemory();
  const vectors = sharedVectors();
  const io = new SocketIo(
    start,
    hostAddress(memory.windows.window(0), 0),
    vectors,
    () => giveBack(memory),
  );
  return new StreamLane(port, start, packets, io, vectors, memory);
}

/** The socket of a lane. Data-plane thread only. */
class SocketIo implements StreamIo {
  /** Descriptors that came; they are to be closed where nobody waits for them. */
  #fds: number[] = [];
  readonly #fd: number;
  readonly #address: number;
  readonly #vectors: SendVectors;
  readonly #watchRoom: LaneStart["watchRoom"];
  readonly #ended: () => void;

  constructor(
    { fd, watchRoom }: LaneStart,
    address: number,
    vectors: SendVectors,
    ended: () => void,
  ) {
    this.#fd = fd;
    this.#address = address;
    this.#vectors = vectors;
    this.#watchRoom = watchRoom;
    this.#ended = ended;
  }

  receive(offset: number, room: number): number {
    const bytes = receiveAt(this.#fd, this.#address + offset, room);
    if (bytes >= 0) {
      if (!cameWithControl()) return bytes;
      this.#fds.push(...takeControlFds());
      return IO_DESCRIPTORS;
    }
    return bytes === -EAGAIN || bytes === -EINTR ? IO_NOTHING : IO_GONE;
  }

  send(vector: number, vectors: number): number {
    const address = this.#vectors.vectorAddress(vector);
    const bytes = sendVectors(this.#fd, address, vectors);
    return bytes < 0 ? sendOutcome(bytes) : bytes;
  }

  sendEach(first: number, frames: number): number {
    const { address, frameStart } = this.#vectors;
    const packets = sendPackets(this.#fd, address, frameStart, first, frames);
    return packets < 0 ? sendOutcome(packets) : packets;
  }

  watchRoom(on: boolean): void {
    this.#watchRoom(on);
  }

  release(): number[] {
    this.#ended();
    return this.#fds;
  }
}
