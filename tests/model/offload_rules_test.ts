/**
 * What offloads come to beside one frame for one receiver: floods to receivers that differ, MTUs, and
 * frames that ask for what they do not bear out.
 *
 * @module
 */
import { strict as assert } from "node:assert";
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
    ["more segments than one may ask for", { ...GOOD, size: 1 }],
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
