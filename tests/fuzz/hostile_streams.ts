/**
 * A process at the other end of a stream uplink that says anything: frames, lengths that none has,
 * pieces of either, its end in the middle; and that reads as little as it likes. What it sends
 * before its first fault is what others get, its end has a reason, told once; and whatever it does,
 * two good ports beside it lose nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { concat } from "@std/bytes/concat";
import fc from "fast-check";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource, setKicks } from "../../lib/switch/datapath.ts";
import { LanePort } from "../../lib/switch/ports/lane_port.ts";
import { LENGTH_BYTES, STREAM_FRAME_BYTES_MAX } from "../../lib/switch/stream/inbox.ts";
import {
  IO_DESCRIPTORS,
  IO_GONE,
  IO_NOTHING,
  LANE_MEMORY_BYTES,
  STREAM_END,
  StreamLane,
} from "../../lib/switch/stream/stream_lane.ts";
import {
  framed,
  makeVectors,
  patterned,
  ScriptedLine,
  TestMemory,
  unframe,
} from "../harness/burst_frames.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { ScriptPort } from "../harness/script_port.ts";
import { often } from "./often.ts";

/** What came of cases, to see that they get far. */
export interface StreamsTally {
  /** Frames of the peer that others got, and frames it read. */
  frames: number;
  read: number;
  /** Its ends by reason. */
  readonly ends: Map<string, number>;
}

/** Nothing came of anything yet. */
export function newStreamsTally(): StreamsTally {
  return { frames: 0, read: 0, ends: new Map() };
}

/** What its socket does at an end. */
const ENDS = { closed: 0, gone: IO_GONE, descriptors: IO_DESCRIPTORS } as const;

type Op =
  | { readonly do: "frames"; readonly lengths: readonly number[]; readonly cut: number }
  | { readonly do: "bytes"; readonly bytes: Uint8Array }
  | { readonly do: "length"; readonly length: number; readonly behind: number }
  | { readonly do: "end"; readonly how: keyof typeof ENDS }
  | { readonly do: "room"; readonly room: number; readonly parts: readonly number[] }
  | { readonly do: "good"; readonly count: number; readonly bytes: number }
  | { readonly do: "visit" | "kicks" };

const length = often(
  [10, fc.integer({ min: 18, max: 80 })],
  [6, fc.integer({ min: 18, max: 2000 })],
  [1, fc.constantFrom(STREAM_FRAME_BYTES_MAX - 1, STREAM_FRAME_BYTES_MAX)],
);
const op: fc.Arbitrary<Op> = often<Op>(
  [
    12,
    fc.record({
      do: fc.constant("frames" as const),
      lengths: fc.array(length, { minLength: 1, maxLength: 12 }),
      cut: often([2, fc.constant(0)], [3, fc.integer({ min: 1, max: 90_000 })]),
    }),
  ],
  [1, fc.record({ do: fc.constant("bytes" as const), bytes: fc.uint8Array({ maxLength: 60 }) })],
  [
    1,
    fc.record({
      do: fc.constant("length" as const),
      length: fc.constantFrom(0, 13, 14, STREAM_FRAME_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1),
      behind: fc.nat(40),
    }),
  ],
  [
    1,
    fc.record({
      do: fc.constant("end" as const),
      how: fc.constantFrom("closed" as const, "gone" as const, "descriptors" as const),
    }),
  ],
  [
    4,
    fc.record({
      do: fc.constant("room" as const),
      room: fc.oneof(fc.constant(Infinity), fc.nat(300), fc.nat(200_000)),
      parts: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 4 }),
    }),
  ],
  [
    6,
    fc.record({
      do: fc.constant("good" as const),
      count: fc.integer({ min: 1, max: 20 }),
      bytes: fc.integer({ min: 18, max: 1514 }),
    }),
  ],
  [8, fc.constant({ do: "visit" as const })],
  [1, fc.constant({ do: "kicks" as const })],
);

const cases = fc.record({
  packets: fc.boolean(),
  ops: fc.array(op, { minLength: 3, maxLength: 60, size: "max" }),
});

/** A frame to all with a number; those of the peer have another sender. */
function numbered(length: number, sender: number, number: number): Uint8Array {
  const bytes = patterned(length, number);
  bytes.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, sender, 0x88, 0xb5]);
  new DataView(bytes.buffer).setUint32(14, number);
  return bytes;
}

function isOf(sender: number, bytes: Uint8Array): boolean {
  return bytes.length >= 18 && bytes[0] === 255 && bytes[6] === 2 && bytes[11] === sender &&
    bytes[12] === 0x88 && bytes[13] === 0xb5;
}

/** As deepEqual() of node:assert, which takes its time with long ones. */
function assertSame(got: readonly Uint8Array[], wanted: readonly Uint8Array[], what: string): void {
  assert.equal(got.length, wanted.length, what);
  for (const [i, bytes] of got.entries()) assert(wanted[i] && equals(bytes, wanted[i]), what);
}

function equals(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
}

const GUARD_BYTES = 256;
const GUARD = 0xa7;
const PEER = 9;
/** Pieces that frames are said in at most. */
const PIECES_MAX = 64;

/** The socket: what the peer has sent and not been read yet, and how it ends. */
class Socket extends ScriptedLine {
  readonly pieces: Uint8Array[] = [];
  /** All that was said before an end. */
  readonly said: Uint8Array[] = [];
  end: number = IO_NOTHING;
  readonly #memory: TestMemory;

  constructor(list: ReturnType<typeof makeVectors>, memory: TestMemory) {
    super(list);
    this.#memory = memory;
  }

  say(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.end !== IO_NOTHING) return;
    this.pieces.push(bytes);
    this.said.push(bytes);
  }

  receive(offset: number, room: number): number {
    assert(room > 0 && offset + room <= LANE_MEMORY_BYTES, "room is where the memory is");
    const piece = this.pieces.shift();
    if (piece === undefined) return this.end;
    const part = piece.subarray(0, room);
    this.#memory.bytes.set(part, offset);
    if (part.length < piece.length) this.pieces.unshift(piece.subarray(room));
    return part.length;
  }

  watchRoom(): void {}

  release(): number[] {
    return [];
  }
}

/** The list that all streams send by, as in the thread. */
let vectors: ReturnType<typeof makeVectors> | null = null;

/** The switch: a stream's port, and two good ones. */
class World {
  readonly socket: Socket;
  readonly lane: StreamLane;
  readonly path: Datapath;
  readonly #memory = new TestMemory(LANE_MEMORY_BYTES + GUARD_BYTES);
  readonly #good = [new ScriptPort(1), new ScriptPort(2)] as const;
  readonly #got: Uint8Array[] = [];
  readonly #ends: number[] = [];
  readonly #packets: boolean;
  #sent = 0;
  #told = 0;

  constructor(packets: boolean) {
    this.#packets = packets;
    this.#memory.bytes.fill(GUARD);
    vectors ??= makeVectors();
    this.socket = new Socket(vectors, this.#memory);
    const port = new LanePort(0, portBase(0, 2), 1);
    port.isUplink = true;
    const start = { number: 0, fd: 3 };
    this.lane = new StreamLane(port, start, packets, this.socket, vectors, this.#memory);
    port.lanes[0] = this.lane;
    this.path = makeDatapath([port, ...this.#good], {
      host: {
        // There is no room for this news at first.
        laneFailed: (lane, reason) => {
          assert.equal(lane, this.lane);
          if (++this.#told % 2 === 1) return false;
          this.#ends.push(reason);
          return true;
        },
      },
    });
  }

  visit(): void {
    this.lane.wake();
    for (let round = 0; round < 200 && pollSource(this.path, this.lane) > 0; round++);
    const [one, other] = this.#good;
    assertSame(one.got, other.got, "both get the same");
    this.#got.push(...one.got.filter((bytes) => isOf(PEER, bytes)));
    one.got.length = other.got.length = 0;
  }

  /** Each good port sends to all: the other one has it, the peer may. */
  exchange(count: number, bytes: number): void {
    this.visit();
    for (const [from, to] of [this.#good, this.#good.toReversed()] as const) {
      assert(from && to);
      const frames = Array.from({ length: count }, () => numbered(bytes, 1, this.#sent++));
      from.out.push(...frames);
      while (pollSource(this.path, from) > 0);
      assertSame(to.got.splice(0), frames, "good ports lose nothing");
      assert.equal(from.got.length, 0);
    }
  }

  /** What must be so at the end of every case. */
  check(tally: StreamsTally): void {
    this.socket.room = Infinity;
    this.socket.parts.length = 0;
    while (this.socket.pieces.length > 0 && this.#told === 0) this.visit();
    // All that came is looked at, and an end told, if need be at the second time.
    for (let round = 0; round < 8; round++) this.visit();
    const { frames, bad } = this.#model();
    assertSame(this.#got, frames.filter((bytes) => isOf(PEER, bytes)), "what the peer said");
    this.#checkEnd(bad);
    const numbers = this.#read().filter((bytes) => isOf(1, bytes)).map((bytes) => {
      return new DataView(bytes.buffer, bytes.byteOffset).getUint32(14);
    });
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), "in order, each once");
    assert(this.#memory.bytes.subarray(LANE_MEMORY_BYTES).every((byte) => byte === GUARD));
    for (const reason of this.#ends) {
      const name = Object.entries(STREAM_END).find(([, number]) => number === reason)?.[0] ?? "?";
      tally.ends.set(name, (tally.ends.get(name) ?? 0) + 1);
    }
    tally.frames += this.#got.length;
    tally.read += numbers.length;
  }

  /** What the peer has read; whole frames only, unless it has ended before. */
  #read(): Uint8Array[] {
    const sent = this.path.counters[this.lane.port.counterBase + PORT.txFrames] ?? NaN;
    if (this.#packets) {
      assert.equal(this.socket.packets.length, sent);
      return this.socket.packets;
    }
    const { frames, left } = unframe(this.socket.stream);
    if (this.#ends.length === 0) {
      assert.equal(left, 0);
      assert.equal(frames.length, sent);
    }
    return frames;
  }

  #checkEnd(bad: boolean): void {
    const { end } = this.socket;
    const expected: number[] = [];
    if (bad) expected.push(STREAM_END.badLength);
    if (end === IO_GONE) expected.push(STREAM_END.broken);
    if (end === IO_DESCRIPTORS) expected.push(STREAM_END.descriptors);
    if (end === 0) expected.push(STREAM_END.closed, STREAM_END.cut);
    assert.equal(this.#ends.length, expected.length > 0 ? 1 : 0, "an end is told once");
    const [reason] = this.#ends;
    if (reason === undefined) return;
    assert(expected.includes(reason), `it ended for ${reason}, not one of ${expected}`);
    if (bad && !this.#packets) assert.equal(reason, STREAM_END.badLength);
  }

  /** What was said, read without a thought of memory or time. */
  #model(): { frames: Uint8Array[]; bad: boolean } {
    const fits = (bytes: number): boolean => bytes >= 14 && bytes <= STREAM_FRAME_BYTES_MAX;
    if (this.#packets) {
      const wrong = this.socket.said.findIndex(({ length }) => !fits(length));
      return {
        frames: this.socket.said.slice(0, wrong < 0 ? Infinity : wrong),
        bad: wrong >= 0,
      };
    }
    let rest = concat(this.socket.said);
    const frames: Uint8Array[] = [];
    while (rest.length >= LENGTH_BYTES) {
      const bytes = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (!fits(bytes)) return { frames, bad: true };
      if (rest.length < LENGTH_BYTES + bytes) break;
      frames.push(rest.slice(LENGTH_BYTES, LENGTH_BYTES + bytes));
      rest = rest.subarray(LENGTH_BYTES + bytes);
    }
    return { frames, bad: false };
  }

  /** Does one thing. */
  act(op: Op, number: number): void {
    switch (op.do) {
      case "frames": {
        const frames = op.lengths.map((length, i) => numbered(length, PEER, 100 * number + i));
        if (this.#packets) return frames.forEach((bytes) => this.socket.say(bytes));
        const stream = framed(frames);
        const step = Math.max(op.cut || stream.length, Math.ceil(stream.length / PIECES_MAX));
        for (let at = 0; at < stream.length; at += step) {
          this.socket.say(stream.subarray(at, at + step));
        }
        return;
      }
      case "bytes":
        return this.socket.say(op.bytes);
      case "length": {
        const bytes = new Uint8Array(LENGTH_BYTES + op.behind);
        new DataView(bytes.buffer).setUint32(0, op.length);
        return this.socket.say(bytes);
      }
      case "end":
        if (this.socket.end === IO_NOTHING) this.socket.end = ENDS[op.how];
        return;
      case "room":
        this.socket.room = this.#packets ? op.room % 20 : op.room;
        this.socket.parts.splice(0, Infinity, ...op.parts);
        return;
      case "good":
        return this.exchange(op.count, op.bytes);
      case "visit":
        return this.visit();
      case "kicks":
        setKicks(this.path, true);
    }
  }

  /** Gives windows back. */
  release(): void {
    for (const port of this.#good) port.release();
    this.#memory[Symbol.dispose]();
  }
}

/** Of any case: nothing throws, and nobody else notices. */
export function hostileStreams(tally: StreamsTally): fc.IPropertyWithHooks<[unknown]> {
  return fc.property(cases, ({ packets, ops }) => {
    const world = new World(packets);
    try {
      ops.forEach((op, number) => world.act(op, number));
      world.check(tally);
    } finally {
      world.release();
    }
  }) as unknown as fc.IPropertyWithHooks<[unknown]>;
}
