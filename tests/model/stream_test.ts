/**
 * Streams against a model: whatever is sent, however it lies in memory, and however much the socket
 * takes or brings at a time, the peer reads the frames that were counted as sent, in order, and the
 * switch those that the peer sent.
 */
import { strict as assert } from "node:assert";
import { concat } from "@std/bytes/concat";
import fc from "fast-check";
import {
  BAD_LENGTH,
  FrameInbox,
  INBOX_MEMORY_BYTES,
  LENGTH_BYTES,
  STREAM_FRAME_BYTES_MAX,
} from "../../lib/switch/stream/inbox.ts";
import { FrameOutbox, KEPT_BYTES } from "../../lib/switch/stream/outbox.ts";
import {
  ALL_FRAMES,
  makeVectors,
  patterned,
  putFrames,
  readFrames,
  ScriptedLine,
  TestMemory,
  unframe,
} from "../harness/burst_frames.ts";

const length = fc.oneof(
  fc.integer({ min: 14, max: 80 }),
  fc.integer({ min: 14, max: 2000 }),
  fc.constantFrom(STREAM_FRAME_BYTES_MAX - 1, STREAM_FRAME_BYTES_MAX, STREAM_FRAME_BYTES_MAX + 1),
);
const frame = fc.record({
  length,
  cuts: fc.array(fc.nat(2000), { maxLength: 6 }),
  seed: fc.nat(255),
});
const step = fc.record({
  frames: fc.array(frame, { minLength: 1, maxLength: 12 }),
  /** What the socket has room for by then, and how it takes it. */
  room: fc.oneof(fc.constant(Infinity), fc.nat(300), fc.nat(200_000)),
  parts: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 4 }),
});

Deno.test("what leaves is what was counted as sent, whole and in order, whatever finds room", () => {
  const sender = new TestMemory(4 << 20);
  const vectors = makeVectors();
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 8 }),
      fc.boolean(),
      (steps, packets) => {
        using kept = new TestMemory(KEPT_BYTES);
        const line = new ScriptedLine(vectors);
        const outbox = new FrameOutbox(line, vectors, packets, kept, 0);
        const expected: Uint8Array[] = [];
        for (const { frames, room, parts } of steps) {
          line.room = packets ? room % 20 : room;
          line.parts.splice(0, Infinity, ...parts);
          const burst = frames.map(({ length, cuts, seed }) => ({
            bytes: patterned(length, seed),
            cuts,
          }));
          putFrames(burst, sender);
          outbox.deliver(ALL_FRAMES.slice(), 0, burst.length);
          const fitting = burst.filter(({ bytes }) => bytes.length <= STREAM_FRAME_BYTES_MAX);
          const went = fitting.slice(0, outbox.sent).map(({ bytes }) => bytes);
          expected.push(...went);
          assert.equal(outbox.sent + outbox.full + outbox.oversize, burst.length);
          assert.equal(outbox.oversize, burst.length - fitting.length);
          assert.equal(outbox.sentBytes, went.reduce((sum, { length }) => sum + length, 0));
          assert.equal(outbox.refused, 0);
          sender.bytes.fill(0xdd, 0, 1 << 20);
        }
        line.room = Infinity;
        line.parts.length = 0;
        assert(outbox.flush());
        const { frames, left } = unframe(line.stream);
        assert.equal(left, 0);
        assert.deepEqual(packets ? line.packets : frames, expected);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("what any bytes are read as is what the model reads, up to the first bad length", () => {
  using memory = new TestMemory(INBOX_MEMORY_BYTES);
  const piece = fc.oneof(
    { weight: 6, arbitrary: frame.map(({ length, seed }) => patterned(length, seed)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  );
  const lengths = fc.oneof(
    { weight: 12, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 13, 65_554, 2 ** 31, 2 ** 32 - 1) },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(piece, lengths), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 9 }),
      (sent, steps) => {
        const stream = joined(sent);
        const inbox = new FrameInbox(memory.buffer, memory.windows, 0);
        const got: Uint8Array[] = [];
        let at = 0;
        for (let i = 0; at < stream.length && inbox.peek() !== BAD_LENGTH; i++) {
          inbox.makeRoom();
          const most = Math.min(steps[i % steps.length] ?? 1, inbox.room);
          const part = stream.subarray(at, at + most);
          memory.bytes.set(part, inbox.tail);
          inbox.received(part.length);
          at += part.length;
          for (let count = inbox.load(); count > 0; count = inbox.load()) {
            got.push(...readFrames(count));
          }
        }
        const model = naive(stream);
        assert.deepEqual(got, model.frames);
        assert.equal(inbox.peek() === BAD_LENGTH, model.bad);
      },
    ),
    { numRuns: 100 },
  );
});

function joined(sent: readonly (readonly [Uint8Array, number | null])[]): Uint8Array {
  return concat(sent.map(([frame, length]) => {
    const all = new Uint8Array(LENGTH_BYTES + frame.length);
    new DataView(all.buffer).setUint32(0, length ?? frame.length);
    all.set(frame, LENGTH_BYTES);
    return all;
  }));
}

/** What a stream says, read without a thought of memory or time. */
function naive(stream: Uint8Array): { frames: Uint8Array[]; bad: boolean } {
  const frames: Uint8Array[] = [];
  let rest = stream;
  while (rest.length >= 4) {
    const [a = 0, b = 0, c = 0, d = 0] = rest;
    const length = a * 2 ** 24 + b * 2 ** 16 + c * 256 + d;
    if (length < 14 || length > 65_535 + 18) return { frames, bad: true };
    if (rest.length < 4 + length) break;
    frames.push(rest.slice(4, 4 + length));
    rest = rest.subarray(4 + length);
  }
  return { frames, bad: false };
}
