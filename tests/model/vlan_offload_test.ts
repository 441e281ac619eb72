/**
 * Frames with offloads whose tag comes or goes on the way: what a receiver gets is what the packet with
 * the other tags is, cut and summed by packets.ts.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { guardOf } from "../../lib/control/config/guard_options.ts";
import { AddressSet } from "../../lib/switch/guard/addresses.ts";
import { PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { FRAME_BYTES_MAX } from "../../lib/virtio/burst.ts";
import type { QueueFeatures } from "../../lib/virtio/ring.ts";
import { askingHeader, frameOf, type Packet, segmentsOf } from "./packets.ts";
import { Bench, makePath, poll, type Shape } from "./two_ports.ts";

const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };
const TAKES_ALL: Partial<QueueFeatures> = {
  ...{ guestCsum: true, guestTso4: true, guestTso6: true, guestEcn: true },
  ...{ guestUso4: true, guestUso6: true },
};
const TAKES_SUMS: Partial<QueueFeatures> = { guestCsum: true };
const VID = 100;
const OWN = [0x8100, 0x6000 | VID] as const;
const INNER = [0x88a8, 0x0065] as const;

const WAYS = {
  /** From an access port to a trunk. */
  push: { from: new PortVlans(vlanWords([[VID, VID]]), VID, true), to: trunk(0) },
  /** From a trunk to an access port. */
  pop: { from: trunk(VID), to: new PortVlans(vlanWords([[VID, VID]]), VID, true) },
  /** Between trunks. */
  keep: { from: trunk(0), to: trunk(0) },
} as const;

function trunk(native: number): PortVlans {
  return new PortVlans(vlanWords([[VID, VID + 1]]), native, false);
}

const bytes = fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 60_000, max: 65_300 }))
  .map((length) => new Uint8Array(length).map((_, i) => (i * 167 + (i >> 8)) & 0xff));

const packet: fc.Arbitrary<Packet> = fc.constantFrom(4 as const, 6 as const).chain((version) =>
  fc.record({
    tags: fc.constantFrom<Packet["tags"]>([], [INNER], [OWN], [OWN, INNER]),
    version: fc.constant(version),
    extra: fc.constantFrom<readonly Uint8Array[]>(
      [],
      [version === 4 ? new Uint8Array(8).fill(1) : Uint8Array.of(1, 124, ...new Uint8Array(124))],
    ),
    identification: fc.constantFrom(0, 0xffff),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    sequence: fc.constantFrom(1, 0xffff_fff0),
    flags: fc.constantFrom(0x10, 0x19, 0x99),
    tcpOptions: fc.constantFrom(new Uint8Array(), new Uint8Array(12).fill(1)),
    payload: bytes,
    ...{ to: fc.constant(2), from: fc.constant(1) },
  })
);

interface Case {
  readonly way: keyof typeof WAYS;
  readonly packed: readonly [boolean, boolean];
  readonly takes: Partial<QueueFeatures>;
  readonly packet: Packet;
  readonly size: number;
  readonly cuts: readonly number[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  way: fc.constantFrom("push" as const, "pop" as const, "keep" as const),
  packed: fc.tuple(fc.boolean(), fc.boolean()),
  takes: fc.constantFrom<Partial<QueueFeatures>>({}, TAKES_SUMS, TAKES_ALL),
  packet,
  size: fc.constantFrom(0, 1448, 1000, 8948),
  cuts: fc.array(fc.nat(100), { maxLength: 5 }),
}).map((one) => {
  const least = Math.ceil(one.packet.payload.length / (one.packet.protocol === "tcp" ? 200 : 128));
  return { ...one, size: one.size === 0 ? 0 : Math.max(one.size, least) };
});

/** The packet's tags as the receiver gets it; null: it is in no VLAN. */
function tagsAfter({ way, packet: { tags } }: Case): Packet["tags"] | null {
  const owned = tags[0] === OWN;
  if (way === "push") return owned ? tags : [[0x8100, VID], ...tags];
  if (way === "pop") return owned ? tags.slice(1) : tags;
  return owned ? tags : null;
}

/** Frames and virtio-net headers that the receiver is to get. */
function expected(one: Case): [Uint8Array, Uint8Array][] {
  const tags = tagsAfter(one);
  if (tags === null) return [];
  const { size, takes } = one;
  const packet = { ...one.packet, tags };
  const large = size > 0 && packet.payload.length > size;
  const room = one.packet.tags[0] === OWN ? FRAME_BYTES_MAX : FRAME_BYTES_MAX - 4;
  if (!large && frameOf(one.packet, "begun").length > room) return [];
  const form = takes.guestCsum ? "begun" : "full";
  if (large && takes === TAKES_ALL) return [[frameOf(packet, "begun"), askingHeader(packet, size)]];
  return (large ? segmentsOf(packet, size) : [packet]).map((each) => [
    frameOf(each, form),
    takes.guestCsum ? askingHeader(each, 0) : new Uint8Array(10),
  ]);
}

function run(one: Case): number {
  const base = { size: 256, eventIdx: false, start: 0, mergeable: true };
  const sends: Shape = { ...base, packed: one.packed[0], offloads: SENDS };
  const gets: Shape = { ...base, packed: one.packed[1], offloads: one.takes };
  const [a, b] = [new Bench(0, sends, 0, 1 << 20), new Bench(1, gets, 0, 1 << 20)];
  const path = makePath([a, b]);
  path.setVlans(true);
  a.port.vlans = WAYS[one.way].from;
  b.port.vlans = WAYS[one.way].to;
  while (b.offer([1800], false));
  assert(a.send(frameOf(one.packet, "begun"), one.cuts, true, askingHeader(one.packet, one.size)));
  while (poll(path, a) > 0);
  const frames = b.received();
  const wanted = expected(one);
  assert.equal(frames.length, wanted.length);
  for (const [i, [frame, header]] of wanted.entries()) {
    assert.deepEqual(Array.from(frames[i] ?? []), Array.from(frame), `frame ${i}`);
    assert.deepEqual(Array.from(b.headers[i] ?? []), Array.from(header), `header ${i}`);
  }
  return frames.length;
}

Deno.test("checksums and segments are right with a tag that comes or goes", () => {
  let many = 0;
  fc.assert(
    fc.property(cases, (one) => {
      if (run(one) > 1) many++;
    }),
    { numRuns: 80 },
  );
  assert(many > 3, `${many} were cut`);
});

Deno.test("frames of one burst that are guarded and get a tag keep to themselves, offloads or not", () => {
  const base = { size: 256, eventIdx: false, start: 0, mergeable: true };
  for (const packed of [false, true]) {
    for (const takes of [{}, TAKES_SUMS, TAKES_ALL]) {
      const a = new Bench(0, { ...base, packed, offloads: SENDS }, 0, 1 << 20);
      const b = new Bench(1, { ...base, packed, offloads: takes }, 0, 1 << 20);
      const path = makePath([a, b]);
      path.setVlans(true);
      a.port.vlans = WAYS.push.from;
      b.port.vlans = WAYS.push.to;
      const { addresses, ...rest } = guardOf({ guard: ["dhcp", "ra"] });
      a.port.guard = { ...rest, addresses: addresses && new AddressSet(addresses) };
      while (b.offer([1800], false));
      const wanted: Uint8Array[] = [];
      // Segments of one frame end where the free ones of the next begin: each has its own bytes.
      for (let i = 0; i < 12; i++) {
        const one: Packet = {
          ...{ tags: [], version: i % 2 === 0 ? 4 : 6, extra: [], identification: i },
          ...{ protocol: i % 4 < 2 ? "tcp" : "udp", sequence: 1, flags: 0x10, to: 2, from: 1 },
          // Headers longer than what the guard copies at first.
          tcpOptions: new Uint8Array(20).fill(1),
          payload: new Uint8Array(100 + i).fill(0x40 + i),
        };
        const plain = i % 3 === 2;
        const header = plain ? new Uint8Array(10) : askingHeader(one, 0);
        const frame = frameOf(one, plain ? "full" : "begun");
        assert(a.send(frame, i % 2 === 0 ? [] : [30, 70, 110, frame.length], false, header));
        const form = takes.guestCsum && !plain ? "begun" : "full";
        wanted.push(frameOf({ ...one, tags: [[0x8100, VID]] }, form));
      }
      assert.equal(poll(path, a), wanted.length);
      assert.deepEqual(b.received().map((frame) => frame.join()), wanted.map((it) => it.join()));
    }
  }
});
