/** The announcement of a guest that has moved: one frame of the switch's own, byte for byte. */
import { strict as assert } from "node:assert";
import { parseMac } from "../../../lib/base/mac.ts";
import { forward } from "../../../lib/switch/datapath.ts";
import { composeRarp } from "../../../lib/switch/rarp.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "../../model/two_ports.ts";

const MAC = [0x52, 0x54, 0x00, 0x61, 0x61, 0x01];
const RARP = [
  ...[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 0x80, 0x35],
  ...[0, 1, 8, 0, 6, 4, 0, 3, ...MAC, 0, 0, 0, 0, ...MAC, 0, 0, 0, 0],
  ...new Array<number>(18).fill(0),
];

const shapeOf = (packed: boolean, mergeable: boolean): Shape => ({
  ...{ packed, mergeable, size: 64, eventIdx: false, start: 0 },
});

/** Receive chains: one buffer, and buffers cut everywhere a head or header may end. */
const CHAINS = [[2048], [12, 2036], [1, 11, 16, 2000], [28, 2000], [5, 5, 5, 5, 5, 5, 5, 2000]];

Deno.test("a RARP request goes to every other port and moves the address at once", () => {
  const mac = parseMac("52:54:00:61:61:01");
  if (!mac) throw new Error("the address is well-formed");
  for (const packed of [false, true]) {
    for (const sizes of CHAINS) {
      const old = new Bench(0, shapeOf(packed, true), 0);
      const moved = new Bench(1, shapeOf(!packed, true), 0);
      const third = new Bench(2, shapeOf(packed, false), 0);
      const benches = [old, moved, third];
      const path = makePath(benches);
      for (const bench of benches) bench.offer(sizes, false);
      path.fdb.learn(mac.low, mac.high, 0, 0);
      composeRarp(mac.low, mac.high);
      forward(path, moved.port, 1);
      assert.equal(path.fdb.lookup(mac.low, mac.high, 0), 1);
      assert.deepEqual(old.received().map((frame) => [...frame]), [RARP]);
      assert.deepEqual(third.received().map((frame) => [...frame]), [RARP]);
      assert.deepEqual(moved.received(), [], "not to the port it comes from");
      // A burst of a guest right behind it is not disturbed.
      const frame = frameOf(300, 1, true);
      for (const bench of benches) bench.offer(sizes, false);
      old.send(frame, [], false);
      poll(path, old);
      assert.deepEqual(third.received(), [frame]);
    }
  }
});

Deno.test("a RARP request that nobody can take is dropped", () => {
  const lone = new Bench(1, shapeOf(false, true), 0);
  const path = makePath([lone]);
  composeRarp(0x61005452, 0x161);
  forward(path, lone.port, 1);
  assert.deepEqual(lone.received(), []);
  assert.equal(path.fdb.lookup(0x61005452, 0x161, 0), 1);
});

Deno.test("a RARP request in a VLAN has its tag, and those behind it none", () => {
  const bench = new Bench(0, shapeOf(false, true), 0);
  const other = new Bench(1, shapeOf(true, true), 0);
  const path = makePath([bench, other]);
  const mac = parseMac("52:54:00:61:61:01");
  if (!mac) throw new Error("the address is well-formed");
  for (const vid of [0x234, 0, 4094, 0]) {
    other.offer([2048], false);
    composeRarp(mac.low, mac.high, vid);
    forward(path, bench.port, 1);
    const tag = vid === 0 ? [] : [0x81, 0x00, vid >> 8, vid & 0xff];
    const [frame] = other.received();
    assert.deepEqual([...frame ?? []], [...RARP.slice(0, 12), ...tag, ...RARP.slice(12)]);
  }
});
