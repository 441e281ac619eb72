/**
 * Large frames on the longer ways: kept for a receiver whose buffers are not translated yet, spread
 * over several queues, flooded to guests that differ and to a TAP device.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { addressOf, closeFd, copyMemory, receive, socketPair } from "../../ffi/mod.ts";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { LanePort, TAP_HEADER_BYTES } from "../../lib/switch/ports/lane_port.ts";
import type { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { pollSource } from "../../lib/switch/datapath.ts";
import { ALL_OFFLOADS, NO_OFFLOADS, OFFLOAD_CSUM } from "../../lib/virtio/offloads.ts";
import type { QueueFeatures } from "../../lib/virtio/ring.ts";
import { useHostAddress, useHostCopy } from "../../lib/virtio/memory/window.ts";
import { TapLane } from "../../lib/worker/lanes/tap_lane.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { IommuGuest, makeIommuPath } from "./iommu_guest.ts";
import { makePath, MemoryGuest, pollAll } from "./memory_guest.ts";
import { askingHeader, frameOf, type Packet, segmentsOf } from "./packets.ts";
import { Bench, poll } from "./two_ports.ts";

useHostCopy(copyMemory);
useHostAddress(addressOf);

const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };
/** What receivers take, and in which form each frame comes to them. */
const TAKES = {
  whole: {
    ...{ guestCsum: true, guestTso4: true, guestTso6: true, guestEcn: true },
    ...{ guestUso4: true, guestUso6: true },
  },
  begun: { guestCsum: true },
  plain: {},
} as const;
type Form = keyof typeof TAKES;
const SIZE = 1400;

function packetOf(version: 4 | 6, protocol: "tcp" | "udp", bytes: number, flow = 0): Packet {
  return {
    ...{ tags: [], version, extra: [], identification: 40_000 + flow, protocol, sequence: flow },
    ...{ flags: 0x18, tcpOptions: new Uint8Array(), to: 2, from: 1 },
    payload: new Uint8Array(bytes).map((_, i) => (i * 13 + flow) & 0xff),
  };
}

/** What comes to a receiver of a packet, and the headers in front of it. */
function expected(packet: Packet, form: Form): { frame: Uint8Array; header: Uint8Array }[] {
  const large = packet.payload.length > SIZE;
  if (form === "whole") {
    return [{ frame: frameOf(packet, "begun"), header: askingHeader(packet, large ? SIZE : 0) }];
  }
  return (large ? segmentsOf(packet, SIZE) : [packet]).map((each) => ({
    frame: frameOf(each, form === "begun" ? "begun" : "full"),
    header: form === "begun" ? askingHeader(each, 0) : new Uint8Array(10),
  }));
}

function ask(packet: Packet): Uint8Array {
  return askingHeader(packet, packet.payload.length > SIZE ? SIZE : 0);
}

Deno.test("frames that wait for a translation keep what they ask for, whole, cut and completed", () => {
  const sent = fc.record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    bytes: fc.oneof(fc.integer({ min: 1, max: SIZE }), fc.integer({ min: 1, max: 9000 })),
  });
  const setting = fc.record({
    form: fc.constantFrom<Form>("whole", "begun", "plain"),
    packed: fc.tuple(fc.boolean(), fc.boolean()),
    sent: fc.array(sent, { minLength: 1, maxLength: 6 }),
  });
  let parked = 0;
  fc.assert(
    fc.property(setting, ({ form, packed, sent }) => {
      const sender = new IommuGuest(0, packed[0], 64, true, SENDS);
      const receiver = new IommuGuest(1, packed[1], 128, true, TAKES[form]);
      const guests = [sender, receiver];
      const path = makeIommuPath(guests, 4);
      path.fdb.learn(2, 2 << 8, 1, 0);
      while (receiver.offer([1536], false));
      const packets = sent.map(({ version, protocol, bytes }, i) =>
        packetOf(version, protocol, bytes, i)
      );
      for (const packet of packets) {
        assert(sender.send(frameOf(packet, "begun"), [600, 3000], true, ask(packet)));
      }
      const wanted = packets.flatMap((packet) => expected(packet, form));
      const [frames, headers]: [Uint8Array[], Uint8Array[]] = [[], []];
      for (let round = 0; round < 2000 && frames.length < wanted.length; round++) {
        const vring = sender.port.vrings[1];
        assert(vring);
        pollSource(path, vring);
        path.refresh();
        // One answer at a time: others of the same burst wait on.
        (sender.answer(path) || receiver.answer(path)) && sender.reclaim();
        frames.push(...receiver.receive());
        headers.push(...receiver.headers);
      }
      assert.deepEqual(frames, wanted.map(({ frame }) => frame));
      assert.deepEqual(headers, wanted.map(({ header }) => header));
      parked += count(path, receiver.port, "txParked");
      assert.equal(count(path, receiver.port, "txDroppedUntranslated"), 0);
    }),
    { numRuns: 25 },
  );
  assert(parked > 20, `${parked} frames waited`);
});

function count({ counters }: Datapath, port: VhostPort, name: keyof typeof PORT): number {
  return counters[port.counterBase + PORT[name]] ?? 0;
}

Deno.test("a flow of large frames keeps its queue and its order, cut or not", () => {
  for (const form of ["whole", "begun", "plain"] as const) {
    const sender = new MemoryGuest(0, 4, form === "begun", 256, SENDS);
    const receiver = new MemoryGuest(1, 4, form !== "begun", 2048, TAKES[form]);
    const path = makePath([sender, receiver]);
    path.fdb.learn(2, 2 << 8, 1, 0);
    const queueOf = new Map<number, number>();
    const flows = 24;
    for (let round = 0; round < 3; round++) {
      for (let flow = 0; flow < flows; flow += 4) {
        receiver.offer();
        const packets = [0, 1, 2, 3].map((i) => {
          const packet = packetOf(
            i < 2 ? 4 : 6,
            i % 2 === 0 ? "tcp" : "udp",
            3000 + round,
            flow + i,
          );
          return { packet, port: 1000 + flow + i };
        });
        for (const [i, { packet, port }] of packets.entries()) {
          assert(sender.send(i, withPort(frameOf(packet, "begun"), port), ask(packet)));
        }
        pollAll(path);
        const got = [0, 1, 2, 3].map((pair) => receiver.received(pair));
        for (const { packet, port } of packets) {
          const wanted = expected(packet, form).map(({ frame }) => withPort(frame, port));
          const pair = got.findIndex((frames) => frames.some((one) => portOf(one) === port));
          const mine = got[pair]?.filter((one) => portOf(one) === port) ?? [];
          assert.deepEqual(mine.map(withoutSum), wanted.map(withoutSum), `flow ${port}`);
          assert.equal(queueOf.get(port) ?? pair, pair, `flow ${port} keeps its queue`);
          queueOf.set(port, pair);
        }
      }
    }
    assert(new Set(queueOf.values()).size === 4, "flows spread over all queues");
  }
});

function transportAt(frame: Uint8Array): number {
  return frame[12] === 8 ? 34 : 54;
}

/** The source port of a frame: its flow. */
function portOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint16(transportAt(frame));
}

function withPort(frame: Uint8Array, port: number): Uint8Array {
  const other = frame.slice();
  new DataView(other.buffer).setUint16(transportAt(other), port);
  return other;
}

/** Checksums are packets.ts's matter, which has one port for all. */
function withoutSum(frame: Uint8Array): Uint8Array {
  const other = frame.slice();
  const udp = other[transportAt(other) === 34 ? 23 : 20] === 17;
  other.fill(0, transportAt(other) + (udp ? 6 : 16), transportAt(other) + (udp ? 8 : 18));
  return other;
}

/** A port whose one lane writes into a socket that keeps packets apart, as a TAP device's queue does. */
class TapPort implements Disposable {
  readonly port: LanePort;
  readonly #fds = socketPair("seqpacket");

  constructor(index: number, offloads: number) {
    this.port = new LanePort(index, portBase(index, 2), 2);
    const [fd] = this.#fds;
    this.port.lanes[0] = new TapLane(this.port, { number: 0, fd, offloads, watchRoom: () => {} });
  }

  /** What was written: header and frame. */
  written(): { header: Uint8Array; frame: Uint8Array }[] {
    const all: { header: Uint8Array; frame: Uint8Array }[] = [];
    const buffer = new Uint8Array(new ArrayBuffer(70_000));
    for (;;) {
      const { bytes } = receive(this.#fds[1], buffer);
      if (bytes <= 0) return all;
      const header = buffer.slice(0, 10);
      all.push({ header, frame: buffer.slice(TAP_HEADER_BYTES, bytes) });
    }
  }

  [Symbol.dispose](): void {
    this.#fds.forEach(closeFd);
  }
}

Deno.test("a flood of large frames comes to guests and TAP devices, to each in the form it takes", () => {
  const shape = { packed: false, size: 128, mergeable: true, eventIdx: false, start: 0 };
  const make = (index: number, offloads: Partial<QueueFeatures>): Bench => {
    const bench = new Bench(index, { ...shape, packed: index === 1, offloads }, 0);
    for (let i = 0; i < 100; i++) assert(bench.offer([2048], false));
    return bench;
  };
  const guests = [make(0, SENDS), make(1, TAKES.whole), make(2, TAKES.plain)] as const;
  const kernels: readonly (readonly [number, Form])[] = [
    ...[[ALL_OFFLOADS, "whole"], [OFFLOAD_CSUM, "begun"], [NO_OFFLOADS, "plain"]] as const,
  ];
  using taps = new DisposableStack();
  const ports = kernels.map(([offloads], i) => taps.use(new TapPort(3 + i, offloads)));
  const [sender] = guests;
  const path = makeDatapath([...guests, ...ports].map(({ port }) => port));
  for (const version of [4, 6] as const) {
    for (const protocol of ["tcp", "udp"] as const) {
      for (const bytes of [100, 5000]) {
        const packet = packetOf(version, protocol, bytes);
        const to = { ...packet, to: 9 };
        assert(sender.send(frameOf(to, "begun"), [70, 900], false, ask(to)));
        while (poll(path, sender) > 0);
        sender.tx.takeUsed();
        for (const [i, form] of (["whole", "plain"] as const).entries()) {
          const guest = guests[i + 1] as Bench;
          assert.deepEqual(guest.received(), expected(to, form).map(({ frame }) => frame));
          while (guest.offer([2048], false));
        }
        for (const [i, [, form]] of kernels.entries()) {
          assert.deepEqual(ports[i]?.written(), expected(to, form), `${form}, ${bytes} bytes`);
        }
      }
    }
  }
});
