/**
 * A receiver never sees bytes that nobody sent it, and nobody's memory changes but where it should: all
 * of each guest's memory is compared before and after. Each case runs twice, over buffers full of one
 * canary and of another: a byte that is used and was not written differs between the two.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { RingDriver, Segment } from "../../lib/guest/driver.ts";
import { PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { WORKER, WORKER_BASE } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { allowPlainBursts } from "../../lib/virtio/burst.ts";
import { trustLoadOrder } from "../../lib/virtio/ring.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { ScriptPort } from "../harness/script_port.ts";
import { askingHeader, frameOf as packetFrame, type Packet } from "./packets.ts";
import { Bench, frameOf, poll, type Shape } from "./two_ports.ts";

const RAM_BYTES = 1 << 20;
const CANARIES = [0xa5, 0x5a] as const;
const VID = 100;
const ROUNDS = 2;
const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };
const TAKES = [
  {},
  { guestCsum: true },
  { guestCsum: true, guestTso4: true, guestTso6: true, guestUso4: true, guestUso6: true },
] as const;
const ACCESS = new PortVlans(vlanWords([[VID, VID]]), VID, true);
const TRUNK = new PortVlans(vlanWords([[VID, VID + 1]]), 0, false);
const VLANS: Readonly<Record<Case["vlans"], readonly [PortVlans, PortVlans] | null>> = {
  none: null,
  push: [ACCESS, TRUNK],
  pop: [TRUNK, ACCESS],
  keep: [TRUNK, TRUNK],
};

/** What is sent: a frame of so many bytes, or one that asks for what only offloads give. */
type Job =
  | { readonly bytes: number; readonly cuts: readonly number[]; readonly indirect: boolean }
  | { readonly payload: number; readonly size: number; readonly cuts: readonly number[] };

interface Case {
  readonly from: Shape;
  readonly to: Shape;
  readonly offloads: boolean;
  readonly takes: number;
  readonly vlans: "none" | "push" | "pop" | "keep";
  readonly buffers: readonly (readonly number[])[];
  readonly indirect: boolean;
  readonly jobs: readonly Job[];
}

const shape: fc.Arbitrary<Shape> = fc.record({
  packed: fc.boolean(),
  size: fc.constantFrom(16, 64),
  mergeable: fc.constantFrom(true, true, false),
  eventIdx: fc.boolean(),
  start: fc.constantFrom(0, 0xfffe),
});
const cuts = fc.array(fc.nat(200), { maxLength: 3 });
const bytes = fc.oneof(fc.integer({ min: 14, max: 64 }), fc.integer({ min: 14, max: 3000 }));
const plainJob = fc.record({ bytes, cuts, indirect: fc.boolean() });
const offloadJob = fc.record({
  payload: fc.integer({ min: 1, max: 8000 }),
  size: fc.constantFrom(0, 500, 1448),
  cuts,
});
const cases: fc.Arbitrary<Case> = fc.record({
  ...{ from: shape, to: shape, takes: fc.nat(TAKES.length - 1), offloads: fc.constant(true) },
  vlans: fc.constantFrom(
    "none" as const,
    "none" as const,
    "push" as const,
    "pop" as const,
    "keep" as const,
  ),
  buffers: fc.oneof(
    fc.constant([[1700]]),
    fc.constant([[4200]]),
    fc.array(
      fc.array(fc.constantFrom(1, 11, 12, 13, 60, 300, 1600), { minLength: 1, maxLength: 4 }),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
  ),
  indirect: fc.boolean(),
  jobs: fc.array(fc.oneof(plainJob, plainJob, offloadJob), { minLength: 1, maxLength: 8 }),
});

function packetOf(payload: number): Packet {
  return {
    ...{ tags: [], version: 4, extra: [], identification: 7, protocol: "tcp", sequence: 1 },
    ...{ flags: 0x10, tcpOptions: new Uint8Array(), to: 2, from: 1 },
    payload: new Uint8Array(payload).map((_, i) => (i * 167 + (i >> 8)) & 0xff),
  };
}

/** Frame and virtio-net header of a job. */
function made(job: Job, number: number): [Uint8Array, Uint8Array | undefined] {
  if ("bytes" in job) return [frameOf(job.bytes, number, false), new Uint8Array(10)];
  const packet = packetOf(job.payload);
  return [packetFrame(packet, "begun"), askingHeader(packet, job.size)];
}

function tagged(frame: Uint8Array): Uint8Array {
  return Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, 0, VID, ...frame.subarray(12));
}

/** Parts of a ring that are the device's to write. */
function deviceParts(driver: RingDriver, { packed, size }: Shape): [number, number][] {
  const [desc, , device] = driver.areas;
  return packed ? [[desc, 16 * size], [device, 4]] : [[device, 6 + 8 * size]];
}

/** Memory of a guest, and what of it may change. */
class Watched {
  readonly bench: Bench;
  readonly #before: Uint8Array;

  constructor(bench: Bench) {
    this.bench = bench;
    this.#before = this.#bytes().slice();
  }

  #bytes(): Uint8Array {
    return new Uint8Array(this.bench.ram.view.buffer as ArrayBuffer);
  }

  /** @param more what else may have changed: address and length */
  check(more: readonly [number, number][] = []): void {
    const { bench } = this;
    const parts = [bench.rx, bench.tx].flatMap((ring) => deviceParts(ring, bench.shape));
    const allowed = [...parts, ...more].map(([at, length]) => [bench.ram.at(at), length] as const)
      .sort(([a], [b]) => a - b);
    const now = this.#bytes();
    let from = 0;
    for (const [at, length] of [...allowed, [now.length, 0] as const]) {
      if (at < from) continue;
      const same = Buffer.compare(this.#before.subarray(from, at), now.subarray(from, at)) === 0;
      assert(same, `memory between ${from} and ${at} of guest ${bench.port.index} changed`);
      from = at + length;
    }
  }
}

/** Offers receive chains full of a canary. @returns their segments, by id */
function offer(bench: Bench, one: Case, canary: number): Map<number, readonly Segment[]> {
  const chains = new Map<number, readonly Segment[]>();
  for (let number = 0;; number++) {
    const sizes = one.buffers[number % one.buffers.length] as readonly number[];
    const segments = sizes.map((length) => ({ address: bench.ram.take(length, 1), bytes: length }));
    for (const { address, bytes } of segments) {
      bench.ram.write(address, new Uint8Array(bytes).fill(canary));
    }
    const id = bench.rx.add(segments, true, one.indirect);
    if (id < 0) break;
    chains.set(id, segments);
  }
  bench.rx.publish();
  return chains;
}

/** What a receiver was told that it got, chain by chain, and where that stands. */
function used(
  bench: Bench,
  chains: ReadonlyMap<number, readonly Segment[]>,
): { data: number[][]; places: [number, number][] } {
  const places: [number, number][] = [];
  const data = bench.rx.takeUsed().map(({ id, bytes }) => {
    let left = bytes;
    return (chains.get(id) ?? []).flatMap((segment) => {
      const length = Math.min(left, segment.bytes);
      left -= length;
      if (length > 0) places.push([segment.address, length]);
      return Array.from(bench.ram.read(segment.address, length));
    });
  });
  return { data, places };
}

/** What a receiver says to be known, before it has buffers. */
const HELLO = Uint8Array.of(...[1, 0, 0, 0, 0, 9], ...[2, 0, 0, 0, 0, 2], ...new Uint8Array(50));

/** Three guests and an uplink on a datapath; frames are for the second guest. */
class Scene {
  readonly a: Bench;
  readonly b: Bench;
  readonly c: Bench;
  readonly wire = new ScriptPort(3);
  readonly #path: Datapath;

  get plainDelivered(): number {
    return this.#path.counters[WORKER_BASE + WORKER.plainDelivered] ?? 0;
  }

  constructor({ from, to, takes, vlans, offloads }: Case) {
    const gets = { ...to, offloads: offloads && to.mergeable ? TAKES[takes] ?? {} : {} };
    const sends = { ...from, offloads: offloads ? SENDS : {} };
    this.a = new Bench(0, sends, 0x1_0000_0000, RAM_BYTES);
    this.b = new Bench(1, gets, 0, RAM_BYTES);
    this.c = new Bench(2, gets, 0x4000_0000, RAM_BYTES);
    this.#path = makeDatapath([this.a.port, this.b.port, this.c.port, this.wire]);
    const ports = VLANS[vlans];
    this.#path.setVlans(ports !== null);
    if (ports) [this.a.port.vlans, this.b.port.vlans] = ports;
    if (ports) this.wire.vlans = ports[0];
    const hello = vlans === "push" || vlans === "keep" ? tagged(HELLO) : HELLO;
    assert(this.b.send(hello, [], false, new Uint8Array(10)));
    this.poll();
    this.wire.got.length = 0;
  }

  poll(): void {
    while (poll(this.#path, this.a) + poll(this.#path, this.b) > 0);
    while (pollSource(this.#path, this.wire) > 0);
  }

  [Symbol.dispose](): void {
    this.wire.release();
  }
}

/** The same as most drivers do it: a descriptor for each frame and buffer, no offloads. */
function plainly(one: Case): Case {
  const jobs = one.jobs.map((job) => {
    const bytes = "bytes" in job ? job.bytes : 14 + job.payload % 1500;
    return { bytes: Math.min(bytes, 1514), cuts: [], indirect: false };
  });
  return { ...one, offloads: false, buffers: [[1700]], indirect: false, jobs };
}

/** Frames that were given the plain way. */
let plain = 0;

/** @returns what the receiver got, chain by chain */
function run(one: Case, canary: number): number[][] {
  using scene = new Scene(one);
  const { a, b, c, wire } = scene;
  const chains = offer(b, one, canary);
  offer(c, one, canary);
  const got: number[][] = [];
  // What is known of memory from the first burst makes the next ones plain.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [number, job] of one.jobs.entries()) {
      const [frame, header] = made(job, number);
      const whole = one.vlans === "pop" || one.vlans === "keep" ? tagged(frame) : frame;
      if (number % 3 === 2 && "bytes" in job) wire.out.push(whole);
      else a.send(whole, job.cuts, "bytes" in job && job.indirect, header);
    }
    const watched = [a, b, c].map((bench) => new Watched(bench));
    scene.poll();
    const { data, places } = used(b, chains);
    got.push(...data);
    watched[0]?.check();
    watched[1]?.check(places);
    watched[2]?.check();
    a.tx.takeUsed();
  }
  assert.equal(c.rx.takeUsed().length, 0);
  plain += scene.plainDelivered;
  return got;
}

for (const way of ["plainly", "in any way"]) {
  Deno.test(`nothing is written but what was sent, ${way}`, () => {
    allowPlainBursts(true);
    trustLoadOrder(true);
    plain = 0;
    const buffers = new Map<string, number>();
    fc.assert(
      fc.property(way === "plainly" ? cases.map(plainly) : cases, (one) => {
        const [first = [], second = []] = CANARIES.map((canary) => run(one, canary));
        assert.deepEqual(first, second, "what was used was written");
        buffers.set(one.vlans, (buffers.get(one.vlans) ?? 0) + first.length);
      }),
      { numRuns: 50 },
    );
    for (const vlans of Object.keys(VLANS)) assert((buffers.get(vlans) ?? 0) > 0, vlans);
    assert(way !== "plainly" || plain > 20, `${plain} frames went the plain way`);
  });
}
