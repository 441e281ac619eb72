/** A tap sees each frame from and to its port once, as it is, and changes none. */
import { strict as assert } from "node:assert";
import type { Datapath } from "../../../../lib/switch/datapath.ts";
import type { Port, Sink } from "../../../../lib/switch/ports/port.ts";
import { frameBytes } from "../../../../lib/virtio/burst.ts";
import { NO_OFFLOADS } from "../../../../lib/virtio/offloads.ts";
import { Bench, frameOf, makePath, poll } from "../../../model/two_ports.ts";

const SHAPE = { packed: false, size: 64, mergeable: true, eventIdx: false, start: 0 };

/** Notes the lengths of what it sees; below 0: no frame. */
class Lengths implements Sink {
  readonly accepts: number = NO_OFFLOADS;
  readonly port: Port;
  readonly seen: number[] = [];

  constructor(port: Port) {
    this.port = port;
  }

  deliver(_path: Datapath, list: Uint16Array, start: number, count: number): void {
    this.seen.push(...Array.from(list.subarray(start, start + count), (i) => frameBytes[i] ?? NaN));
  }
}

function tapped(): { a: Bench; b: Bench; path: Datapath; taps: Lengths[] } {
  const [a, b] = [new Bench(0, SHAPE, 0), new Bench(1, SHAPE, 0)];
  const path = makePath([a, b]);
  const taps = [a, b].map(({ port }) => {
    const tap = new Lengths(port);
    port.tap = tap;
    return tap;
  });
  return { a, b, path, taps };
}

for (const linked of [false, true]) {
  Deno.test(`taps see what comes from and goes to a port${linked ? ", linked" : ""}`, () => {
    const { a, b, path, taps } = tapped();
    if (linked) [a.port.linkedTo, b.port.linkedTo] = [1, 0];
    path.refresh();
    for (let i = 0; i < 8; i++) assert(b.offer([2048], false));
    const frames = [60, 300, 61].map((bytes, i) => frameOf(bytes, i, true));
    for (const frame of frames) assert(a.send(frame, [], false));
    assert(a.send(new Uint8Array(3), [], false), "no frame");
    while (poll(path, a) > 0);
    assert.deepEqual(b.received(), frames);
    assert.deepEqual(taps[0]?.seen.filter((bytes) => bytes >= 0), [60, 300, 61]);
    assert.equal(taps[0]?.seen.length, 4);
    assert.deepEqual(taps[1]?.seen, [60, 300, 61]);
    a.port.tap = null;
    assert(a.send(frameOf(70, 9, true), [], false));
    poll(path, a);
    assert.equal(taps[0]?.seen.length, 4, "a tap that is taken away sees no more");
    assert.equal(taps[1]?.seen.length, 4);
  });
}
