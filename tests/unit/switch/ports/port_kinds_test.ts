/** Ports without a guest beside ports with one: the switch asks each for bursts and nothing else. */
import { strict as assert } from "node:assert";
import {
  PORT,
  type PORT_COUNTERS,
  portBase,
  WORKER,
  WORKER_BASE,
} from "../../../../lib/switch/counters.ts";
import { type Datapath, pollSource, setKicks } from "../../../../lib/switch/datapath.ts";
import { LoopPort } from "../../../../lib/switch/ports/loop_port.ts";
import { NullPort } from "../../../../lib/switch/ports/null_port.ts";
import { PARK_FRAMES_MAX } from "../../../../lib/switch/stalled/park.ts";
import type { Port } from "../../../../lib/switch/ports/port.ts";
import { Bench, makePath, poll } from "../../../model/two_ports.ts";

const SHAPE = { packed: false, size: 256, mergeable: true, eventIdx: false, start: 0 };
const GUEST = [2, 0, 0, 0, 0, 0xa0];
const FAR = [2, 0, 0, 0, 0, 0xb0];
const FAR_LOW = 0x02;
const FAR_HIGH = 0xb000;

function frameOf(to: readonly number[], bytes: number, seed: number): Uint8Array {
  const frame = new Uint8Array(bytes).map((_, i) => (i * 31 + seed) & 0xff);
  frame.set([...to, ...GUEST]);
  return frame;
}

function count(path: Datapath, port: Port, name: (typeof PORT_COUNTERS)[number]): number {
  return path.counters[port.counterBase + PORT[name]] ?? NaN;
}

/** A guest on port 0 and a port of another kind on port 1, where FAR is known. */
function beside(port: Port, packed = false): { guest: Bench; path: Datapath } {
  const guest = new Bench(0, { ...SHAPE, packed }, 0);
  const path = makePath([guest]);
  path.ports[1] = port;
  path.refresh();
  path.fdb.learn(FAR_LOW, FAR_HIGH, 1, 0);
  return { guest, path };
}

function pollAll(path: Datapath): number {
  return path.sources.reduce((sum, source) => sum + pollSource(path, source), 0);
}

/** Frames of many lengths, of which the longest are cut at odd places. */
function sendMany(guest: Bench, path: Datapath, to: readonly number[]): Uint8Array[] {
  const frames = [14, 15, 16, 17, 60, 61, 1514, 9014].map((bytes, i) => frameOf(to, bytes, i));
  for (const frame of frames) assert(guest.send(frame, [5, 13, 29, 700], false));
  while (poll(path, guest) > 0);
  return frames;
}

Deno.test("a null port swallows frames and counts them", () => {
  for (const packed of [false, true]) {
    const port = new NullPort(1, portBase(1, 2));
    const { guest, path } = beside(port, packed);
    const frames = sendMany(guest, path, FAR);
    assert.equal(count(path, port, "txFrames"), frames.length);
    assert.equal(count(path, port, "txBytes"), frames.reduce((sum, { length }) => sum + length, 0));
    assert.equal(guest.tx.takeUsed().length, frames.length, "the guest has its buffers back");
    assert.equal(path.sources.length, 1, "nothing comes from it");
    // Limits and states are the switch's, not the kind's.
    port.frameBytesMax = 1514;
    sendMany(guest, path, FAR);
    assert.equal(count(path, port, "txDroppedOversize"), 1);
    port.adminUp = false;
    path.refresh();
    sendMany(guest, path, FAR);
    assert.equal(count(path, port, "txDroppedLinkDown"), frames.length);
    assert.equal(count(path, port, "txFrames"), 2 * frames.length - 1);
  }
});

Deno.test("a loop port sends frames back to where they came from, whole and in order", () => {
  for (const packed of [false, true]) {
    const port = new LoopPort(1, portBase(1, 2));
    const { guest, path } = beside(port, packed);
    for (let i = 0; i < 20; i++) guest.offer([2048], false);
    const frames = sendMany(guest, path, FAR);
    assert(setKicks(path, true), "there is something to send: the thread does not sleep");
    const worker = path.counters[WORKER_BASE + WORKER.frames] ?? NaN;
    assert.equal(pollAll(path), frames.length);
    assert.equal(path.counters[WORKER_BASE + WORKER.frames], worker + frames.length);
    assert(!setKicks(path, true));
    const back = frames.map((frame) => {
      const swapped = frame.slice();
      swapped.set([...GUEST, ...FAR]);
      return swapped;
    });
    assert.deepEqual(guest.received(), back);
    for (const name of ["rxFrames", "txFrames"] as const) {
      assert.equal(count(path, port, name), frames.length, name);
    }
    assert.equal(count(path, port, "rxBytes"), count(path, port, "txBytes"));
    port.release();
  }
});

Deno.test("a frame to a group ends in a loop port: a group is nobody's address", () => {
  const port = new LoopPort(1, portBase(1, 2));
  const { guest, path } = beside(port);
  const frames = sendMany(guest, path, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  assert.equal(count(path, port, "txFrames"), frames.length, "it was flooded");
  while (pollAll(path) > 0);
  assert.equal(count(path, port, "rxDroppedBadSource"), frames.length);
  assert.deepEqual(guest.received(), []);
  port.release();
});

Deno.test("what finds no room in a loop port is dropped, and what a down one holds discarded", () => {
  const port = new LoopPort(1, portBase(1, 2));
  const { guest, path } = beside(port);
  const most = PARK_FRAMES_MAX + 88;
  for (let sent = 0; sent < most; sent += 100) {
    for (let i = 0; i < 100; i++) assert(guest.send(frameOf(FAR, 60, i), [], false));
    while (poll(path, guest) > 0);
    guest.tx.takeUsed();
  }
  assert.equal(count(path, port, "txFrames"), PARK_FRAMES_MAX);
  assert.equal(count(path, port, "txDroppedNoBuffer"), most - PARK_FRAMES_MAX);
  port.adminUp = false;
  path.refresh();
  while (pollAll(path) > 0);
  assert.equal(count(path, port, "rxDroppedDisabled"), PARK_FRAMES_MAX);
  assert.equal(count(path, port, "rxFrames"), 0);
  port.release();
});

Deno.test("a ring whose frames are all too long for its port is not looked at, nor broken unheard", () => {
  const sender = new Bench(0, SHAPE, 0);
  const receiver = new Bench(1, SHAPE, 0);
  const path = makePath([sender, receiver]);
  path.fdb.learn(FAR_LOW, FAR_HIGH, 1, 0);
  receiver.port.frameBytesMax = 1514;
  const [, avail] = receiver.rx.areas;
  receiver.ram.view.setUint16(receiver.ram.at(avail) + 2, SHAPE.size + 1, true);
  assert(sender.send(frameOf(FAR, 1515, 1), [], false));
  assert.equal(poll(path, sender), 1);
  assert.equal(count(path, receiver.port, "txDroppedOversize"), 1);
  assert(sender.send(frameOf(FAR, 60, 2), [], false));
  assert.throws(() => poll(path, sender), /port 1 broke/);
});
