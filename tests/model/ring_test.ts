/**
 * Device-side virtqueues against driver-side ones, over random frames, layouts and ring sizes. The
 * model is a list: what one guest sends, the other receives, byte for byte and in order.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { GuestRam, type RingDriver, type Segment } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import { Datapath, pollVring } from "../../lib/switch/datapath.ts";
import { Fdb } from "../../lib/switch/fdb.ts";
import { Port, type Vring } from "../../lib/switch/port.ts";
import {
  BUFFER_SEGMENTS,
  BURST_FRAMES,
  CHAIN_BYTES_MAX,
  CHAIN_SEGMENTS_MAX,
  SCRATCH_SEGMENTS,
  TAKEN_SEGMENTS,
} from "../../lib/virtio/burst.ts";
import { GuestMemory, SEGMENTS_MAX } from "../../lib/virtio/memory.ts";
import { PackedQueue } from "../../lib/virtio/packed_queue.ts";
import { SplitQueue } from "../../lib/virtio/split_queue.ts";
import { WindowSet } from "../../lib/virtio/window.ts";

const RAM_BYTES = 8 << 20;
const CANARY = 0xa5;

interface Shape {
  readonly packed: boolean;
  readonly size: number;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
  readonly start: number;
}

/** A guest in plain memory: drivers on one side, the switch's queues on the other. */
class Bench {
  readonly ram: GuestRam;
  readonly rx: RingDriver;
  readonly tx: RingDriver;
  readonly port: Port;
  readonly #buffers = new Map<number, Segment[]>();
  readonly shape: Shape;

  constructor(index: number, shape: Shape, guestBase: number) {
    this.shape = shape;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.ram = new GuestRam(buffer, guestBase);
    const windows = new WindowSet(0, RAM_BYTES, () => buffer);
    this.port = new Port(index, portBase(index, 2), 2);
    this.port.memory = new GuestMemory([
      { guestAddr: guestBase, sizeBytes: RAM_BYTES, windows, mappingOffset: 0 },
    ]);
    const features = { eventIdx: shape.eventIdx, indirect: true };
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
      ...{ size, mergeable, eventIdx, indirect: true, headerBytes: 12 },
      ...{ desc, driver: drv, device: dev },
    };
    const position = packed
      ? { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 }
      : { availIndex: start, availWrap: 1, usedIndex: start, usedWrap: 1 };
    const queue = packed ? new PackedQueue(shape, position) : new SplitQueue(shape, position);
    const counterBase = vringBase(index, number, 2);
    const port = this.port;
    return { port, number, queue, callFd: -1, callIsSocket: false, kickFd: -1, counterBase };
  }

  /** Offers a receive chain of the given sizes, filled with a canary. */
  offer(sizes: readonly number[], indirect: boolean): boolean {
    const segments = sizes.map((bytes) => ({ address: this.ram.take(bytes, 1), bytes }));
    for (const { address, bytes } of segments) {
      this.ram.write(address, new Uint8Array(bytes).fill(CANARY));
    }
    const id = this.rx.add(segments, true, indirect);
    if (id < 0) return false;
    this.#buffers.set(id, segments);
    this.rx.publish();
    return true;
  }

  /** Sends header and frame cut at the given places. */
  send(frame: Uint8Array, cuts: readonly number[], indirect: boolean): boolean {
    const whole = new Uint8Array(12 + frame.length);
    // Header bytes of any value must not matter: no offload is negotiated.
    whole.fill(0xff, 0, 12);
    whole.set(frame, 12);
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
    let parts: Uint8Array[] = [];
    let left = 0;
    for (const { id, bytes } of this.rx.takeUsed()) {
      const segments = this.#buffers.get(id) ?? [];
      this.#buffers.delete(id);
      const all = segments.flatMap((s) => Array.from(this.ram.read(s.address, s.bytes)));
      assert(all.slice(bytes).every((byte) => byte === CANARY), "bytes behind used.len are intact");
      let data = Uint8Array.from(all.slice(0, bytes));
      if (left === 0) {
        left = new DataView(data.buffer).getUint16(10, true);
        assert(
          data.subarray(0, 10).every((byte) => byte === 0),
          "the header is made by the switch",
        );
        data = data.slice(12);
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

function makePath(benches: readonly Bench[]): Datapath {
  const options = { entriesMax: 64, portEntriesMax: 64, ageSeconds: 0, seed: 7 };
  const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(64)), options);
  const path = new Datapath(4, fdb, new Float64Array(portBase(4, 2)), {
    call: () => {},
    ringBroken: ({ port, queue }) => assert.fail(`port ${port.index} broke: ${queue.broken}`),
  });
  for (const bench of benches) path.ports[bench.port.index] = bench.port;
  path.refresh();
  return path;
}

/** Serves a sender's transmit queue once. @returns frames taken */
function poll(path: Datapath, sender: Bench): number {
  const vring = sender.port.vrings[1];
  assert(vring);
  return pollVring(path, vring);
}

function frameOf(bytes: number, seed: number, group: boolean): Uint8Array {
  const frame = new Uint8Array(bytes).map((_, i) => (i * 31 + seed) & 0xff);
  frame.set([group ? 1 : 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
  return frame;
}

const shape = fc.record({
  packed: fc.boolean(),
  size: fc.constantFrom(4, 8, 64, 256),
  mergeable: fc.boolean(),
  eventIdx: fc.boolean(),
  start: fc.constantFrom(0, 1, 0x7fff, 0xfffe, 0xffff),
});
const job = fc.record({
  bytes: fc.oneof(fc.integer({ min: 14, max: 80 }), fc.integer({ min: 14, max: 4000 })),
  cuts: fc.array(fc.nat(200), { maxLength: 3 }),
  indirect: fc.boolean(),
  group: fc.boolean(),
});

Deno.test("frames cross rings of any two kinds unchanged, in order, within their buffers", () => {
  fc.assert(
    fc.property(shape, shape, fc.array(job, { maxLength: 60 }), (a, b, jobs) => {
      const sender = new Bench(0, a, 0x1_0000_0000);
      const receiver = new Bench(1, b, 0);
      const path = makePath([sender, receiver]);
      const sent: Uint8Array[] = [];
      const got: Uint8Array[] = [];
      for (const [number, { bytes, cuts, indirect, group }] of jobs.entries()) {
        const sizes = b.mergeable ? [700, 333] : [12, 1, 4100];
        while (receiver.offer(sizes, number % 2 === 0));
        const frame = frameOf(bytes, number, group);
        const room = b.mergeable ? receiver.rx.size * 300 : 4113;
        if (bytes + 12 > room || !sender.send(frame, cuts, indirect)) continue;
        assert.equal(poll(path, sender), 1);
        sender.tx.takeUsed();
        const frames = receiver.received();
        if (frames.length > 0) sent.push(frame);
        else assert(b.size < 16, "only a tiny ring has too few buffers");
        got.push(...frames);
      }
      assert.deepEqual(got, sent);
      assert.equal(sender.tx.free, sender.tx.size, "every transmit buffer came back");
    }),
    { numRuns: 300 },
  );
});

Deno.test("a burst larger than a burst, and an empty receiver: loss is counted, nothing is stuck", () => {
  for (const packed of [false, true]) {
    const plain = { packed, size: 256, mergeable: true, eventIdx: false, start: 0 };
    const sender = new Bench(0, plain, 0);
    const receiver = new Bench(1, { ...plain, size: 16 }, 0);
    const path = makePath([sender, receiver]);
    while (receiver.offer([2048], false));
    for (let i = 0; i < 200; i++) assert(sender.send(frameOf(60, i, false), [], false));
    let taken = 0;
    for (let n = poll(path, sender); n > 0; n = poll(path, sender)) taken += n;
    assert.equal(taken, 200);
    assert.equal(sender.tx.takeUsed().length, 200);
    assert.equal(receiver.received().length, 16);
    const base = receiver.port.counterBase;
    const counters = Array.from(path.counters.slice(base, base + 24));
    assert(counters.includes(184), `184 drops are counted: ${counters}`);
  }
});

Deno.test("segments of sender, receiver and tables can never meet", () => {
  // A chain: a segment a byte, and the regions and windows its last buffer may cross.
  const chain = CHAIN_BYTES_MAX + 64;
  assert(CHAIN_SEGMENTS_MAX + chain < BUFFER_SEGMENTS - TAKEN_SEGMENTS);
  assert(2 * chain < SCRATCH_SEGMENTS - BUFFER_SEGMENTS);
  assert(BURST_FRAMES < SCRATCH_SEGMENTS - BUFFER_SEGMENTS);
  assert(64 < SEGMENTS_MAX - SCRATCH_SEGMENTS);
});
