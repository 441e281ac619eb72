/** Frames into a socket that takes as much as it likes: whole or not at all, and nobody waits. */
import { strict as assert } from "node:assert";
import { STREAM_FRAME_BYTES_MAX } from "../../../../lib/switch/stream/inbox.ts";
import { FrameOutbox, KEPT_BYTES, LINE_REFUSED } from "../../../../lib/switch/stream/outbox.ts";
import { VECTORS_MAX } from "../../../../lib/switch/stream/vectors.ts";
import {
  ALL_FRAMES,
  type BurstFrame,
  framed,
  makeVectors,
  patterned,
  putFrames,
  ScriptedLine,
  TestMemory,
  unframe,
} from "../../../harness/burst_frames.ts";

const sender = new TestMemory(16 << 20);
const vectors = makeVectors();

function makeOutbox(packets = false): { outbox: FrameOutbox; line: ScriptedLine } {
  const line = new ScriptedLine(vectors);
  const kept = new TestMemory(KEPT_BYTES + 64);
  return { outbox: new FrameOutbox(line, vectors, packets, kept, 64), line };
}

/** Delivers a burst, after which the sender's memory is somebody else's. */
function deliver(outbox: FrameOutbox, frames: readonly BurstFrame[]): void {
  putFrames(frames, sender);
  outbox.deliver(ALL_FRAMES.slice(), 0, frames.length);
  sender.bytes.fill(0xdd, 0, 1 << 20);
}

function outcome({ sent, full, refused, oversize }: FrameOutbox): number[] {
  return [sent, full, refused, oversize];
}

const FRAMES: readonly BurstFrame[] = [
  { bytes: patterned(14, 1) },
  { bytes: patterned(16, 2) },
  { bytes: patterned(60, 3), cuts: [17, 18, 40] },
  { bytes: patterned(101, 4), cuts: [20] },
];
const PLAIN = FRAMES.map(({ bytes }) => bytes);

Deno.test("frames go with their lengths, from wherever they lie, in one call", () => {
  const { outbox, line } = makeOutbox();
  deliver(outbox, FRAMES);
  assert.deepEqual(line.stream, framed(PLAIN));
  assert.deepEqual(outcome(outbox), [4, 0, 0, 0]);
  assert.equal(outbox.sentBytes, 14 + 16 + 60 + 101);
  assert.equal(line.calls, 1);
});

Deno.test("packets go without lengths, one each", () => {
  {
    const { outbox, line } = makeOutbox(true);
    deliver(outbox, FRAMES);
    assert.deepEqual(line.packets, PLAIN);
    assert.deepEqual(outcome(outbox), [4, 0, 0, 0]);
  }
  const { outbox, line } = makeOutbox(true);
  line.room = 3;
  deliver(outbox, FRAMES);
  assert.deepEqual(line.packets, PLAIN.slice(0, 3));
  assert.deepEqual(outcome(outbox), [3, 1, 0, 0]);
  assert(!outbox.isKeeping, "a packet goes or does not");
});

Deno.test("a stream that is full at any byte is never cut inside of a frame", () => {
  const whole = framed(PLAIN);
  for (let room = 0; room <= whole.length; room++) {
    const { outbox, line } = makeOutbox();
    line.room = room;
    deliver(outbox, FRAMES);
    const { frames, left } = unframe(line.stream);
    const begun = frames.length + (left > 0 ? 1 : 0);
    assert.deepEqual(outcome(outbox), [begun, 4 - begun, 0, 0], `room for ${room}`);
    assert.equal(outbox.isKeeping, left > 0);
    // What came too late is dropped, and the peer reads on a byte at a time.
    deliver(outbox, [{ bytes: patterned(200) }]);
    assert.deepEqual(outcome(outbox), [0, 1, 0, 0]);
    for (let i = 0; outbox.isKeeping && i < 200; i++) {
      line.room = 1;
      outbox.flush();
    }
    line.room = Infinity;
    const last = patterned(77);
    deliver(outbox, [{ bytes: last }]);
    assert.deepEqual(line.stream, framed([...PLAIN.slice(0, begun), last]));
  }
});

Deno.test("what the kernel takes in parts without being full is offered on", () => {
  const { outbox, line } = makeOutbox();
  line.parts.push(5, 3, 1, 20);
  deliver(outbox, FRAMES);
  assert.deepEqual(line.stream, framed(PLAIN));
  assert.deepEqual(outcome(outbox), [4, 0, 0, 0]);
});

Deno.test("memory that is gone costs the frames in it, and the stream stays readable", () => {
  const burst = [60, 300, 70].map((length, i) => ({ bytes: patterned(length, i) }));
  // The memory of the second frame ends inside of it, at a piece of its own.
  const cut = burst.map((frame, i) => i === 1 ? { ...frame, cuts: [100] } : frame);
  putFrames(cut, sender);
  const line = new ScriptedLine(vectors);
  const kept = new TestMemory(KEPT_BYTES);
  const outbox = new FrameOutbox(line, vectors, false, kept, 0);
  const end = sender.address + sender.bytes.length;
  line.missing = [sender.address + 1 + 44 + 1 + 84 + 1, end];
  outbox.deliver(ALL_FRAMES.slice(), 0, 3);
  assert(outbox.faulty, "its sender has to answer for it");
  line.missing = [Infinity, Infinity];
  assert(outbox.flush());
  deliver(outbox, [{ bytes: PLAIN[2] as Uint8Array }]);
  const { frames, left } = unframe(line.stream);
  assert.equal(left, 0);
  const spoilt = Uint8Array.from(burst[1]?.bytes ?? [], (byte, i) => i < 100 ? byte : 0);
  assert.deepEqual(frames, [burst[0]?.bytes, spoilt, PLAIN[2]]);
  // Of packets each is judged alone.
  const packets = makeOutbox(true);
  putFrames(cut, sender);
  packets.line.missing = [sender.address + 1 + 44 + 1 + 84 + 1, end];
  packets.outbox.deliver(ALL_FRAMES.slice(), 0, 3);
  assert.deepEqual(packets.line.packets, [burst[0]?.bytes]);
  assert.deepEqual(outcome(packets.outbox), [1, 0, 2, 0]);
  assert(packets.outbox.faulty);
});

Deno.test("a burst whose memory is gone altogether is refused, and the next one goes", () => {
  const { outbox, line } = makeOutbox();
  line.missing = [0, Infinity];
  deliver(outbox, FRAMES);
  assert.deepEqual(outcome(outbox), [0, 0, 4, 0]);
  assert(outbox.faulty);
  line.missing = [Infinity, Infinity];
  deliver(outbox, FRAMES);
  assert(!outbox.faulty);
  assert.deepEqual(line.stream, framed(PLAIN));
});

Deno.test("frames that a socket does not take are nobody's fault", () => {
  for (const packets of [false, true]) {
    const { outbox, line } = makeOutbox(packets);
    line.send = line.sendEach = (): number => LINE_REFUSED;
    deliver(outbox, FRAMES);
    assert.deepEqual(outcome(outbox), [0, 0, 4, 0]);
    assert(!outbox.faulty);
  }
});

Deno.test("a connection that is over takes nothing, kept or new", () => {
  const { outbox, line } = makeOutbox();
  line.room = 9;
  deliver(outbox, FRAMES);
  assert(outbox.isKeeping && !outbox.gone);
  line.gone = true;
  assert(!outbox.flush());
  assert(outbox.gone);
  const { calls } = line;
  deliver(outbox, FRAMES);
  assert.deepEqual(outcome(outbox), [0, 4, 0, 0]);
  assert.equal(line.calls, calls);
});

Deno.test("frames too long for a stream are left out, the longest one goes", () => {
  const longest = { bytes: patterned(STREAM_FRAME_BYTES_MAX) };
  const longer = { bytes: patterned(STREAM_FRAME_BYTES_MAX + 1) };
  for (const packets of [false, true]) {
    const { outbox, line } = makeOutbox(packets);
    deliver(outbox, [longer, longest, longer, { bytes: patterned(60) }]);
    assert.deepEqual(outcome(outbox), [2, 0, 0, 2]);
    const got = packets ? line.packets : unframe(line.stream).frames;
    assert.deepEqual(got, [longest.bytes, patterned(60)]);
  }
});

Deno.test("frames in more pieces than a call takes go in several, or are copied first", () => {
  const every = Array.from({ length: STREAM_FRAME_BYTES_MAX }, (_, i) => i);
  const shapes: readonly (readonly [pieces: number, frames: number])[] = [
    ...[[VECTORS_MAX - 1, 1], [VECTORS_MAX, 1], [VECTORS_MAX + 1, 1], [30_000, 1]] as const,
    ...[[9, 128], [10, 102], [511, 2], [512, 3], [1022, 3], [2000, 3]] as const,
  ];
  for (const [pieces, count] of shapes) {
    const frames = Array.from({ length: count }, (_, i) => ({
      bytes: patterned(pieces + 16 + (i % 3), i),
      cuts: every.slice(17, 16 + pieces),
    }));
    for (const packets of [false, true]) {
      const { outbox, line } = makeOutbox(packets);
      deliver(outbox, frames);
      const got = packets ? line.packets : unframe(line.stream).frames;
      assert.deepEqual(got, frames.map(({ bytes }) => bytes), `${count} of ${pieces} pieces`);
      assert.deepEqual(outcome(outbox), [count, 0, 0, 0]);
    }
  }
});
