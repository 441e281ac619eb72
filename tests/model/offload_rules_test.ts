/**
 * What offloads come to beside one frame for one receiver: floods to receivers that differ, MTUs, and
 * frames that ask for what they do not bear out.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Capturing } from "../harness/capturing.ts";
import { headersView } from "../../lib/offload/private.ts";
import { PORT } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import type { QueueFeatures } from "../../lib/virtio/ring.ts";
import { askingHeader, frameOf, headerOf, headersOf, type Packet, segmentsOf } from "./packets.ts";
import { Bench, makePath, poll } from "./two_ports.ts";

const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };
const TAKES = { guestCsum: true, guestTso4: true, guestUso4: true };
const PACKET: Packet = {
  ...{ tags: [], version: 4, extra: [], identification: 9, protocol: "udp", sequence: 5 },
  ...{ flags: 0x18, tcpOptions: new Uint8Array(), payload: new Uint8Array(4000).fill(7) },
  ...{ to: 9, from: 1 },
};
const TCP: Packet = { ...PACKET, protocol: "tcp" };

function bench(index: number, offloads: Partial<QueueFeatures>): Bench {
  const shape = { packed: index === 1, size: 64, mergeable: true, eventIdx: false, start: 0 };
  const made = new Bench(index, { ...shape, offloads }, 0);
  for (let i = 0; i < 32; i++) assert(made.offer([2048], false));
  return made;
}

function count({ counters }: Datapath, { port }: Bench, name: keyof typeof PORT): number {
  return counters[port.counterBase + PORT[name]] ?? 0;
}

Deno.test("a large frame for everybody comes to each in the form it takes", () => {
  const guests = [bench(0, SENDS), bench(1, TAKES), bench(2, { guestCsum: true }), bench(3, {})];
  const [sender, whole, begun, plain] = guests;
  assert(sender && whole && begun && plain);
  const path = makePath(guests);
  assert(sender.send(frameOf(PACKET, "begun"), [], false, askingHeader(PACKET, 1400)));
  while (poll(path, sender) > 0);
  const segments = segmentsOf(PACKET, 1400);
  assert.deepEqual(whole.received(), [frameOf(PACKET, "begun")]);
  assert.deepEqual(begun.received(), segments.map((each) => frameOf(each, "begun")));
  assert.deepEqual(plain.received(), segments.map((each) => frameOf(each, "full")));
  assert.deepEqual(guests.map((guest) => count(path, guest, "txCut")), [0, 0, 1, 1]);
  assert.equal(count(path, sender, "rxFrames"), 1);
});

Deno.test("an MTU is judged on segments, of the sender and of the receiver", () => {
  for (
    const [port, mtu, passes] of [[0, 1500, true], [0, 1400, false], [1, 1400, false]] as const
  ) {
    const guests = [bench(0, SENDS), bench(1, TAKES)];
    const [sender, receiver] = guests;
    assert(sender && receiver);
    const path = makePath(guests);
    const { port: limited } = guests[port] as Bench;
    limited.frameBytesMax = mtu + 22;
    assert(sender.send(frameOf(PACKET, "begun"), [], false, askingHeader(PACKET, 1440)));
    while (poll(path, sender) > 0);
    assert.equal(receiver.received().length, passes ? 1 : 0);
    const dropped = count(path, sender, "rxDroppedOversize") +
      count(path, receiver, "txDroppedOversize");
    assert.equal(dropped, passes ? 0 : 1);
  }
});

const [start, hdrLen] = [34, headersOf(TCP)];
const GOOD = { flags: 1, type: 1, hdrLen, size: 1400, start, offset: 16 };

Deno.test("what a frame's own headers do not bear out is dropped, counted, and harms no other", () => {
  const bad: readonly (readonly [string, Parameters<typeof headerOf>[0]])[] = [
    ["no size", { ...GOOD, size: 0 }],
    ["segments of a byte", { ...GOOD, size: 1 }],
    ["smaller segments than any TCP makes", { ...GOOD, size: 7 }],
    ["IPv6", { ...GOOD, type: 4 }],
    ["UDP", { ...GOOD, type: 5 }],
    ["UFO", { ...GOOD, type: 3 }],
    ["no type", { ...GOOD, type: 2 }],
    ["a checksum before TCP", { ...GOOD, start: 14 }],
    ["a checksum of UDP", { ...GOOD, offset: 6 }],
    ["a checksum behind the frame", { ...GOOD, type: 0, start: 65000 }],
    ["a checksum behind it by a word that goes round", { ...GOOD, type: 0, offset: 65535 }],
    ["a checksum in IP's header", { ...GOOD, type: 0, start: 14, offset: 10 }],
    ["a checksum in TCP's payload", { ...GOOD, type: 0, start: 100, offset: 16 }],
  ];
  const guests = [bench(0, SENDS), bench(1, TAKES)];
  const [sender, receiver] = guests;
  assert(sender && receiver);
  const path = makePath(guests);
  // Sizes beyond what one frame of this length could be cut into.
  const long = { ...TCP, payload: new Uint8Array(4000) };
  for (const [i, [what, header]] of bad.entries()) {
    assert(sender.send(frameOf(long, "begun"), [], false, headerOf(header)));
    assert(sender.send(frameOf(long, "begun"), [], false, headerOf(GOOD)));
    while (poll(path, sender) > 0);
    sender.tx.takeUsed();
    assert.equal(count(path, sender, "rxDroppedBadOffload"), i + 1, what);
    assert.deepEqual(receiver.received(), [frameOf(long, "begun")], `${what}: the next one comes`);
  }
});

Deno.test("offloads that were not negotiated are refused", () => {
  for (
    const [sends, dropped] of [[{ csum: true }, 1], [{ csum: true, hostTso4: true }, 0]] as const
  ) {
    const guests = [bench(0, sends), bench(1, TAKES)];
    const [sender, receiver] = guests;
    assert(sender && receiver);
    const path = makePath(guests);
    assert(sender.send(frameOf(TCP, "begun"), [], false, headerOf(GOOD)));
    while (poll(path, sender) > 0);
    assert.equal(count(path, sender, "rxDroppedBadOffload"), dropped);
    assert.equal(receiver.received().length, 1 - dropped);
  }
});

Deno.test("as many segments may be asked for as whoever cuts them takes, and no more", () => {
  const guests = [bench(0, SENDS), bench(1, TAKES)];
  const [sender, receiver] = guests;
  assert(sender && receiver);
  const path = makePath(guests);
  for (
    const [protocol, bytes, size, passes] of [
      ["tcp", 2048 * 8, 8, true],
      ["tcp", 2048 * 8 + 1, 8, false],
      ["tcp", 2048 * 9, 9, true],
      ["udp", 128, 1, true],
      ["udp", 129, 1, false],
      ["udp", 128 * 300, 300, true],
      ["udp", 128 * 300 + 1, 300, false],
    ] as const
  ) {
    const packet = { ...PACKET, protocol, payload: new Uint8Array(bytes) };
    assert(sender.send(frameOf(packet, "begun"), [], false, askingHeader(packet, size)));
    while (poll(path, sender) > 0 || sender.port.debt > 0);
    sender.tx.takeUsed();
    const what = `${bytes} of ${protocol} by ${size}`;
    assert.equal(receiver.received().length, passes ? 1 : 0, what);
    while (receiver.offer([2048], false));
  }
  assert.equal(count(path, sender, "rxDroppedBadOffload"), 3);
});

Deno.test("crumbs that are handed on whole are paid for by their sender, and end in one visit", () => {
  const guests = [bench(0, SENDS), bench(1, TAKES)];
  const [sender, receiver] = guests;
  assert(sender && receiver);
  const path = makePath(guests);
  const crumbs = { ...TCP, payload: new Uint8Array(2048 * 8) };
  const common = { ...TCP, payload: new Uint8Array(1448 * 11) };
  for (let i = 0; i < 4; i++) {
    assert(sender.send(frameOf(common, "begun"), [], false, askingHeader(common, 1448)));
  }
  assert.equal(poll(path, sender), 4);
  assert.equal(receiver.received().length, 4);
  assert.equal(sender.port.debt, 0, "large frames as they are cost what is copied");
  sender.tx.takeUsed();
  for (let i = 0; i < 12; i++) {
    assert(sender.send(frameOf(crumbs, "begun"), [], false, askingHeader(crumbs, 8)));
    while (receiver.offer([2048], false));
  }
  assert.equal(poll(path, sender), 12);
  const whole = receiver.received().length;
  assert(whole > 0 && whole < 6, `${whole} frames of 2,048 segments in one visit`);
  assert.equal(count(path, receiver, "txDroppedUncut"), 12 - whole);
  assert(sender.port.debt > whole * 2048 * 20, `${sender.port.debt} steps are owed`);
  assert.equal(poll(path, sender), 0, "its visits are left out");
});

Deno.test("a capture gets runts that ask for offloads as what they are", () => {
  const guests = [bench(0, SENDS), bench(1, TAKES)];
  const [sender, receiver] = guests;
  assert(sender && receiver);
  const path = makePath(guests);
  const capturing = new Capturing(path, [sender.port, receiver.port], { drops: true });
  const frame = frameOf(TCP, "begun");
  const ask = headerOf({ ...GOOD, type: 0 });
  assert(sender.send(frame.subarray(0, 5), [], false, ask));
  assert(sender.send(frame, [], false, ask));
  assert(
    sender.send(frame.subarray(0, 13), [], true, headerOf({ ...GOOD, type: 0, start: 60_000 })),
  );
  while (poll(path, sender) > 0);
  const runt = [0, 0, "dropped: rxDroppedMalformed"];
  const asks = "virtio-net: NEEDS_CSUM csum_start=34 csum_offset=16";
  assert.deepEqual(
    capturing.take().map(({ interface: port, data, comments: [comment = ""] }) => [
      ...[port, data.length],
      comment.split(": ").slice(0, 2).join(": "),
    ]),
    [runt, [0, frame.length, asks], runt, [1, frame.length, asks]],
  );
  assert.equal(count(path, sender, "rxDroppedMalformed"), 2);
  assert.equal(receiver.received().length, 1);
});

Deno.test("headers that were judged are delivered, whatever their sender makes of them meanwhile", () => {
  // A checksum of what a tunnel carries stands behind the bytes that are copied at first.
  const payload = new Uint8Array(400).map((_, i) => i & 0xff);
  const tunnel = { ...PACKET, payload };
  const frame = frameOf(tunnel, "full");
  const ask = headerOf({ flags: 1, start: 200, offset: 6 });
  for (const cuts of [[], [20, 60, 61, 130, 170]]) {
    const guests = [bench(0, SENDS), bench(1, TAKES)];
    const [sender, receiver] = guests;
    assert(sender && receiver);
    const path = makePath(guests);
    const from = sender.ram.take(0, 1);
    assert(sender.send(frame, cuts, false, ask));
    const read = headersView.getUint16;
    let changed = false;
    headersView.getUint16 = (at, little) => {
      if (!changed) {
        for (let i = 28; i < 12 + 128; i++) sender.ram.write(from + i, Uint8Array.of(0xee));
      }
      changed = true;
      return read.call(headersView, at, little);
    };
    try {
      assert.equal(poll(path, sender), 1);
    } finally {
      headersView.getUint16 = read;
    }
    assert(changed);
    const [got] = receiver.received();
    assert.deepEqual(got, frame);
  }
});
