/**
 * A port with many receive queues: every flow stays on one of them and in order, flows spread over
 * all, and nothing goes to a queue that is disabled.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ethernet } from "../../lib/guest/frames.ts";
import { PORT } from "../../lib/switch/counters.ts";
import { pollSource } from "../../lib/switch/datapath.ts";
import { makePath, MemoryGuest, pollAll } from "./memory_guest.ts";

const FROM = "02:00:00:00:00:01";
const TO = "02:00:00:00:00:02";

/** A UDP or TCP frame of a flow, over IPv4 or IPv6, with or without a VLAN tag. */
function flowFrame(flow: number, serial: number): Uint8Array {
  const six = (flow & 1) === 1;
  const ip = new Uint8Array((six ? 40 : 20) + 8);
  const view = new DataView(ip.buffer);
  ip[0] = six ? 0x60 : 0x45;
  ip[six ? 6 : 9] = (flow & 2) === 0 ? 17 : 6;
  ip.set([10, 0, 0, 1, 10, 0, 0, 2], six ? 32 : 12);
  view.setUint16(ip.length - 8, 1000 + flow);
  view.setUint16(ip.length - 6, 53);
  // Differs from frame to frame of a flow, in the header and behind the ports.
  view.setUint16(six ? 4 : 10, serial);
  view.setUint32(ip.length - 4, serial);
  const frame = ethernet(TO, FROM, six ? 0x86dd : 0x0800, ip);
  if ((flow & 4) === 0) return frame;
  const tagged = new Uint8Array(frame.length + 4);
  tagged.set(frame.subarray(0, 12));
  tagged.set([0x81, 0, 0, 5], 12);
  tagged.set(frame.subarray(12), 16);
  return tagged;
}

Deno.test("a flow keeps its receive queue and its order, and flows spread over 16 queues", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.boolean(), fc.integer({ min: 2, max: 16 }), (a, b, pairs) => {
      const sender = new MemoryGuest(0, 4, a);
      const receiver = new MemoryGuest(1, pairs, b);
      const path = makePath([sender, receiver]);
      receiver.offer();
      const queueOf = new Map<number, number>();
      const next = new Map<number, number>();
      let got = 0;
      for (let round = 0; round < 8; round++) {
        for (let flow = 0; flow < 64; flow++) {
          assert(sender.send(flow % 4, flowFrame(flow, round)));
        }
        for (const vring of path.sources) pollSource(path, vring);
        for (let pair = 0; pair < pairs; pair++) {
          for (const frame of receiver.received(pair)) {
            const view = new DataView(frame.buffer);
            const flow = view.getUint16(frame.length - 8) - 1000;
            const serial = view.getUint32(frame.length - 4);
            assert.deepEqual(frame, flowFrame(flow, serial));
            assert.equal(queueOf.get(flow) ?? pair, pair, `flow ${flow} keeps its queue`);
            assert.equal(serial, next.get(flow) ?? 0, `flow ${flow} keeps its order`);
            queueOf.set(flow, pair);
            next.set(flow, serial + 1);
            got++;
          }
        }
        receiver.offer();
      }
      const counted = path.counters[receiver.port.counterBase + PORT.txFrames] ?? 0;
      const dropped = path.counters[receiver.port.counterBase + PORT.txDroppedNoBuffer] ?? 0;
      assert.equal(got, counted);
      assert.equal(got + dropped, 8 * 64);
      // 64 flows leave one of 16 queues empty once in sixty runs; three once in millions.
      assert(new Set(queueOf.values()).size >= pairs - 2, "flows spread");
    }),
    { numRuns: 40 },
  );
});

Deno.test("fragments and frames too short for their headers still have one queue", () => {
  const sender = new MemoryGuest(0, 1, false);
  const receiver = new MemoryGuest(1, 8, false);
  const path = makePath([sender, receiver]);
  receiver.offer();
  const first = flowFrame(0, 1);
  first[14 + 6] = 0x20;
  const second = flowFrame(8, 2);
  second[14 + 7] = 0x10;
  for (const frame of [first, second]) assert(sender.send(0, frame));
  for (let bytes = 14; bytes < 60; bytes++) {
    assert(sender.send(0, flowFrame(4, 3).subarray(0, bytes)) || pollAll(path) > 0);
  }
  pollAll(path);
  const queues = Array.from({ length: 8 }, (_, pair) => receiver.received(pair));
  assert.equal(queues.flat().length, 2 + 46);
  const holds = (frame: Uint8Array): number =>
    queues.findIndex((frames) => frames.some((other) => other.join() === frame.join()));
  assert.equal(holds(first), holds(second), "fragments of one datagram go together");
});

Deno.test("a disabled receive queue gets nothing, and its flows go to the others", () => {
  const sender = new MemoryGuest(0, 1, true);
  const receiver = new MemoryGuest(1, 4, true);
  const path = makePath([sender, receiver]);
  receiver.offer();
  for (const number of [0, 4]) {
    const vring = receiver.port.vrings[number];
    assert(vring);
    vring.queue.enabled = false;
  }
  path.refresh();
  for (let flow = 0; flow < 32; flow++) assert(sender.send(0, flowFrame(flow, 0)));
  pollAll(path);
  const counts = [0, 1, 2, 3].map((pair) => receiver.received(pair).length);
  assert.equal(counts[0], 0);
  assert.equal(counts[2], 0);
  assert.equal((counts[1] ?? 0) + (counts[3] ?? 0), 32);
});
