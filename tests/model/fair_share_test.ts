// deno-lint-ignore-file no-non-null-assertion
/**
 * Senders that fill a receiver's ring, against what each of them should get of it, on the switch's own
 * path: rounds of visits, a ring that is drained in steps of many sizes.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { type Datapath, forward } from "../../lib/switch/datapath.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { NullPort } from "../../lib/switch/ports/null_port.ts";
import { composeRarp } from "../../lib/switch/rarp.ts";
import {
  BURST_FRAMES,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_WORDS,
} from "../../lib/virtio/burst.ts";
import { makeDatapath } from "../harness/datapath.ts";

const RECEIVER = 0;
/** Of a frame, if nothing else is said. */
const BYTES = 60;

/** A port with a ring that its guest drains when it is told to. */
class Ring extends NullPort {
  readonly size: number;
  /** Buffers that a frame takes. */
  readonly #each: number;
  held = 0;
  /** Frames that arrived, by their sender's port. */
  readonly got: number[] = [];
  sender = 0;

  constructor(index: number, size: number, frameBytes: number) {
    super(index, portBase(index, 2));
    this.size = size;
    this.#each = 1 + Math.floor(frameBytes / 2048);
  }

  room(most: number): number {
    return Math.min(most, this.size - this.held);
  }

  override deliver(path: Datapath, _: Uint16Array, __: number, count: number): void {
    const taken = Math.min(count, Math.floor((this.size - this.held) / this.#each));
    this.held += taken * this.#each;
    this.got[this.sender] = (this.got[this.sender] ?? 0) + taken;
    path.counters[this.counterBase + PORT.txDroppedNoBuffer]! += count - taken;
  }

  drain(count: number): void {
    this.held = Math.max(0, this.held - count);
  }
}

/** A switch with a receiver and senders. */
class Contest {
  readonly ring: Ring;
  readonly #path: Datapath;
  readonly #bytes: number;
  readonly sent: number[];

  constructor(senders: number, size: number, bytes: number = BYTES) {
    this.#bytes = bytes;
    this.ring = new Ring(RECEIVER, size, bytes);
    const others = Array.from(
      { length: senders },
      (_, i) => new NullPort(i + 1, portBase(i + 1, 2)),
    );
    this.#path = makeDatapath([this.ring, ...others]);
    this.#path.fdb.setStatic(0x52, 0x0100, RECEIVER);
    this.sent = new Array(senders + 1).fill(0);
    clock.ms = 1;
  }

  send(sender: number, frames: number): void {
    composeRarp(0x52 + (sender << 8), 0x0200);
    const word1 = (frameHead[1]! & ~0xffff) | 0x0100;
    for (let frame = 0; frame < frames; frame++) {
      const at = frame * HEAD_WORDS;
      for (let word = 0; word < HEAD_WORDS; word++) frameHead[at + word] = frameHead[word]!;
      frameHead[at] = 0x52;
      frameHead[at + 1] = word1;
      frameBytes[frame] = this.#bytes;
      frameSegment[frame] = frameSegmentEnd[frame] = frameSegment[0]!;
    }
    this.ring.sender = sender;
    this.sent[sender]! += frames;
    forward(this.#path, this.#path.ports[sender]!, frames);
  }

  /** The receiver's guest goes, and another one comes. */
  changeGuest(): void {
    for (const isUp of [false, true]) {
      this.ring.adminUp = isUp;
      this.#path.refresh();
    }
  }

  got(sender: number): number {
    return this.ring.got[sender] ?? 0;
  }
}

/** How a ring is drained: so many, once in so many rounds. */
const drains = fc.constantFrom([1, 1], [8, 1], [64, 8], [64, 2], [200, 40]);
const sizes = fc.constantFrom(128, 256, 1024);

Deno.test("a sender of few frames loses next to none of them to flooders", () => {
  fc.assert(
    fc.property(drains, sizes, fc.integer({ min: 1, max: 8 }), ([drain, every], size, flooders) => {
      const contest = new Contest(flooders + 1, size);
      const light = flooders + 1;
      for (let round = 0; round < 6_000; round++) {
        clock.ms += 0.01;
        for (let flooder = 1; flooder <= flooders; flooder++) contest.send(flooder, BURST_FRAMES);
        // A twentieth of what the guest can take.
        if (round % (20 * every!) === 0) contest.send(light, drain! < 20 ? 1 : drain! / 20);
        if (round % every! === 0) contest.ring.drain(drain!);
      }
      const lost = contest.sent[light]! - contest.got(light);
      assert(lost <= 16 + contest.sent[light]! / 25, `${lost} of ${contest.sent[light]}`);
      // And the guest is as busy as it can be; 8 flooders have 0.699 of a ring that is drained whole.
      const total = contest.ring.got.reduce((sum, each = 0) => sum + each, 0);
      const most = Math.floor(6_000 / every!) * Math.min(drain!, size);
      assert(total >= (drain! < size / 2 ? 0.98 : 0.69) * most, `${total} of ${most}`);
    }),
    { numRuns: 16 },
  );
});

Deno.test("flooders share a ring evenly, whoever is visited first", () => {
  for (const [drain, every] of [[8, 1], [64, 8], [64, 2]] as const) {
    for (const flooders of [2, 3, 5]) {
      const contest = new Contest(flooders, 256);
      for (let round = 0; round < 20_000; round++) {
        clock.ms += 0.01;
        for (let flooder = 1; flooder <= flooders; flooder++) contest.send(flooder, BURST_FRAMES);
        if (round % every === 0) contest.ring.drain(drain);
      }
      const even = 20_000 / every * drain / flooders;
      for (let flooder = 1; flooder <= flooders; flooder++) {
        const got = contest.got(flooder);
        assert(got > 0.5 * even && got < 2 * even, `${flooder} of ${flooders}: ${got} of ${even}`);
      }
    }
  }
});

Deno.test("of a ring with fewer buffers than senders each has a frame in turn", () => {
  const slow = [[1, 1], [1, 4], [1, 100], [8, 1]] as const;
  for (const [size, flooders] of [[1, 8], [4, 9], [32, 70]] as const) {
    for (const [drain, every] of slow) {
      for (const burst of size > 4 ? [1] : [1, 16]) {
        const contest = new Contest(flooders, size);
        const rounds = 500 + 8 * flooders * every;
        for (let round = 0; round < rounds; round++) {
          clock.ms += 0.01;
          for (let flooder = 1; flooder <= flooders; flooder++) contest.send(flooder, burst);
          if (round % every === 0) contest.ring.drain(drain);
        }
        const name = `size ${size}, ${drain} in ${every}, bursts of ${burst}`;
        const got = Array.from({ length: flooders }, (_, i) => contest.got(i + 1));
        const total = got.reduce((sum, each) => sum + each, 0);
        const most = Math.floor(rounds / every) * Math.min(drain, size);
        assert(total >= 0.6 * most, `${name}: ${total} of ${most}`);
        assert(Math.min(...got) >= 0.4 * total / flooders, `${name}: ${got}`);
      }
    }
  }
});

Deno.test("large frames for which no sender's part has room pass one by one", () => {
  for (const size of [40, 64, 256]) {
    const flooders = 12;
    const contest = new Contest(flooders, size, 65_000);
    for (let round = 0; round < 6_000; round++) {
      clock.ms += 0.01;
      for (let flooder = 1; flooder <= flooders; flooder++) contest.send(flooder, 4);
      contest.ring.drain(8);
    }
    const got = Array.from({ length: flooders }, (_, i) => contest.got(i + 1));
    const total = got.reduce((sum, each) => sum + each, 0);
    assert(total >= 0.5 * 6_000 * 8 / 32, `size ${size}: ${total}`);
    assert(Math.min(...got) >= 0.4 * total / flooders, `size ${size}: ${got}`);
  }
});

Deno.test("what a ring had is forgotten after a pause, and with its guest", () => {
  const full = (): Contest => {
    const contest = new Contest(2, 256);
    for (let round = 0; round < 100; round++) {
      clock.ms += 0.01;
      contest.send(1, BURST_FRAMES);
      if (round === 50) contest.ring.drain(256);
    }
    return contest;
  };
  // Room for 8, a part of the 256 that there were.
  const paused = full();
  clock.ms += 500;
  const before = paused.got(1);
  paused.ring.held = 256 - 8;
  paused.send(1, 1);
  assert.equal(paused.got(1), before + 1);
  const other = full();
  const had = other.got(1);
  other.changeGuest();
  other.ring.held = 256 - 8;
  other.send(1, 1);
  assert.equal(other.got(1), had + 1);
});

Deno.test("a sender alone gets all that there is, also of a guest that has few buffers from now on", () => {
  for (const few of [1, 2, 3, 7]) {
    const contest = new Contest(1, 256);
    for (let round = 0; round < 1000; round++) {
      clock.ms += 0.01;
      contest.send(1, BURST_FRAMES);
      contest.ring.drain(64);
    }
    clock.ms += 300;
    const before = contest.got(1);
    for (let round = 0; round < 100_000; round++) {
      clock.ms += 0.01;
      contest.ring.held = 256 - few;
      contest.send(1, BURST_FRAMES);
    }
    assert(contest.got(1) - before >= 0.9 * few * 100_000, `${contest.got(1) - before} of ${few}`);
  }
});

Deno.test("a receiver with room shares nothing", () => {
  const contest = new Contest(2, 1000);
  contest.send(1, BURST_FRAMES);
  assert.equal(contest.ring.fairShare, null);
  contest.ring.held = 1000;
  contest.send(1, 1);
  assert.notEqual(contest.ring.fairShare, null);
  contest.ring.drain(1000);
  clock.ms += 2000;
  contest.send(2, BURST_FRAMES);
  assert.equal(contest.ring.fairShare, null);
  assert.equal(contest.got(2), BURST_FRAMES);
});

Deno.test("a sender alone of a guest that empties its ring each time loses a sixteenth at most", () => {
  const contest = new Contest(1, 256);
  for (let round = 0; round < 20_000; round++) {
    clock.ms += 0.1;
    contest.send(1, BURST_FRAMES);
    if (round % 4 === 0) contest.ring.drain(256);
  }
  assert(contest.got(1) >= 0.93 * 5000 * 256, `${contest.got(1)}`);
});
