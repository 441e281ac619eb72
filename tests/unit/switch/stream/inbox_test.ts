/** Frames out of a stream that comes in pieces of any size, from a peer that may say anything. */
import { strict as assert } from "node:assert";
import {
  BAD_LENGTH,
  FrameInbox,
  INBOX_BYTES,
  INBOX_MEMORY_BYTES,
  INCOMPLETE,
  LENGTH_BYTES,
  STREAM_FRAME_BYTES_MAX,
} from "../../../../lib/switch/stream/inbox.ts";
import { BURST_FRAMES, isPlainBurst } from "../../../../lib/virtio/burst.ts";
import { framed, patterned, readFrames, TestMemory } from "../../../harness/burst_frames.ts";

/** An inbox, and what a socket does to it: brings bytes while there is room. */
function makeInbox(): { inbox: FrameInbox; feed: (bytes: Uint8Array) => Uint8Array[] } {
  const memory = new TestMemory(INBOX_MEMORY_BYTES);
  // What an earlier stream left there is nobody's.
  memory.bytes.fill(0xee);
  const inbox = new FrameInbox(memory.buffer, memory.windows, 0);
  const feed = (bytes: Uint8Array): Uint8Array[] => {
    const frames: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      inbox.makeRoom();
      assert(inbox.room > LENGTH_BYTES + STREAM_FRAME_BYTES_MAX, "there is room for any frame");
      const part = bytes.subarray(at, at + inbox.room);
      memory.bytes.set(part, inbox.tail);
      inbox.received(part.length);
      at += part.length;
      for (let count = inbox.load(); count > 0; count = inbox.load()) {
        frames.push(...readFrames(count));
      }
    }
    return frames;
  };
  return { inbox, feed };
}

Deno.test("a stream cut at any byte has the same frames", () => {
  const frames = [14, 15, 16, 17, 60, 61].map((length) => patterned(length, length));
  const stream = framed(frames);
  for (let cut = 0; cut <= stream.length; cut++) {
    const { inbox, feed } = makeInbox();
    assert.deepEqual([...feed(stream.subarray(0, cut)), ...feed(stream.subarray(cut))], frames);
    assert.equal(inbox.waiting, 0);
  }
  const { feed } = makeInbox();
  assert.deepEqual(Array.from(stream, (byte) => feed(Uint8Array.of(byte))).flat(), frames);
});

Deno.test("frames of any length come whole, however many, however cut", () => {
  const lengths = Array.from({ length: 700 }, (_, i) => 14 + (i * 7919) % 1600);
  lengths.push(STREAM_FRAME_BYTES_MAX, 65535, STREAM_FRAME_BYTES_MAX, 9014, STREAM_FRAME_BYTES_MAX);
  const frames = lengths.map((length, i) => patterned(length, i));
  const stream = framed(frames);
  for (const step of [1, 3, 1500, 65536, 100_001, INBOX_BYTES, stream.length]) {
    if (step === 1 && stream.length > 2e6) continue;
    const { feed } = makeInbox();
    const got: Uint8Array[] = [];
    for (let at = 0; at < stream.length; at += step) {
      got.push(...feed(stream.subarray(at, at + step)));
    }
    assert.equal(got.length, frames.length, `in pieces of ${step}`);
    for (const [i, frame] of got.entries()) assert.deepEqual(frame, frames[i]);
  }
});

Deno.test("a burst is bounded, and plain where all its frames are longer than their heads", () => {
  const { inbox } = makeInbox();
  const memory = new TestMemory(INBOX_MEMORY_BYTES);
  const full = new FrameInbox(memory.buffer, memory.windows, 0);
  assert.equal(inbox.load(), 0);
  const short = Array.from({ length: BURST_FRAMES + 5 }, (_, i) => patterned(i === 3 ? 16 : 60, i));
  const stream = framed(short);
  memory.bytes.set(stream);
  full.received(stream.length);
  assert.equal(full.load(), BURST_FRAMES);
  assert(!isPlainBurst());
  assert.deepEqual(readFrames(BURST_FRAMES), short.slice(0, BURST_FRAMES));
  assert.equal(full.load(), 5);
  assert(isPlainBurst());
  assert.deepEqual(readFrames(5), short.slice(BURST_FRAMES));
});

Deno.test("a length that no frame has is known as soon as it is there", () => {
  for (const length of [0, 1, 13, STREAM_FRAME_BYTES_MAX + 1, 65_554, 2 ** 31, 2 ** 32 - 1]) {
    const bytes = new Uint8Array(LENGTH_BYTES);
    new DataView(bytes.buffer).setUint32(0, length);
    const { inbox, feed } = makeInbox();
    const good = patterned(60);
    assert.deepEqual(feed(framed([good])), [good]);
    assert.deepEqual(feed(bytes.subarray(0, 3)), []);
    assert.equal(inbox.peek(), INCOMPLETE);
    assert.deepEqual(feed(bytes.subarray(3)), []);
    assert.equal(inbox.peek(), BAD_LENGTH, `${length}`);
  }
  const { inbox, feed } = makeInbox();
  feed(Uint8Array.of(0, 1, 0, 17));
  assert.equal(STREAM_FRAME_BYTES_MAX, 65_553);
  assert.equal(inbox.peek(), INCOMPLETE, "the longest one");
});

Deno.test("packets get their lengths here, and are judged as well", () => {
  const memory = new TestMemory(INBOX_MEMORY_BYTES);
  const inbox = new FrameInbox(memory.buffer, memory.windows, 0);
  const packets = [14, 1514, STREAM_FRAME_BYTES_MAX].map((length) => patterned(length, length));
  for (const packet of packets) {
    memory.bytes.set(packet, inbox.tail + LENGTH_BYTES);
    inbox.receivedFrame(packet.length);
  }
  assert.deepEqual(readFrames(inbox.load()), packets);
  for (const length of [13, STREAM_FRAME_BYTES_MAX + 1]) {
    const other = new FrameInbox(memory.buffer, memory.windows, 0);
    other.receivedFrame(length);
    assert.equal(other.peek(), BAD_LENGTH);
  }
});
