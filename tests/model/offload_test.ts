/**
 * Frames with offloads between two ports of any kind, against packets cut and summed by packets.ts:
 * what a receiver gets is, to the last byte, what the sender's network card would have put on the
 * wire, or the large frame itself where the receiver takes it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { QueueFeatures } from "../../lib/virtio/ring.ts";
import {
  askingHeader,
  type Checksum,
  frameOf,
  headersOf,
  type Packet,
  segmentsOf,
  TCP_CWR,
} from "./packets.ts";
import { Bench, makePath, poll, type Shape } from "./two_ports.ts";

/** Everything a driver may send. */
const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };
const TO = 2;
const FROM = 1;

const bytes = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
  fc.record({ length: fc.integer({ min, max }), seed: fc.nat(255) }).map(({ length, seed }) =>
    new Uint8Array(length).map((_, i) => (i * 167 + seed * (i >> 3)) & 0xff)
  );

const tags = fc.constantFrom<Packet["tags"]>([], [], [[0x8100, 0x2064]], [
  [0x88a8, 0x0065],
  [0x8100, 0x0066],
]);

/** Options that mean nothing; destination options of IPv6 pad themselves. */
const extra = (version: 4 | 6): fc.Arbitrary<readonly Uint8Array[]> =>
  version === 4
    ? fc.constantFrom<readonly Uint8Array[]>([], [], [new Uint8Array(8).fill(1)], [
      Uint8Array.of(148, 4, 0, 0),
    ])
    : fc.constantFrom<readonly Uint8Array[]>(
      ...[[], [], [Uint8Array.of(1, 4, 0, 0, 0, 0)]],
      [Uint8Array.of(1, 4, 0, 0, 0, 0), Uint8Array.of(1, 12, ...new Uint8Array(12))],
      [Uint8Array.of(1, 124, ...new Uint8Array(124))],
    );

const packet: fc.Arbitrary<Packet> = fc.constantFrom(4 as const, 6 as const).chain((version) =>
  fc.record({
    ...{ tags, version: fc.constant(version), extra: extra(version) },
    identification: fc.constantFrom(0, 7, 0xfffe, 0xffff),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    sequence: fc.constantFrom(1, 0x7fff_ff00, 0xffff_fff0),
    flags: fc.constantFrom(0x10, 0x18, 0x19, 0x98, 0x99, 0x90),
    tcpOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(12).fill(1)),
    payload: fc.oneof({ weight: 4, arbitrary: bytes(1, 4000) }, {
      weight: 1,
      arbitrary: bytes(60_000, 65_400),
    }),
    ...{ to: fc.constant(TO), from: fc.constant(FROM) },
  })
);

interface Job {
  readonly packet: Packet;
  /** 0: not to be cut. */
  readonly size: number;
  readonly cuts: readonly number[];
  readonly indirect: boolean;
}

/** A packet of at most 65535 bytes behind its Ethernet header and tags. */
function fitting(one: Packet): Packet {
  const most = 65_535 - (headersOf(one) - 14 - 4 * one.tags.length);
  return { ...one, payload: one.payload.slice(0, most) };
}

/** The segments that a ring has buffers for, and that a datagram may ask for. */
const SEGMENTS_MAX = { tcp: 200, udp: 128 };

const job: fc.Arbitrary<Job> = fc.record({
  packet: packet.map(fitting),
  size: fc.oneof(fc.constantFrom(0, 1448, 1460, 536), fc.integer({ min: 100, max: 9000 })),
  cuts: fc.array(fc.nat(300), { maxLength: 6 }),
  indirect: fc.boolean(),
}).map((one) => {
  const least = Math.ceil(one.packet.payload.length / SEGMENTS_MAX[one.packet.protocol]);
  return { ...one, size: one.size === 0 ? 0 : Math.max(one.size, least) };
});

const takes: fc.Arbitrary<Partial<QueueFeatures>> = fc.record({
  ...{ guestCsum: fc.boolean(), guestTso4: fc.boolean(), guestTso6: fc.boolean() },
  ...{ guestEcn: fc.boolean(), guestUso4: fc.boolean(), guestUso6: fc.boolean() },
});

interface Case {
  readonly packed: readonly [boolean, boolean];
  readonly mergeable: boolean;
  readonly headerBytes: 10 | 12;
  readonly takes: Partial<QueueFeatures>;
  readonly jobs: readonly Job[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  packed: fc.tuple(fc.boolean(), fc.boolean()),
  mergeable: fc.boolean(),
  headerBytes: fc.constantFrom(10 as const, 12 as const),
  takes,
  jobs: fc.array(job, { minLength: 1, maxLength: 5 }),
});

interface Received {
  readonly frame: Uint8Array;
  readonly header: Uint8Array;
}

/** What the receiver is to get of a frame. */
function expected({ packet, size }: Job, takes: Partial<QueueFeatures>): Received[] {
  const csum = takes.guestCsum ?? false;
  const { version, protocol, flags } = packet;
  const tcp = version === 4 ? takes.guestTso4 : takes.guestTso6;
  const udp = version === 4 ? takes.guestUso4 : takes.guestUso6;
  const ecn = protocol === "udp" || (flags & TCP_CWR) === 0 || takes.guestEcn;
  const whole = csum && ecn && (protocol === "tcp" ? tcp : udp);
  const form: Checksum = csum ? "begun" : "full";
  const large = size > 0 && packet.payload.length > size;
  if (large && whole) {
    return [{ frame: frameOf(packet, "begun"), header: askingHeader(packet, size) }];
  }
  return (large ? segmentsOf(packet, size) : [packet]).map((one) => ({
    frame: frameOf(one, form),
    header: csum ? askingHeader(one, 0) : new Uint8Array(10),
  }));
}

/** Room for every frame: chains of one buffer each, or many small ones to be merged. */
function offerAll(bench: Bench, mergeable: boolean): void {
  while (bench.offer(mergeable ? [1600] : [4096, 61_500, 300], !mergeable));
}

Deno.test("a receiver gets what it takes, and everything else as it goes on the wire", () => {
  const seen = { whole: 0, cut: 0, completed: 0 };
  fc.assert(
    fc.property(cases, ({ packed, mergeable, headerBytes, takes, jobs }) => {
      const base = { size: 256, eventIdx: false, start: 0 };
      const sends: Shape = { ...base, packed: packed[0], mergeable: true, offloads: SENDS };
      const gets: Shape = {
        ...{ ...base, packed: packed[1], mergeable, offloads: takes },
        headerBytes: mergeable ? 12 : headerBytes,
      };
      const [a, b] = [new Bench(0, sends, 0), new Bench(1, gets, 0, 48 << 20)];
      const path = makePath([a, b]);
      path.fdb.learn(2, TO << 8, 1, 0);
      for (const each of jobs) {
        offerAll(b, mergeable);
        const { packet, size, cuts, indirect } = each;
        const header = askingHeader(packet, size);
        assert(a.send(frameOf(packet, "begun"), cuts, indirect, header));
        while (poll(path, a) > 0);
        a.tx.takeUsed();
        const frames = b.received();
        const wanted = expected(each, takes);
        assert.equal(frames.length, wanted.length);
        for (const [i, { frame, header }] of wanted.entries()) {
          assert.deepEqual(Array.from(frames[i] ?? []), Array.from(frame), `frame ${i}`);
          assert.deepEqual(Array.from(b.headers[i] ?? []), Array.from(header), `header ${i}`);
        }
        if (wanted.length > 1) seen.cut++;
        else if (wanted[0]?.header[1]) seen.whole++;
        else if (!takes.guestCsum) seen.completed++;
      }
    }),
    { numRuns: 100 },
  );
  for (const [what, count] of Object.entries(seen)) assert(count > 3, `${what}: ${count}`);
});
