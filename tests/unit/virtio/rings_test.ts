/**
 * Device-side rings against a naive model: random chains, random buffers, random bursts, and after
 * every step the driver side, which knows nothing of the device's code, sees what the model says.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { GuestRam, type RingDriver, type Segment } from "../../../lib/guest/driver.ts";
import { PackedDriver } from "../../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../../lib/guest/driver_split.ts";
import { BURST_FRAMES, frameBytes, openFrames } from "../../../lib/virtio/burst.ts";
import {
  BUFFER_TOO_SMALL,
  DELIVERED,
  NO_BUFFER,
  SPENT_BUFFERS,
} from "../../../lib/virtio/deliver.ts";
import { GuestMemory } from "../../../lib/virtio/memory.ts";
import { deliverPacked, finishPacked, takePacked } from "../../../lib/virtio/packed.ts";
import { PackedQueue, packedSetKicks, packedWantsCall } from "../../../lib/virtio/packed_queue.ts";
import { RING_OK, type VringShape } from "../../../lib/virtio/ring.ts";
import { deliverSplit, finishSplit, takeSplit } from "../../../lib/virtio/split.ts";
import { SplitQueue, splitSetKicks, splitWantsCall } from "../../../lib/virtio/split_queue.ts";
import { WindowSet } from "../../../lib/virtio/window.ts";
import { NaiveReceiver } from "../../model/naive_switching.ts";

const RAM_BYTES = 1 << 22;
const BASE = 5 * 2 ** 30;

interface Setting {
  readonly packed: boolean;
  readonly size: number;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
}

/** One driver with its device side, over memory of its own. */
class Bench {
  readonly ram: GuestRam;
  readonly driver: RingDriver;
  readonly queue: SplitQueue | PackedQueue;
  readonly memory: GuestMemory;
  readonly #windows: WindowSet;

  constructor(setting: Setting) {
    const { packed, size, mergeable, eventIdx } = setting;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.ram = new GuestRam(buffer, BASE);
    const features = { eventIdx, indirect: true };
    this.driver = packed
      ? new PackedDriver(this.ram, size, features)
      : new SplitDriver(this.ram, size, features);
    this.#windows = new WindowSet(0, RAM_BYTES, () => buffer);
    this.memory = new GuestMemory([
      { guestAddr: BASE, sizeBytes: RAM_BYTES, windows: this.#windows, mappingOffset: 0 },
    ]);
    const [desc, driver, device] = this.driver.areas.map((area) => ({
      buffer,
      offset: this.ram.at(area),
    })) as [VringShape["desc"], VringShape["desc"], VringShape["desc"]];
    const shape: VringShape = {
      size,
      eventIdx,
      indirect: true,
      mergeable,
      headerBytes: 12,
      desc,
      driver,
      device,
    };
    const start = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
    this.queue = packed ? new PackedQueue(shape, start) : new SplitQueue(shape, start);
  }

  /** A chain of pieces in fresh memory. */
  chain(pieces: readonly number[]): Segment[] {
    return pieces.map((bytes) => ({ address: this.ram.take(bytes, 1), bytes }));
  }

  take(most: number): number {
    return this.queue instanceof PackedQueue
      ? takePacked(this.queue, this.memory, most)
      : takeSplit(this.queue, this.memory, most);
  }

  finish(count: number): void {
    if (this.queue instanceof PackedQueue) finishPacked(this.queue, count);
    else finishSplit(this.queue, count);
  }

  deliver(list: Uint16Array, count: number, outcomes: Int32Array): void {
    if (this.queue instanceof PackedQueue) {
      deliverPacked(this.queue, this.memory, list, 0, count, outcomes);
    } else deliverSplit(this.queue, this.memory, list, 0, count, outcomes);
  }

  wantsCall(): boolean {
    return this.queue instanceof PackedQueue
      ? packedWantsCall(this.queue)
      : splitWantsCall(this.queue);
  }

  setKicks(wanted: boolean): void {
    if (this.queue instanceof PackedQueue) packedSetKicks(this.queue, wanted);
    else splitSetKicks(this.queue, wanted);
  }

  release(): void {
    this.#windows.release();
  }
}

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
    // A table longer than the ring is not allowed (virtio-v1.3 §2.7.5.3.1).
    if (slots > sender.driver.free || one.pieces.length > from.size) return;
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
    if (slots > receiver.driver.free || one.pieces.length > to.size) return;
    const chain = receiver.chain(one.pieces);
    const id = receiver.driver.add(chain, true, one.indirect);
    receiver.driver.publish();
    offered.set(id, chain);
    model.rooms.push({ id, bytes: one.pieces.reduce((sum, piece) => sum + piece, 0) });
  }

  function burst(most: number): void {
    const count = sender.take(most);
    assert.equal(sender.queue.broken, RING_OK);
    // A packed ring counts slots: it may take fewer frames than it could, but never none.
    assert.ok(count <= Math.min(most, waiting.length));
    assert.ok(count > 0 || waiting.length === 0);
    if (!from.packed) assert.equal(count, Math.min(most, waiting.length));
    openFrames(count, 12);
    const taken = waiting.splice(0, count);
    const good: number[] = [];
    taken.forEach(({ bytes }, i) => {
      const frame = bytes.length - 12;
      if (frame >= 14) {
        assert.equal(frameBytes[i], frame);
        good.push(i);
      } else assert.ok((frameBytes[i] as number) < 0, "a runt");
    });
    const fates = good.map((i) => ({ ...model.deliver(taken[i]?.bytes.length ?? 0), frame: i }));
    const outcomes = new Int32Array(5);
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
    if (from.packed) assert.ok(sender.queue.position().availIndex < from.size);
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
        assert.ok(all.slice(written).every((byte) => byte === 0), "nothing behind what was used");
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
                assert.ok(kick, "a listening device is kicked");
              }
              pending += added;
              bench.driver.wantCalls(listen);
              const count = bench.take(BURST_FRAMES);
              assert.equal(count, Math.min(pending, BURST_FRAMES));
              bench.finish(count);
              pending -= count;
              const call = bench.wantsCall();
              if (listen && count > 0) assert.ok(call, "a listening driver is called");
              if (!listen && !one.eventIdx) {
                assert.ok(!call, "a driver that does not listen is not");
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
