/** The Internet checksum against one that adds word by word, however the bytes are cut and placed. */
import { strict as assert } from "node:assert";
import { fold, sumSegments, sumView } from "../../../lib/offload/checksum.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../lib/virtio/memory/guest_memory.ts";
import { WindowSet } from "../../../lib/virtio/memory/window.ts";

/** The same, but for 0 and 65535, which are one number in ones' complement. */
function naive(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum = (sum + ((bytes[i] ?? 0) << 8) + (bytes[i + 1] ?? 0)) % 0xffff;
  }
  return sum;
}

function bytesOf(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 167 + (i >> 3) + seed) & 0xff);
}

Deno.test("fold() brings any sum below 2^32 to 16 bits", () => {
  for (const sum of [0, 1, 0xffff, 0x1_0000, 0x1_ffff, 0xffff_0001, 0xffff_ffff]) {
    assert(fold(sum) <= 0xffff);
    assert.equal(fold(sum) % 0xffff, sum % 0xffff);
  }
});

Deno.test("sumView() adds any number of bytes from any place, and none of their neighbours", () => {
  for (let length = 0; length < 40; length++) {
    for (let offset = 0; offset < 5; offset++) {
      const all = bytesOf(50, 255 - length);
      const sum = sumView(new DataView(all.buffer), offset, length);
      assert.equal(sum % 0xffff, naive(all.subarray(offset, offset + length)));
    }
  }
});

Deno.test("sumView() adds more than halves of a word can count", () => {
  for (const length of [128_000, 128_003, 128_004, 600_001]) {
    for (const fill of [0xff, 0xfe]) {
      const all = new Uint8Array(length).fill(fill);
      assert.equal(sumView(new DataView(all.buffer), 0, length) % 0xffff, naive(all));
    }
  }
});

Deno.test("sumSegments() adds what lies in pieces, of even and odd lengths, from inside the first", () => {
  const memory = new Uint8Array(new ArrayBuffer(1 << 12));
  const windows = WindowSet.over(memory.buffer);
  const window = windows.window(0);
  const cuts: readonly (readonly number[])[] = [
    ...[[40], [1, 39], [2, 38], [3, 4, 5, 28], [1, 1, 1, 37], [7, 33], [20, 0, 20], [39, 1]],
  ];
  for (const pieces of cuts) {
    for (const seed of [0, 200, 255]) {
      const all = seed === 255 ? new Uint8Array(40).fill(255) : bytesOf(40, seed);
      let from = 0;
      pieces.forEach((bytes, i) => {
        // With other bytes around it.
        const at = 100 * i + 3;
        memory.fill(0xa5, at - 3, at + 97);
        memory.set(all.subarray(from, from + bytes), at);
        segmentWindow[i] = window;
        segmentOffset[i] = at;
        segmentBytes[i] = bytes;
        from += bytes;
      });
      for (let skip = 0; skip < (pieces[0] ?? 0); skip++) {
        for (const bytes of [0, 1, 2, 5, 40 - skip]) {
          if (skip + bytes > 40) continue;
          const sum = sumSegments(0, skip, bytes);
          assert(sum <= 0xffff);
          assert.equal(sum % 0xffff, naive(all.subarray(skip, skip + bytes)), `${pieces}, ${skip}`);
        }
      }
    }
  }
  windows.release();
});
