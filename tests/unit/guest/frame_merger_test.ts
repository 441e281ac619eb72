/** Frames put together from chains, and devices that break the rules for it. */
import { strict as assert } from "node:assert";
import { FrameMerger } from "../../../lib/guest/frame_merger.ts";

/** A header of 12 bytes that says how many chains, and frame bytes behind it. */
function first(buffers: number, ...bytes: number[]): Uint8Array {
  const data = new Uint8Array(12 + bytes.length);
  new DataView(data.buffer).setUint16(10, buffers, true);
  data.set(bytes, 12);
  return data;
}

Deno.test("a frame is whole with the last of its chains, and the next one begins anew", () => {
  const merger = new FrameMerger(12);
  assert.deepEqual(merger.add(first(1, 1, 2), 64), Uint8Array.of(1, 2));
  assert.equal(merger.add(first(3, 1, 2), 14), null);
  assert.equal(merger.add(Uint8Array.of(3), 1), null);
  assert.deepEqual(merger.add(Uint8Array.of(4, 5), 64), Uint8Array.of(1, 2, 3, 4, 5));
  assert.deepEqual(merger.add(first(1), 64), new Uint8Array(), "a header and nothing else");
});

Deno.test("a header of 10 bytes has no number of chains: each is a frame", () => {
  const merger = new FrameMerger(10);
  const data = new Uint8Array(13).fill(7, 10);
  assert.deepEqual(merger.add(data, 64), Uint8Array.of(7, 7, 7));
});

Deno.test("a chain that can hold no header comes back empty between frames, and in none", () => {
  const merger = new FrameMerger(12);
  assert.equal(merger.add(new Uint8Array(), 4), null);
  assert.equal(merger.add(first(2, 1), 13), null);
  assert.throws(() => merger.add(new Uint8Array(), 64), /goes through an empty buffer/);
});

Deno.test("what a device may not do is an error", () => {
  assert.throws(() => new FrameMerger(12).add(new Uint8Array(11), 64), /11 bytes, less than/);
  assert.throws(() => new FrameMerger(12).add(first(0, 1), 64), /says 0 buffers/);
  assert.throws(() => new FrameMerger(12).add(first(2, 1), 64), /leaves 51 bytes/);
  const offload = first(1, 1);
  offload[1] = 1;
  assert.throws(() => new FrameMerger(12).add(offload, 64), /asks for offload/);
  const sums = first(1, 1);
  sums[0] = 1;
  assert.throws(() => new FrameMerger(12).add(sums, 64), /asks for offload/);
});

Deno.test("reset() forgets what is not whole", () => {
  const merger = new FrameMerger(12);
  merger.add(first(2, 9), 13);
  merger.reset();
  assert.deepEqual(merger.add(first(1, 1), 64), Uint8Array.of(1));
});
