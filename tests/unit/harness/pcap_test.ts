/**
 * The comparison that end-to-end tests trust must see every kind of damage.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  compareFrames,
  type Comparison,
  createRandom,
  decodePcap,
  encodePcap,
  randomFrames,
} from "../../harness/pcap.ts";

const SENT = randomFrames({ count: 200, sizeMin: 60, sizeMax: 1514, seed: 1, side: 0 });
const CLEAN = { sent: 200, received: 200, lost: 0, corrupted: 0, repeated: 0, reordered: 0 };

function copyOf(frames: readonly Uint8Array[]): Uint8Array[] {
  return frames.map((frame) => frame.slice());
}

function frameAt(frames: readonly Uint8Array[], index: number): Uint8Array {
  const frame = frames[index];
  assert(frame);
  return frame;
}

function differs(change: (frames: Uint8Array[]) => void, expected: Partial<Comparison>): void {
  const received = copyOf(SENT);
  change(received);
  assert.deepEqual(compareFrames(SENT, received), { ...CLEAN, ...expected });
}

Deno.test("pcap: what is written is read back", () => {
  const read = decodePcap(encodePcap(SENT));
  assert.deepEqual(compareFrames(SENT, read), CLEAN);
});

Deno.test("pcap: a damaged file is refused", () => {
  const file = encodePcap(SENT);
  assert.throws(() => decodePcap(file.subarray(0, file.length - 1)), /Damaged/);
  assert.throws(() => decodePcap(new Uint8Array(24)), /Not a pcap/);
  assert.throws(() => decodePcap(new Uint8Array(0)), /Not a pcap/);
});

Deno.test("compareFrames() sees one changed bit anywhere in a frame", () => {
  const random = createRandom(2);
  for (let round = 0; round < 200; round++) {
    differs((frames) => {
      const frame = frameAt(frames, random(frames.length));
      const at = random(frame.length);
      frame[at] = (frame[at] as number) ^ (1 << random(8));
    }, { lost: 1, corrupted: 1 });
  }
});

Deno.test("compareFrames() sees frames cut, grown, lost, doubled, exchanged and invented", () => {
  differs((frames) => frames[7] = frameAt(frames, 7).slice(0, -1), { lost: 1, corrupted: 1 });
  differs((frames) => frames[7] = new Uint8Array([...frameAt(frames, 7), 0]), {
    lost: 1,
    corrupted: 1,
  });
  differs((frames) => frames.splice(9, 3), { received: 197, lost: 3 });
  differs((frames) => frames.splice(9, 0, frameAt(frames, 9)), { received: 201, repeated: 1 });
  differs((frames) => frames.splice(5, 0, ...frames.splice(6, 1)), { reordered: 1 });
  differs((frames) => frames.push(new Uint8Array(60)), { received: 201, corrupted: 1 });
  differs((frames) => frames.push(new Uint8Array(3)), { received: 201, corrupted: 1 });
});

Deno.test("randomFrames() covers its sizes, repeats with its seed, avoids its own side", () => {
  const options = { count: 5000, sizeMin: 60, sizeMax: 80, seed: 3, side: 1 } as const;
  const frames = randomFrames(options);
  const sizes = new Set(frames.map((frame) => frame.length));
  assert.equal(sizes.size, 21);
  assert.deepEqual(compareFrames(frames, randomFrames(options)).lost, 0);
  const hex = (frame: Uint8Array, from: number): string => frame.subarray(from, from + 5).toHex();
  const own = new Set(frames.map((frame) => hex(frame, 6)));
  assert.deepEqual([...own], ["0600000001"]);
  assert(frames.every((frame) => hex(frame, 0) !== "0600000001"));
  assert(frames.some((frame) => hex(frame, 0) === "0600000000"));
});
