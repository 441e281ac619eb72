/** Parks: frames wait in order and whole, and the memory they wait in is made once. */
import { strict as assert } from "node:assert";
import { Park, PARK_BYTES_MAX } from "../../../../lib/switch/stalled/park.ts";
import {
  frameBytes,
  frameHead,
  frameSegment,
  HEAD_BYTES,
  HEAD_WORDS,
  TAKEN_SEGMENTS,
} from "../../../../lib/virtio/burst.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../../lib/virtio/memory/guest_memory.ts";
import { windowOwner, WindowSet, windowView } from "../../../../lib/virtio/memory/window.ts";

/** The sender's memory: each byte follows from its place. */
const RAM = Uint8Array.from({ length: 1 << 16 }, (_, i) => i * 7 + (i >> 8));
const WINDOW = WindowSet.over(RAM.buffer).window(0);

/** Makes frame 0 of the burst, its rest `bytes` long from `offset` on. */
function frame(offset: number, bytes: number): void {
  for (let word = 0; word < HEAD_WORDS; word++) frameHead[word] = offset + word;
  frameBytes[0] = HEAD_BYTES + bytes;
  frameSegment[0] = TAKEN_SEGMENTS;
  segmentWindow[TAKEN_SEGMENTS] = WINDOW;
  segmentOffset[TAKEN_SEGMENTS] = offset;
  segmentBytes[TAKEN_SEGMENTS] = bytes;
}

/** The first frame that waits: its first head word, and its rest. */
function first(park: Park): [number | undefined, Uint8Array] {
  assert(park.load() > 0);
  const segment = frameSegment[0] ?? 0;
  const view = windowView[segmentWindow[segment] ?? 0] as DataView;
  const at = segmentOffset[segment] ?? 0;
  const rest = new Uint8Array(view.buffer, view.byteOffset + at, segmentBytes[segment]);
  return [frameHead[0], rest.slice()];
}

Deno.test("frames of every length wait whole and in order", () => {
  const park = Park.take();
  const lengths = [0, 1, 7, 8, 9, 15, 16, 63, 64, 65, 72, 100, 1498, 9000, 65000];
  for (const [i, bytes] of lengths.entries()) {
    frame(i, bytes);
    assert(park.add(0));
  }
  for (const [i, bytes] of lengths.entries()) {
    assert.deepEqual(first(park), [i, RAM.slice(i, i + bytes)]);
    park.drop(1);
  }
  assert.equal(park.count, 0);
  park.release();
});

Deno.test("a park that was released is the next one, empty", () => {
  const windows = (): number => windowOwner.filter((owner) => owner !== null).length;
  const park = Park.take();
  const before = windows();
  for (let round = 0; round < 1000; round++) {
    const next = round === 0 ? park : Park.take();
    assert.equal(next, park);
    assert.equal(next.count, 0);
    // All of it can be used again.
    const bytes = PARK_BYTES_MAX / 32;
    for (let i = 0; i < 31; i++) {
      frame(i, bytes);
      assert(next.add(0));
    }
    next.release();
  }
  assert.equal(windows(), before, "and takes no window more");
});

Deno.test("parks beyond those that are kept give their windows back", () => {
  const windows = (): number => windowOwner.filter((owner) => owner !== null).length;
  const before = windows();
  const parks = Array.from({ length: 200 }, () => Park.take());
  assert.equal(new Set(parks).size, 200);
  for (const park of parks) park.release();
  assert(windows() - before < 100, `${windows() - before} windows more`);
});
