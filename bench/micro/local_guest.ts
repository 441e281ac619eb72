/**
 * Guests for micro benchmarks: ports in one thread whose rings are full again with one call.
 *
 * @module
 */
import {
  copyMemory,
  createMemoryFile,
  Reservation,
  setThreadCpus,
  viewBytesMax,
  viewMemory,
} from "../../ffi/mod.ts";
import { present } from "../../lib/base/assert.ts";
import { GuestArena } from "../../lib/control/front_end/guest_arena.ts";
import { counterBytes, portBase, vringBase } from "../../lib/switch/counters.ts";
import { Datapath } from "../../lib/switch/datapath.ts";
import { Fdb } from "../../lib/switch/fdb.ts";
import type { Port } from "../../lib/switch/ports/port.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { Arena, WINDOW_STRIDE } from "../../lib/virtio/memory/arena.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { useArena, useHostCopy, WindowSet } from "../../lib/virtio/memory/window.ts";
import { trustLoadOrder } from "../../lib/virtio/ring.ts";
import { makeVirtqueue, type Virtqueue } from "../../lib/virtio/virtqueue.ts";

/** Descriptors of each ring. */
export const SIZE = 128;
const RAM_BYTES = 64 << 20;
const RX_RING = 0;
const TX_RING = 0x40000;
/** Where buffers begin. */
export const RX_BUFFERS = 0x100000;
/** Likewise, of frames that are sent. */
export const TX_BUFFERS = 0x1000000;
/** In front of each buffer, as in mbufs, bytes. */
const HEADROOM_BYTES = 128;

/** Distance of two buffers, bytes: that of mbufs, or more for larger frames. */
export function strideOf(frameBytes: number): number {
  return Math.max(2304, Math.ceil((frameBytes + 12 + HEADROOM_BYTES) / 256) * 256);
}

const START = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };

const RESERVED = Reservation.make(64 * WINDOW_STRIDE, WINDOW_STRIDE);
const ARENA = new GuestArena(RESERVED);

/** A port whose driver is this file: every ring is full again with one `refill`. */
export class LocalGuest {
  readonly port: VhostPort;
  readonly rx: Virtqueue;
  readonly tx: Virtqueue;
  readonly windows: WindowSet;
  readonly #packed: boolean;
  readonly #frameBytes: number;
  readonly #bufferBytes: number;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  #index = 0;
  #wrap = 1;

  /** @param payload of its frames, behind their EtherType, which is IPv4's */
  constructor(
    number: number,
    packed: boolean,
    frameBytes: number,
    payload: readonly number[] = [],
  ) {
    const mapping = ARENA.map(createMemoryFile("bench", RAM_BYTES), 0, RAM_BYTES);
    const { address } = present(mapping, "room in the arena");
    const buffer = viewMemory(address, RAM_BYTES);
    this.#words = new Int32Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#packed = packed;
    this.#frameBytes = frameBytes;
    this.#bufferBytes = strideOf(frameBytes) - HEADROOM_BYTES;
    this.windows = WindowSet.mapped(address, RAM_BYTES);
    const region = {
      guestAddr: 0,
      sizeBytes: RAM_BYTES,
      windows: this.windows,
      mappingOffset: 0,
    };
    this.port = new VhostPort(number, portBase(number, 2), 2);
    this.port.memory = new GuestMemory([region]);
    this.rx = this.#queue(buffer, RX_RING);
    this.tx = this.#queue(buffer, TX_RING);
    for (const [index, queue] of [this.rx, this.tx].entries()) {
      this.port.vrings[index] = new Vring(this.port, index, queue, vringBase(number, index, 2));
    }
    const bytes = new Uint8Array(buffer);
    for (let i = 0; i < SIZE; i++) {
      this.#describe(RX_RING, i, RX_BUFFERS, this.#bufferBytes, 2);
      this.#describe(TX_RING, i, TX_BUFFERS, frameBytes + 12, 0);
      const macs = [2, 0, 0, 0, 0, 2 - number, 2, 0, 0, 0, 0, 1 + number, 8, 0, ...payload];
      bytes.set(macs, TX_BUFFERS + i * strideOf(frameBytes) + 12);
    }
  }

  #queue(buffer: ArrayBuffer, at: number): Virtqueue {
    const area = (offset: number): { buffer: ArrayBuffer; offset: number } => ({ buffer, offset });
    const shape = {
      ...{ size: SIZE, eventIdx: false, indirect: true, mergeable: true, headerBytes: 12 },
      ...{ desc: area(at), driver: area(at + 0x8000), device: area(at + 0x10000) },
    };
    return makeVirtqueue(this.#packed, shape, START);
  }

  #describe(ring: number, slot: number, buffers: number, bytes: number, flags: number): void {
    const at = (ring + 16 * slot) >> 2;
    this.#words.set([buffers + slot * strideOf(this.#frameBytes), 0, bytes, flags], at);
    if (!this.#packed) this.#halves[((ring + 0x8000) >> 1) + 2 + slot] = slot;
  }

  /** Makes all chains of both rings available again. */
  refill(): void {
    if (!this.#packed) {
      this.#index = (this.#index + SIZE) & 0xffff;
      this.#halves[((RX_RING + 0x8000) >> 1) + 1] = this.#index;
      this.#halves[((TX_RING + 0x8000) >> 1) + 1] = this.#index;
      return;
    }
    const available = (this.#wrap === 1 ? 0x80 : 0x8000) << 16;
    for (let slot = 0; slot < SIZE; slot++) {
      const rx = (RX_RING + 16 * slot) >> 2;
      const tx = (TX_RING + 16 * slot) >> 2;
      this.#words[rx + 2] = this.#bufferBytes;
      this.#words[rx + 3] = slot | (2 << 16) | available;
      this.#words[tx + 2] = this.#frameBytes + 12;
      this.#words[tx + 3] = slot | available;
    }
    this.#wrap ^= 1;
  }
}

/** The least of many short times: other processes that want the processor are not measured. */
export function leastNs(frames: number, run: () => void, rounds = 3000): number {
  for (let i = 0; i < rounds; i++) run();
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let i = 0; i < 5; i++) run();
    least = Math.min(least, ((performance.now() - start) * 1e6) / (5 * frames));
  }
  return least;
}

/** A datapath with these ports, each at its own index. */
export function makePath(ports: readonly Port[]): Datapath {
  const options = { entriesMax: 64, portEntriesMax: 64, ageSeconds: 0, seed: 5 };
  const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(64)), options);
  const path = new Datapath(3, fdb, new Float64Array(counterBytes(3, 2) / 8), {
    call: () => {},
    ringBroken: () => Deno.exit(1),
    badChain: () => true,
    untranslated: () => true,
    accessFailed: () => {},
  });
  for (const port of ports) path.ports[port.index] = port;
  path.refresh();
  return path;
}

/** Has this thread be as the data plane's is. Call it once. */
export function begin(): void {
  setThreadCpus([navigator.hardwareConcurrency - 1]);
  useHostCopy(copyMemory);
  const { address, sizeBytes } = RESERVED;
  useArena(new Arena({ address, sizeBytes, viewBytesMax: viewBytesMax() }, viewMemory));
  trustLoadOrder(Deno.build.arch === "x86_64");
}
