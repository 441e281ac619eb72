/**
 * Device-side virtqueues and their driver sides in plain memory, for models.
 *
 * @module
 */
import { makeDatapath } from "../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { GuestRam, type RingDriver, type Segment } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { CHAIN_REASON_ROWS } from "../../lib/virtio/bad_chain.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { makeVirtqueue } from "../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";
import { NO_FEATURES, type QueueFeatures } from "../../lib/virtio/ring.ts";

const RAM_BYTES = 8 << 20;
const CANARY = 0xa5;

/** How a guest's rings are made. */
export interface Shape {
  readonly packed: boolean;
  readonly size: number;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
  readonly start: number;
  /** Default true. */
  readonly indirect?: boolean;
  /** Bytes of the virtio-net header; 10: VIRTIO 0.9.5 without mergeable buffers. Default 12. */
  readonly headerBytes?: number;
  /** Offloads that were negotiated; none by default. */
  readonly offloads?: Partial<QueueFeatures>;
}

/** A guest in plain memory: drivers on one side, the switch's queues on the other. */
export class Bench {
  readonly ram: GuestRam;
  readonly rx: RingDriver;
  readonly tx: RingDriver;
  readonly port: VhostPort;
  readonly #buffers = new Map<number, readonly Segment[]>();
  /** Virtio-net headers of the frames that `received` brought last, without num_buffers. */
  headers: Uint8Array[] = [];
  /** Receive chains that came back with nothing in them. */
  returnedEmpty = 0;
  /** Calls of its receive queue. */
  calls = 0;
  /** What was told of chains that go back unused: virtqueue and reason. */
  readonly badChains: string[] = [];
  readonly shape: Shape;
  readonly headerBytes: number;
  readonly #windows: WindowSet;

  constructor(index: number, shape: Shape, guestBase: number, ramBytes = RAM_BYTES) {
    this.shape = shape;
    this.headerBytes = shape.headerBytes ?? 12;
    const buffer = new ArrayBuffer(ramBytes);
    this.ram = new GuestRam(buffer, guestBase);
    const windows = WindowSet.over(buffer);
    this.#windows = windows;
    this.port = new VhostPort(index, portBase(index, 2), 2);
    this.port.memory = new GuestMemory([
      { guestAddr: guestBase, sizeBytes: ramBytes, windows, mappingOffset: 0 },
    ]);
    // This device keeps the order always, as IN_ORDER asks.
    const features = { eventIdx: shape.eventIdx, indirect: true, inOrder: true };
    const ring = (): RingDriver =>
      shape.packed
        ? new PackedDriver(this.ram, shape.size, features)
        : new SplitDriver(this.ram, shape.size, features, shape.start);
    this.rx = ring();
    this.tx = ring();
    this.port.vrings[0] = this.#vring(index, 0, this.rx);
    this.port.vrings[1] = this.#vring(index, 1, this.tx);
  }

  #vring(index: number, number: number, driver: RingDriver): Vring {
    const [desc, drv, dev] = driver.areas.map((address) => ({
      buffer: this.ram.view.buffer as ArrayBuffer,
      offset: this.ram.at(address),
    }));
    assert(desc && drv && dev);
    const { packed, size, mergeable, eventIdx, start } = this.shape;
    const shape = {
      ...{ size, mergeable, eventIdx, indirect: this.shape.indirect ?? true },
      ...{ headerBytes: this.headerBytes, csum: this.shape.offloads?.csum ?? false },
      ...{ desc, driver: drv, device: dev },
    };
    const position = packed
      ? { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 }
      : { availIndex: start, availWrap: 1, usedIndex: start, usedWrap: 1 };
    const queue = makeVirtqueue(packed, shape, position);
    queue.descArea = { windows: this.#windows, mappingOffset: desc.offset };
    queue.deviceArea = { windows: this.#windows, mappingOffset: dev.offset };
    const vring = new Vring(this.port, number, queue, vringBase(index, number, 2));
    vring.callFd = 0;
    vring.features = { ...NO_FEATURES, ...this.shape.offloads };
    return vring;
  }

  /** Offers a receive chain of the given sizes, filled with a canary. */
  offer(sizes: readonly number[], indirect: boolean): boolean {
    return this.offerAt(
      sizes.map((bytes) => ({ address: this.ram.take(bytes, 1), bytes })),
      indirect,
    );
  }

  /** Offers a receive chain of the caller's own memory, filled with a canary. */
  offerAt(segments: readonly Segment[], indirect: boolean): boolean {
    for (const { address, bytes } of segments) {
      this.ram.write(address, new Uint8Array(bytes).fill(CANARY));
    }
    const id = this.rx.add(segments, true, indirect);
    if (id < 0) return false;
    this.#buffers.set(id, segments);
    this.rx.publish();
    return true;
  }

  /** Sends header and frame cut at the given places. @param header its first bytes, of 10 */
  send(
    frame: Uint8Array,
    cuts: readonly number[],
    indirect: boolean,
    header?: Uint8Array,
  ): boolean {
    const { headerBytes } = this;
    const whole = new Uint8Array(headerBytes + frame.length);
    // Header bytes of any value must not matter where no offload is negotiated.
    whole.fill(0xff, 0, headerBytes);
    if (header) whole.set(header);
    whole.set(frame, headerBytes);
    const places = [...new Set(cuts.map((cut) => cut % whole.length))].filter((cut) => cut > 0);
    const ends = [...places.sort((a, b) => a - b), whole.length];
    let from = 0;
    const segments = ends.map((end) => {
      const address = this.ram.take(end - from, 1);
      this.ram.write(address, whole.subarray(from, end));
      const segment = { address, bytes: end - from };
      from = end;
      return segment;
    });
    if (this.tx.add(segments, false, indirect) < 0) return false;
    this.tx.publish();
    return true;
  }

  /** Frames received; checks that nothing was written behind what the device says. */
  received(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    this.headers = [];
    let parts: Uint8Array[] = [];
    let left = 0;
    for (const { id, bytes } of this.rx.takeUsed()) {
      const segments = this.#buffers.get(id) ?? [];
      this.#buffers.delete(id);
      if (bytes === 0) {
        assert.equal(left, 0, "an empty buffer comes back between frames");
        this.returnedEmpty++;
        continue;
      }
      const all = segments.flatMap((s) => Array.from(this.ram.read(s.address, s.bytes)));
      assert(all.slice(bytes).every((byte) => byte === CANARY), "bytes behind used.len are intact");
      let data = Uint8Array.from(all.slice(0, bytes));
      if (left === 0) {
        assert(data.length >= this.headerBytes, "a used buffer begins with a whole header");
        left = this.headerBytes === 10 ? 1 : new DataView(data.buffer).getUint16(10, true);
        assert(left > 0, "num_buffers counts the one it stands in");
        const header = data.slice(0, 10);
        if (!this.shape.offloads) {
          assert(header.every((byte) => byte === 0), "the header is made by the switch");
        }
        this.headers.push(header);
        data = data.slice(this.headerBytes);
      }
      parts.push(data);
      if (--left > 0) continue;
      frames.push(Uint8Array.from(parts.flatMap((part) => Array.from(part))));
      parts = [];
    }
    assert.equal(left, 0, "num_buffers buffers were given");
    return frames;
  }
}

/** A datapath over benches; a broken ring fails the test. */
export function makePath(benches: readonly Bench[]): Datapath {
  const benchOf = (port: VhostPort): Bench | undefined =>
    benches.find((each) => each.port === port);
  return makeDatapath(benches.map(({ port }) => port), {
    portsMax: 4,
    host: {
      call: ({ port, number }) => {
        const bench = benchOf(port);
        if (bench && number === 0) bench.calls++;
      },
      badChain: ({ port, number }, reason) => {
        benchOf(port)?.badChains.push(`${number} ${CHAIN_REASON_ROWS[reason]?.[0]}`);
        return true;
      },
    },
  });
}

/** Serves a sender's transmit queue once. @returns frames taken */
export function poll(path: Datapath, sender: Bench): number {
  const vring = sender.port.vrings[1];
  assert(vring);
  return pollSource(path, vring);
}

/** A frame of `bytes` with a content of its own. */
export function frameOf(bytes: number, seed: number, group: boolean): Uint8Array {
  const frame = new Uint8Array(bytes).map((_, i) => (i * 31 + seed) & 0xff);
  frame.set([group ? 1 : 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
  return frame;
}
