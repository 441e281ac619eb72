/**
 * Device-side virtqueues against driver-side ones, over random frames, layouts and ring sizes. The
 * model is a list: what one guest sends, the other receives, byte for byte and in order.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT, VRING } from "../../lib/switch/counters.ts";
import {
  BUFFER_SEGMENTS,
  BURST_FRAMES,
  CHAIN_BYTES_MAX,
  CHAIN_SEGMENTS_MAX,
  SCRATCH_SEGMENTS,
  TAKEN_SEGMENTS,
} from "../../lib/virtio/burst.ts";
import { SEGMENTS_MAX } from "../../lib/virtio/memory/guest_memory.ts";
import { Bench, frameOf, makePath, poll } from "./two_ports.ts";

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

/** What a look by halves finds is what there is, and its port counts that. */
function checkReady({ port }: Bench): void {
  const path = makePath([]);
  port.countReady(path);
  for (const vring of port.vrings) {
    assert(vring !== null);
    const { queue, counterBase } = vring;
    assert.equal(queue.ready(), queue.room(queue.size));
    assert.equal(path.counters[counterBase + VRING.ready], queue.ready());
  }
}

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
        checkReady(receiver);
        const frame = frameOf(bytes, number, group);
        const room = b.mergeable ? receiver.rx.size * 300 : 4113;
        if (bytes + 12 > room || !sender.send(frame, cuts, indirect)) continue;
        checkReady(sender);
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
    const dropped = [PORT.txDroppedNoBuffer, PORT.txDroppedShare]
      .map((counter) => path.counters[base + counter] ?? 0);
    assert.equal(dropped.reduce((sum, each) => sum + each), 184, `all of ${dropped} are counted`);
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
