/**
 * Rings of every size there can be, until they have gone round more than once: the smallest, the
 * largest, and packed ones whose size is no power of two. Calls are told to the very descriptor.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { BURST_FRAMES, openFrames } from "../../../lib/virtio/burst.ts";
import { OUTCOMES } from "../../../lib/virtio/deliver.ts";
import { RING_OK } from "../../../lib/virtio/ring.ts";
import { Bench } from "./ring_bench.ts";

const FRAME = 60;
const HEADER = 12;

/** Sends and receives `frames` frames, up to `most` at a time; ids come back and are used again. */
function goRound(packed: boolean, size: number, frames: number, most: number): void {
  const setting = { packed, size, mergeable: true, eventIdx: true };
  const sender = new Bench(setting, 65_530);
  const receiver = new Bench(setting, 65_530);
  const [sent] = sender.chain([HEADER + FRAME]);
  const [room] = receiver.chain([HEADER + FRAME]);
  assert(sent && room);
  const ids = new Set<number>();
  const outcomes = new Int32Array(OUTCOMES);
  try {
    let offered = 0;
    for (let done = 0; done < frames;) {
      // All buffers of this test are one: only how many come back counts.
      for (; offered < size; offered++) ids.add(receiver.driver.add([room], true));
      receiver.driver.publish();
      let added = 0;
      while (added < most && sender.driver.add([sent], false) >= 0) added++;
      sender.driver.publish();
      assert.equal(added, Math.min(most, size));
      for (let left = added; left > 0;) {
        const count = sender.take(BURST_FRAMES);
        assert(count > 0);
        openFrames(count, HEADER);
        receiver.deliver(Uint16Array.from({ length: count }, (_, i) => i), count, outcomes);
        sender.finish(count);
        left -= count;
      }
      assert.equal(sender.driver.takeUsed().length, added);
      const used = receiver.driver.takeUsed();
      assert.equal(used.length, added);
      assert(used.every(({ bytes }) => bytes === HEADER + FRAME));
      offered -= added;
      done += added;
    }
    assert.equal(sender.queue.broken, RING_OK);
    assert.equal(receiver.queue.broken, RING_OK);
    assert.equal(sender.driver.free, size);
    assert.equal(ids.size, size, "every id was in use, and used again");
  } finally {
    sender.release();
    receiver.release();
  }
}

const SIZES = [1, 2, 3, 4, 5, 7, 127, 128, 129, 1000, 32_767, 32_768];

for (const packed of [false, true]) {
  const word = packed ? "packed" : "split";
  for (const size of SIZES) {
    // Split rings have powers of two.
    if (!packed && (size & (size - 1)) !== 0) continue;
    Deno.test(`${word} rings of ${size} go round`, () => {
      const laps = size > 10_000 ? 2.1 : 20;
      for (const most of size > 10_000 ? [size] : [1, 2, size]) {
        goRound(packed, size, Math.ceil(laps * size), most);
      }
    });
  }

  Deno.test(`${word} rings: a driver that waits for so many more is called at that very one`, () => {
    const size = packed ? fc.constantFrom(1, 2, 3, 5, 8, 33) : fc.constantFrom(1, 2, 8, 32);
    const rounds = fc.array(
      fc.record({ after: fc.nat(40), burst: fc.integer({ min: 1, max: 40 }) }),
      {
        minLength: 1,
        maxLength: 80,
      },
    );
    fc.assert(
      fc.property(size, fc.constantFrom(0, 65_500, 65_535), rounds, (entries, start, list) => {
        const setting = { packed, size: entries, mergeable: true, eventIdx: true };
        const bench = new Bench(setting, start);
        const segment = bench.chain([HEADER + FRAME]);
        try {
          for (const { after, burst } of list) {
            const wanted = after % entries;
            bench.driver.wantCalls(true, wanted);
            let used = 0;
            let called = 0;
            while (used <= wanted) {
              let added = 0;
              while (added < burst && bench.driver.add(segment, false) >= 0) added++;
              bench.driver.publish();
              const count = bench.take(BURST_FRAMES);
              assert.equal(count, added);
              bench.finish(count);
              used += count;
              const call = bench.wantsCall();
              // Once it is passed, and neither before nor again.
              assert.equal(call, used > wanted && called === 0, `${used} used, ${wanted} wanted`);
              if (call) called++;
              assert.equal(bench.driver.takeUsed().length, count);
            }
          }
        } finally {
          bench.release();
        }
      }),
      { numRuns: 300, seed: 7 },
    );
  });
}
