/**
 * Guests in plain memory on a datapath without threads, sockets or mappings.
 *
 * @module
 */
import { makeDatapath } from "../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { concat } from "@std/bytes/concat";
import { GuestRam, type RingDriver } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { NO_FEATURES, type QueueFeatures } from "../../lib/virtio/ring.ts";
import { makeVirtqueue } from "../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";

const RAM_BYTES = 4 << 20;
const VRINGS = 64;
const SIZE = 64;

/** A guest in plain memory with any number of queue pairs. */
export class MemoryGuest {
  readonly port: VhostPort;
  readonly rings: RingDriver[] = [];
  readonly #ram: GuestRam;
  readonly #buffers: Map<number, number>[] = [];
  readonly #bufferBytes: number;
  readonly #offloads: Partial<QueueFeatures>;

  /** @param bufferBytes of each receive buffer @param offloads that were negotiated */
  constructor(
    index: number,
    pairs: number,
    packed: boolean,
    bufferBytes = 256,
    offloads: Partial<QueueFeatures> = {},
  ) {
    this.#bufferBytes = bufferBytes;
    this.#offloads = offloads;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.#ram = new GuestRam(buffer, 0);
    const windows = WindowSet.over(buffer);
    this.port = new VhostPort(index, portBase(index, VRINGS), VRINGS);
    const region = { guestAddr: 0, sizeBytes: RAM_BYTES, windows, mappingOffset: 0 };
    this.port.memory = new GuestMemory([region]);
    const features = { eventIdx: true, indirect: true };
    for (let number = 0; number < 2 * pairs; number++) {
      const ring = packed
        ? new PackedDriver(this.#ram, SIZE, features)
        : new SplitDriver(this.#ram, SIZE, features);
      this.rings.push(ring);
      this.#buffers.push(new Map());
      this.#serve(index, number, ring, packed);
    }
  }

  #serve(index: number, number: number, ring: RingDriver, packed: boolean): void {
    const [desc, driver, device] = ring.areas.map((address) => ({
      buffer: this.#ram.view.buffer as ArrayBuffer,
      offset: this.#ram.at(address),
    }));
    assert(desc && driver && device);
    const shape = {
      ...{ size: SIZE, mergeable: true, eventIdx: true, indirect: true, headerBytes: 12 },
      ...{ desc, driver, device, csum: this.#offloads.csum ?? false },
    };
    const position = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
    const port = this.port;
    const queue = makeVirtqueue(packed, shape, position);
    const vring = new Vring(port, number, queue, vringBase(index, number, VRINGS));
    vring.features = { ...NO_FEATURES, ...this.#offloads };
    port.vrings[number] = vring;
  }

  /** Fills all receive queues. */
  offer(): void {
    const bytes = this.#bufferBytes;
    for (let number = 0; number < this.rings.length; number += 2) {
      const ring = this.rings[number] as RingDriver;
      while (ring.free > 0) {
        const address = this.#ram.take(bytes);
        this.#buffers[number]?.set(ring.add([{ address, bytes }], true), address);
      }
      ring.publish();
    }
  }

  /** Sends a frame; false if the ring is full. @param header its first bytes, of 10 */
  send(pair: number, frame: Uint8Array, header: Uint8Array = new Uint8Array(0)): boolean {
    const ring = this.rings[2 * pair + 1] as RingDriver;
    ring.takeUsed();
    if (ring.free === 0) return false;
    const address = this.#ram.take(12 + frame.length);
    this.#ram.write(address, header);
    this.#ram.write(address + 12, frame);
    ring.add([{ address, bytes: 12 + frame.length }], false);
    ring.publish();
    return true;
  }

  /** Frames of one receive queue since the last look. */
  received(pair: number): Uint8Array[] {
    const buffers = this.#buffers[2 * pair];
    const frames: Uint8Array[] = [];
    let parts: Uint8Array[] = [];
    let left = 0;
    for (const { id, bytes } of (this.rings[2 * pair] as RingDriver).takeUsed()) {
      const data = this.#ram.read(buffers?.get(id) ?? 0, bytes).slice();
      const isFirst = left === 0;
      if (isFirst) left = new DataView(data.buffer).getUint16(10, true);
      parts.push(isFirst ? data.subarray(12) : data);
      if (--left > 0) continue;
      frames.push(concat(parts));
      parts = [];
    }
    assert.equal(left, 0, "num_buffers buffers were given");
    return frames;
  }
}

/** A datapath with these guests on their ports. */
export function makePath(guests: readonly MemoryGuest[]): Datapath {
  return makeDatapath(guests.map(({ port }) => port), { vringsPerPort: VRINGS });
}

/** Serves every transmit queue once. @returns frames taken */
export function pollAll(path: Datapath): number {
  return path.sources.reduce((sum, vring) => sum + pollSource(path, vring), 0);
}
