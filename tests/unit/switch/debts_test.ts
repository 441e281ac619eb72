/** What a guest's visits cost beyond its turns is worked off by rounds, and bounded in each visit. */
import { strict as assert } from "node:assert";
import { PORT } from "../../../lib/switch/counters.ts";
import { pollSource } from "../../../lib/switch/datapath.ts";
import { Vring } from "../../../lib/switch/ports/vring.ts";
import { BURST_FRAMES } from "../../../lib/virtio/burst.ts";
import { RING_BAD_INDEX } from "../../../lib/virtio/ring.ts";
import { askingHeader, frameOf, type Packet } from "../../model/packets.ts";
import { Bench, makePath, poll } from "../../model/two_ports.ts";

const SHAPE = { packed: false, size: 256, mergeable: true, eventIdx: false, start: 0 };
const TURN = 4096;

Deno.test("a deficit is worked off a turn a round, however many queues a port has", () => {
  const [guest, ...others] = [0, 1, 2, 3].map((index) => new Bench(index, SHAPE, 0));
  assert(guest);
  const { port } = guest;
  // They are not read: the port's queues are looked at only when nothing is owed.
  for (const { port: { vrings } } of others) {
    const [, tx] = vrings;
    assert(tx);
    port.vrings.push(null, new Vring(port, port.vrings.length + 1, tx.queue, tx.counterBase));
  }
  const path = makePath([guest]);
  assert.equal(path.sources.length, 4);
  const round = (): void =>
    path.sources.forEach((source) => assert(pollSource(path, source) === 0));
  port.charge(9 * TURN);
  assert.equal(port.debt, 8 * TURN);
  round();
  assert.equal(port.debt, 7 * TURN);
  const [, first] = port.vrings;
  assert(first);
  first.queue.broken = RING_BAD_INDEX;
  round();
  assert.equal(port.debt, 6 * TURN, "one that broke in the round still counts it");
  path.refresh();
  assert.equal(path.sources.length, 3);
  round();
  assert.equal(port.debt, 5 * TURN, "and then another one does");
});

Deno.test("what is made of the frames of one visit has a bound that long headers do not move", () => {
  const csum = { csum: true, hostTso6: true };
  const guests = [new Bench(0, { ...SHAPE, offloads: csum }, 0), new Bench(1, SHAPE, 0)];
  const [sender, receiver] = guests;
  assert(sender && receiver);
  const path = makePath(guests);
  const packet: Packet = {
    ...{
      tags: [],
      version: 6,
      extra: Array(3).fill(Uint8Array.of(1, 124, ...new Uint8Array(124))),
    },
    ...{
      identification: 0,
      protocol: "tcp",
      sequence: 1,
      flags: 0x10,
      tcpOptions: new Uint8Array(),
    },
    ...{ payload: new Uint8Array(1024 * 8), to: 9, from: 1 },
  };
  const frame = frameOf(packet, "begun");
  for (let i = 0; i < 16; i++) assert(sender.send(frame, [], false, askingHeader(packet, 8)));
  for (let i = 0; i < BURST_FRAMES; i++) assert(receiver.offer([600], false));
  assert.equal(poll(path, sender), 16);
  const get = (name: keyof typeof PORT): number =>
    path.counters[receiver.port.counterBase + PORT[name]] ?? NaN;
  assert.equal(get("txCut"), 4);
  assert.equal(get("txDroppedUncut"), 12);
  // And segments that were gone through: headers and the rest.
  assert.equal(sender.port.debt, 4 * 1024 * 20 + 16 * 2 - TURN);
});

Deno.test("a chain of many pieces is paid for once for each port that it goes to", () => {
  const guests = [0, 1, 2, 3].map((index) => new Bench(index, SHAPE, 0));
  const [sender, ...others] = guests;
  assert(sender);
  const path = makePath(guests);
  const pieces = 200;
  const sendTo = (to: number): number => {
    const cuts = Array.from({ length: pieces - 1 }, (_, i) => 12 + 16 + 1 + i);
    const frame = new Uint8Array(500);
    frame.set([to, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1]);
    for (let i = 0; i < 20; i++) assert(sender.send(frame, cuts, true));
    for (const other of others) for (let i = 0; i < 20; i++) assert(other.offer([600], false));
    sender.port.debt = 0;
    assert.equal(poll(path, sender), 20);
    sender.tx.takeUsed();
    others.forEach((other) => other.received());
    return sender.port.debt;
  };
  // Read within a turn, whoever gets it; then gone through by each of three, or by one.
  const group = sendTo(1);
  path.fdb.learn(2, 9 << 8, 1, 0);
  const one = sendTo(2);
  const segments = 20 * pieces;
  assert.equal(one, 0, "one port is within its turn");
  assert.equal(group, 3 * segments - TURN);
});
