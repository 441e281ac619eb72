/**
 * Receive buffers that some drivers offer and that cannot hold a header: of length 0, or of a few
 * bytes, anywhere among good ones. They come back empty, frames take the others, the ring goes on.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT } from "../../lib/switch/counters.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "./two_ports.ts";

/** Bytes of the virtio-net header. */
const HEADER = 12;
/** Room for any frame of these tests: what a driver without mergeable buffers offers. */
const WHOLE = HEADER + 600;

interface Offered {
  readonly pieces: readonly number[];
  readonly indirect: boolean;
}

const unusable = fc.constantFrom([0], [1], [11], [0, 0], [5, 6], [0, 3, 0]);
const usable = (mergeable: boolean): fc.Arbitrary<readonly number[]> =>
  mergeable
    ? fc.constantFrom([12], [64], [0, 40, 0], [WHOLE], [6, 6, 0, 80])
    : fc.constantFrom([WHOLE], [0, WHOLE], [HEADER, 600, 0], [5, 0, WHOLE]);

function offers(mergeable: boolean): fc.Arbitrary<Offered[]> {
  const pieces = fc.oneof(unusable, usable(mergeable));
  return fc.array(fc.record({ pieces, indirect: fc.boolean() }), { minLength: 1, maxLength: 24 });
}

function room(pieces: readonly number[]): number {
  return pieces.reduce((sum, bytes) => sum + bytes, 0);
}

/** What must be seen: frames that found room, and buffers that came back empty, to the last. */
function expected(
  frames: readonly Uint8Array[],
  chains: readonly Offered[],
  mergeable: boolean,
): { delivered: Uint8Array[]; empty: number } {
  let at = 0;
  let empty = 0;
  const delivered: Uint8Array[] = [];
  for (const frame of frames) {
    let have = 0;
    let gathered = 0;
    while (have < HEADER + frame.length && at + gathered < chains.length) {
      const bytes = room((chains[at + gathered] as Offered).pieces);
      gathered++;
      if (bytes >= HEADER) have += bytes;
      else {
        // What was gathered for the frame before it comes back with it, in order.
        empty += gathered;
        at += gathered;
        gathered = have = 0;
      }
      if (!mergeable && have > 0) break;
    }
    // A frame without room is dropped; a shorter one behind it may still fit.
    if (have < HEADER + frame.length) continue;
    at += gathered;
    delivered.push(frame);
  }
  return { delivered, empty };
}

for (const packed of [false, true]) {
  for (const mergeable of [false, true]) {
    const name = `${packed ? "packed" : "split"}, ${mergeable ? "" : "not "}mergeable`;
    Deno.test(`receive buffers without room for a header come back empty: ${name}`, () => {
      const sizes = fc.array(fc.integer({ min: 14, max: 600 }), { minLength: 1, maxLength: 8 });
      fc.assert(
        fc.property(offers(mergeable), sizes, (chains, bytes) => {
          const shape: Shape = { packed, mergeable, size: 64, eventIdx: true, start: 65_530 };
          const sender = new Bench(0, shape, 0);
          const receiver = new Bench(1, shape, 1 << 32);
          const path = makePath([sender, receiver]);
          receiver.rx.wantCalls(true);
          const given = chains.filter(({ pieces, indirect }) => receiver.offer(pieces, indirect));
          const frames = bytes.map((size, i) => frameOf(size, i, true));
          for (const frame of frames) assert(sender.send(frame, [], false));
          assert.equal(poll(path, sender), frames.length);
          const got = receiver.received();
          const want = expected(frames, given, mergeable);
          assert.deepEqual(got, want.delivered);
          assert.equal(receiver.returnedEmpty, want.empty);
          assert.equal(sender.tx.takeUsed().length, frames.length);
          // Whoever only gets empty buffers back must hear of them as well, to offer others.
          const published = want.delivered.length + want.empty > 0;
          assert.equal(receiver.calls, published ? 1 : 0);
        }),
        { numRuns: 100, seed: 7 },
      );
    });
  }
}

Deno.test("without mergeable buffers a small one costs the frames that do not fit, and no other", () => {
  for (const packed of [false, true]) {
    const shape: Shape = { packed, mergeable: false, size: 16, eventIdx: true, start: 65_530 };
    const sender = new Bench(0, shape, 0);
    const receiver = new Bench(1, shape, 1 << 32);
    const path = makePath([sender, receiver]);
    for (const pieces of [[80], [WHOLE], [HEADER, 60], [WHOLE]]) {
      assert(receiver.offer(pieces, false));
    }
    // Too long twice, fits exactly, takes the large one behind it, too long, fits, takes the last.
    const sizes = [600, 69, 68, 600, 61, 60, 600];
    const frames = sizes.map((bytes, i) => frameOf(bytes, i, true));
    for (const frame of frames) assert(sender.send(frame, [], false));
    assert.equal(poll(path, sender), sizes.length);
    assert.deepEqual(receiver.received(), [2, 3, 5, 6].map((i) => frames[i]));
    const dropped = PORT.txDroppedBufferTooSmall;
    assert.equal(path.counters[receiver.port.counterBase + dropped], 3);
    assert.equal(receiver.rx.free, 16, "all buffers came back, each with a frame");
  }
});
