/**
 * Device-side rings against a naive model: random chains, random buffers, random bursts, and after
 * every step the driver side, which knows nothing of the device's code, sees what the model says.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Segment } from "../../../lib/guest/driver.ts";
import { BURST_FRAMES, frameBytes, openFrames } from "../../../lib/virtio/burst.ts";
import {
  BUFFER_TOO_SMALL,
  DELIVERED,
  NO_BUFFER,
  OUTCOMES,
  SPENT_BUFFERS,
} from "../../../lib/virtio/deliver.ts";
import { RING_OK } from "../../../lib/virtio/ring.ts";
import { NaiveReceiver } from "../../model/naive_switching.ts";
import { Bench, type Setting } from "./ring_bench.ts";

type Step =
  | { readonly kind: "send"; readonly pieces: readonly number[]; readonly indirect: boolean }
  | { readonly kind: "offer"; readonly pieces: readonly number[]; readonly indirect: boolean }
  | { readonly kind: "burst"; readonly most: number };

const setting = (packed: boolean): fc.Arbitrary<Setting> =>
  fc.record({
    packed: fc.constant(packed),
    size: packed ? fc.integer({ min: 1, max: 40 }) : fc.constantFrom(1, 2, 4, 8, 16, 32),
    mergeable: fc.boolean(),
    eventIdx: fc.boolean(),
  });

const pieces = (min: number): fc.Arbitrary<number[]> =>
  fc.array(fc.oneof(fc.integer({ min, max: 40 }), fc.integer({ min, max: 400 })), {
    minLength: 1,
    maxLength: 6,
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), pieces: pieces(0), indirect: fc.boolean() }),
  fc.record({
    kind: fc.constant("offer" as const),
    // Some without room for the header, or for anything.
    pieces: fc.oneof(
      { weight: 4, arbitrary: pieces(0).map(([first = 0, ...rest]) => [first + 12, ...rest]) },
      { weight: 1, arbitrary: fc.constantFrom([0], [0, 0], [1], [11], [5, 6], [12]) },
    ),
    indirect: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("burst" as const),
    most: fc.integer({ min: 1, max: BURST_FRAMES }),
  }),
);

/** Runs one script on a transmit ring and a receive ring, beside the model. */
function run(from: Setting, to: Setting, script: readonly Step[]): void {
  const sender = new Bench(from);
  const receiver = new Bench(to);
  const model = new NaiveReceiver(to.mergeable);
  const offered = new Map<number, readonly Segment[]>();
  const waiting: { id: number; bytes: Uint8Array }[] = [];
  let seed = 1;
  try {
    for (const one of script) {
      if (one.kind === "send") send(one);
      else if (one.kind === "offer") offer(one);
      else burst(one.most);
    }
    while (waiting.length > 0) burst(BURST_FRAMES);
  } finally {
    sender.release();
    receiver.release();
  }

  function send(one: { pieces: readonly number[]; indirect: boolean }): void {
    const slots = one.indirect ? 1 : one.pieces.length;
    if (slots > sender.driver.free) return;
    const chain = sender.chain(one.pieces);
    const bytes = new Uint8Array(one.pieces.reduce((sum, piece) => sum + piece, 0));
    for (let i = 0; i < bytes.length; i++) bytes[i] = seed = (seed * 167 + 13) & 0xff;
    let at = 0;
    for (const segment of chain) {
      if (segment.bytes > 0) sender.ram.write(segment.address, bytes.slice(at, at + segment.bytes));
      at += segment.bytes;
    }
    waiting.push({ id: sender.driver.add(chain, false, one.indirect), bytes });
    sender.driver.publish();
  }

  function offer(one: { pieces: readonly number[]; indirect: boolean }): void {
    const slots = one.indirect ? 1 : one.pieces.length;
    if (slots > receiver.driver.free) return;
    const chain = receiver.chain(one.pieces);
    const id = receiver.driver.add(chain, true, one.indirect);
    receiver.driver.publish();
    offered.set(id, chain);
    model.rooms.push({ id, bytes: one.pieces.reduce((sum, piece) => sum + piece, 0) });
  }

  function burst(most: number): void {
    const count = sender.take(most);
    assert.equal(sender.queue.broken, RING_OK);
    // Slots of a packed ring are counted, and a plain burst ends in front of the first frame that is
    // not: it may take fewer frames than it could, but never none.
    assert(count <= Math.min(most, waiting.length));
    assert(count > 0 || waiting.length === 0);
    openFrames(count, 12);
    const taken = waiting.splice(0, count);
    const good: number[] = [];
    taken.forEach(({ bytes }, i) => {
      const frame = bytes.length - 12;
      if (frame >= 14) {
        assert.equal(frameBytes[i], frame);
        good.push(i);
      } else assert((frameBytes[i] as number) < 0, "a runt");
    });
    const fates = good.map((i) => ({ ...model.deliver(taken[i]?.bytes.length ?? 0), frame: i }));
    const outcomes = new Int32Array(OUTCOMES);
    receiver.deliver(new Uint16Array(good), good.length, outcomes);
    assert.equal(receiver.queue.broken, RING_OK);
    const counted = (word: string): number => fates.filter((f) => f.outcome === word).length;
    assert.equal(outcomes[DELIVERED], counted("delivered"));
    assert.equal(outcomes[NO_BUFFER], counted("no buffer"));
    assert.equal(outcomes[BUFFER_TOO_SMALL], counted("too small"));
    assert.equal(outcomes[SPENT_BUFFERS], fates.flatMap((fate) => fate.spent).length);
    sender.finish(count);
    assert.deepEqual(sender.driver.takeUsed(), taken.map(({ id }) => ({ id, bytes: 0 })));
    const used = receiver.driver.takeUsed();
    assert.deepEqual(used, fates.flatMap((fate) => [...fate.spent, ...fate.used]));
    for (const fate of fates) checkContent(fate.used, taken[fate.frame]?.bytes as Uint8Array);
    if (from.packed) assert(sender.queue.position().availIndex < from.size);
    assert.equal(sender.queue.position().usedIndex, sender.queue.position().availIndex);
  }

  /** What stands in the buffers is a fresh header and the frame, piece after piece. */
  function checkContent(used: readonly { id: number; bytes: number }[], sent: Uint8Array): void {
    if (used.length === 0) return;
    const parts: number[] = [];
    for (const { id, bytes } of used) {
      let left = bytes;
      for (const segment of offered.get(id) as readonly Segment[]) {
        const all = receiver.ram.bytes.slice(
          receiver.ram.at(segment.address),
          receiver.ram.at(segment.address) + segment.bytes,
        );
        const written = Math.min(left, segment.bytes);
        parts.push(...all.slice(0, written));
        assert(all.slice(written).every((byte) => byte === 0), "nothing behind what was used");
        left -= written;
      }
    }
    const header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, used.length & 0xff, used.length >> 8];
    assert.deepEqual(parts, [...header, ...sent.slice(12)]);
  }
}

for (const packed of [false, true]) {
  const word = packed ? "packed" : "split";
  Deno.test(`${word} rings do what the naive model does`, () => {
    fc.assert(
      fc.property(
        setting(packed),
        fc.boolean().chain((other) => setting(packed !== other)),
        fc.array(step, { minLength: 1, maxLength: 120 }),
        run,
      ),
      { numRuns: 300 },
    );
  });

  Deno.test(`${word} rings: no call and no kick that is wanted is left out`, () => {
    fc.assert(
      fc.property(
        setting(packed),
        fc.array(fc.record({ add: fc.integer({ min: 0, max: 8 }), listen: fc.boolean() }), {
          minLength: 1,
          maxLength: 200,
        }),
        (one, rounds) => {
          const bench = new Bench(one);
          const segment = bench.chain([60]);
          let pending = 0;
          try {
            for (const { add, listen } of rounds) {
              bench.setKicks(listen);
              let added = 0;
              while (added < add && bench.driver.add(segment, false) >= 0) added++;
              const kick = bench.driver.publish();
              if (listen && added > 0 && pending === 0) {
                assert(kick, "a listening device is kicked");
              }
              pending += added;
              bench.driver.wantCalls(listen);
              const count = bench.take(BURST_FRAMES);
              assert.equal(count, Math.min(pending, BURST_FRAMES));
              bench.finish(count);
              pending -= count;
              const call = bench.wantsCall();
              if (listen && count > 0) assert(call, "a listening driver is called");
              if (!listen && !one.eventIdx) {
                assert(!call, "a driver that does not listen is not");
              }
              assert.equal(bench.driver.takeUsed().length, count);
            }
          } finally {
            bench.release();
          }
        },
      ),
      { numRuns: 200 },
    );
  });
}
