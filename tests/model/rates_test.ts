// deno-lint-ignore-file no-non-null-assertion
/**
 * Rates of ports on the switch's own path and in the time of a clock that the test turns: what passes in
 * a second is what was said, for small frames and large ones, both ways, in bits and in frames.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { type Datapath, forward } from "../../lib/switch/datapath.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { limitTo, SharedRate } from "../../lib/switch/policy/limits.ts";
import { Rate, RATE_BURST_MS } from "../../lib/switch/policy/rate.ts";
import { NullPort } from "../../lib/switch/ports/null_port.ts";
import { composeRarp } from "../../lib/switch/rarp.ts";
import {
  BURST_FRAMES,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_WORDS,
  noteOffloads,
} from "../../lib/virtio/burst.ts";
import {
  frameGsoSize,
  frameHeaders,
  frameOffloads,
  OFFLOAD_CSUM,
  OFFLOAD_TSO4,
} from "../../lib/virtio/offloads.ts";
import { makeDatapath } from "../harness/datapath.ts";

const RECEIVER = 0;
/** Headers and payload of each segment of a large frame. */
const HEADERS = 66;
const SEGMENT = 1448;
/** A frame of TSO: 45 segments. */
const LARGE = HEADERS + 45 * SEGMENT;
const isLarge = (bytes: number): boolean => bytes > 1600;
const segments = (bytes: number): number => isLarge(bytes) ? 45 : 1;

/** A receiver, and senders that are ports 1 and on. */
class Line {
  readonly path: Datapath;
  readonly ports: NullPort[];

  constructor(senders = 1) {
    this.ports = Array.from({ length: senders + 1 }, (_, i) => new NullPort(i, portBase(i, 2)));
    this.path = makeDatapath(this.ports);
    this.path.fdb.setStatic(0x52, 0x0100, RECEIVER);
  }

  /** Has the burst be frames of a sender. */
  compose(sender: number, frames: number, bytes: number): void {
    composeRarp(0x52 + (sender << 8), 0x0200);
    const word1 = (frameHead[1]! & ~0xffff) | 0x0100;
    for (let frame = 0; frame < frames; frame++) {
      const at = frame * HEAD_WORDS;
      for (let word = 0; word < HEAD_WORDS; word++) frameHead[at + word] = frameHead[word]!;
      frameHead[at] = 0x52;
      frameHead[at + 1] = word1;
      frameBytes[frame] = bytes;
      frameSegment[frame] = frameSegmentEnd[frame] = frameSegment[0]!;
      frameOffloads[frame] = isLarge(bytes) ? OFFLOAD_TSO4 | OFFLOAD_CSUM : 0;
      frameHeaders[frame] = HEADERS;
      frameGsoSize[frame] = SEGMENT;
    }
    if (isLarge(bytes)) noteOffloads();
  }

  /** One visit. @returns frames that arrived */
  send(sender: number, frames: number, bytes: number): number {
    this.compose(sender, frames, bytes);
    const before = this.count(RECEIVER, "txFrames");
    forward(this.path, this.ports[sender]!, frames);
    return this.count(RECEIVER, "txFrames") - before;
  }

  count(port: number, name: keyof typeof PORT): number {
    return this.path.counters[this.ports[port]!.counterBase + PORT[name]]!;
  }

  limit(way: "rx" | "tx", bits: number, frames: number, burstMs = RATE_BURST_MS): void {
    const rate = new Rate(bits, frames, burstMs);
    if (way === "rx") this.ports[1]!.rateFrom = rate;
    else this.ports[RECEIVER]!.rateTo = new SharedRate(rate);
  }
}

/**
 * Sends one and a half times what may pass for some seconds. @param each what a frame weighs
 * @returns what passed in each second, in frames
 */
function seconds(line: Line, bytes: number, framesPerSecond: number, stepMs: number): number[] {
  const passed: number[] = [];
  let due = 0;
  for (let second = 0; second < 3; second++) {
    let count = 0;
    for (let ms = 0; ms < 1000; ms += stepMs) {
      clock.ms += stepMs;
      for (due += 1.5 * framesPerSecond * stepMs / 1000; due >= 1;) {
        const frames = Math.min(BURST_FRAMES, Math.floor(due));
        due -= frames;
        count += line.send(1, frames, bytes);
      }
    }
    passed.push(count);
  }
  return passed;
}

const way = fc.constantFrom("rx" as const, "tx" as const);
const step = fc.constantFrom(0.05, 0.3, 1, 4);

Deno.test("bits a second are what was said, whatever the size of frames", () => {
  const cases = fc.constantFrom<readonly [number, number]>(
    ...[[1e6, 60], [30e6, 60], [100e6, 60], [10e6, 1514], [1e9, 1514]] as const,
    ...[[10e6, LARGE], [100e6, LARGE], [1e9, LARGE], [40e9, LARGE]] as const,
  );
  fc.assert(
    fc.property(way, step, cases, (way, stepMs, [bits, bytes]) => {
      const line = new Line();
      clock.ms = 1000;
      line.limit(way, bits, 0);
      const rate = bits / 8 / bytes;
      const passed = seconds(line, bytes, rate, stepMs);
      for (const [second, count] of passed.entries()) {
        const burst = second === 0 ? rate * RATE_BURST_MS / 1000 : 0;
        const most = 1.01 * rate + burst + 1;
        assert(count >= 0.98 * rate - 1 && count <= most, `${count} of ${rate}`);
      }
      const all = line.count(1, "rxFrames") + line.count(1, "rxDroppedRate");
      const dropped = line.count(1, "rxDroppedRate") + line.count(RECEIVER, "txDroppedRate");
      assert.equal(line.count(RECEIVER, "txFrames") + dropped, all);
      assert.equal(
        line.count(way === "rx" ? RECEIVER : 1, `${way === "rx" ? "tx" : "rx"}DroppedRate`),
        0,
      );
    }),
    { numRuns: 40 },
  );
});

Deno.test("frames a second are what was said, and a large one is as many as it is cut into", () => {
  const cases = fc.constantFrom<readonly [number, number]>(
    ...[[100, 60], [7, 1514], [50_000, 60], [50_000, LARGE], [900, LARGE], [300_000, 60]] as const,
  );
  fc.assert(
    fc.property(way, step, cases, (way, stepMs, [frames, bytes]) => {
      const line = new Line();
      clock.ms = 1000;
      line.limit(way, 0, frames);
      const rate = frames / segments(bytes);
      const passed = seconds(line, bytes, rate, stepMs);
      for (const [second, count] of passed.entries()) {
        const burst = second === 0 ? rate * RATE_BURST_MS / 1000 : 0;
        assert(count >= 0.98 * rate - 1 && count <= 1.01 * rate + burst + 1, `${count} of ${rate}`);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("of two rates the tighter one holds, and what is below both loses nothing", () => {
  for (const [bytes, tight] of [[60, 10_000], [1514, 100e6 / 8 / 1514]] as const) {
    const line = new Line();
    clock.ms = 0;
    line.limit("rx", 100e6, 10_000);
    const [, second = 0] = seconds(line, bytes, tight, 0.3);
    assert(Math.abs(second - tight) <= 0.02 * tight, `${second} of ${tight}`);
  }
  for (const way of ["rx", "tx"] as const) {
    const line = new Line();
    clock.ms = 0;
    line.limit(way, 100e6, 10_000);
    for (let i = 0; i < 5000; i++) {
      clock.ms += 1;
      assert.equal(line.send(1, 8, 1500), 8);
    }
  }
});

Deno.test("a burst is as long as it was said, and idle time gives no more", () => {
  for (const burstMs of [RATE_BURST_MS, 200]) {
    const line = new Line();
    clock.ms = 0;
    line.limit("rx", 100e6, 0, burstMs);
    clock.ms = 60_000;
    let passed = 0;
    for (let i = 0; i < 100; i++) passed += line.send(1, BURST_FRAMES, 1000);
    assert.equal(passed, Math.ceil(burstMs * 12.5));
  }
});

Deno.test("frames that are cut for a port weigh what comes of them", () => {
  const weigh = (accepts: number): number => {
    const line = new Line();
    clock.ms = 0;
    Object.defineProperty(line.ports[RECEIVER], "accepts", { value: accepts });
    const shared = new SharedRate(new Rate(800e6, 0, 20));
    let passed = 0;
    for (let i = 0; i < 60; i++) {
      line.compose(1, 1, LARGE);
      line.path.list[0] = 0;
      passed += limitTo(line.path, line.ports[RECEIVER]!, shared, 0, 1, line.ports[1]!);
    }
    return passed;
  };
  // 2 MB, of which a sender that is alone leaves a quarter.
  assert.equal(weigh(~0), Math.ceil(1.5e6 / LARGE));
  const cut = weigh(OFFLOAD_CSUM);
  assert.equal(cut, Math.ceil(1.5e6 / (45 * (HEADERS + SEGMENT))));
});

Deno.test("a flooder leaves others their part of what may go to a port, whoever is visited first", () => {
  for (const order of [[1, 2], [2, 1]]) {
    for (const bytes of [60, 1514, LARGE]) {
      const line = new Line(2);
      clock.ms = 0;
      line.limit("tx", 200e6, 0);
      const rate = 200e6 / 8 / bytes;
      let [light, arrived, flooded, due] = [0, 0, 0, 0];
      for (let i = 0; i < 12_000; i++) {
        clock.ms += 0.25;
        due += i < 2000 ? 0 : rate / 10 / 4000;
        for (const sender of order) {
          if (sender === 1) flooded += line.send(1, BURST_FRAMES, bytes);
          else if (due >= 1) {
            due--;
            light++;
            arrived += line.send(2, 1, bytes);
          }
        }
      }
      assert(arrived >= 0.95 * light - 1, `${arrived} of ${light} of ${bytes} bytes, ${order}`);
      const [all, most] = [flooded + arrived, 3 * rate];
      assert(all >= 0.98 * most - 2 && all <= 1.02 * most + 2, `${all} of ${most}`);
    }
  }
  for (const bytes of [60, LARGE]) {
    const line = new Line(3);
    clock.ms = 0;
    line.limit("tx", 100e6, 0);
    const got = [0, 0, 0, 0];
    for (let i = 0; i < 12_000; i++) {
      clock.ms += 0.25;
      for (const sender of [1, 2, 3]) got[sender]! += line.send(sender, BURST_FRAMES, bytes);
    }
    const even = 100e6 / 8 / bytes;
    for (const sender of [1, 2, 3]) {
      assert(got[sender]! > even / 2 && got[sender]! < 2 * even, `${got} of ${even} each`);
    }
  }
});
