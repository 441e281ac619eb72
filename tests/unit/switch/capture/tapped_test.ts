/** A capture sees each frame from and to its port once, as it is there, and changes none. */
import { strict as assert } from "node:assert";
import type { Packet } from "../../../../lib/control/capture/pcapng.ts";
import { CLASSIC_IP } from "./frames.ts";
import { PORT } from "../../../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../../../lib/switch/datapath.ts";
import { PortVlans, vlanWords } from "../../../../lib/switch/vlan/port_vlans.ts";
import { allowPlainBursts, isPlainBurst } from "../../../../lib/virtio/burst.ts";
import { Rate } from "../../../../lib/switch/policy/rate.ts";
import { Capturing } from "../../../harness/capturing.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { ScriptPort } from "../../../harness/script_port.ts";
import { Bench, frameOf, makePath, poll } from "../../../model/two_ports.ts";

const SHAPE = { packed: false, size: 64, mergeable: true, eventIdx: false, start: 0 };

function brief({ interface: port, direction, data, comments }: Packet): unknown[] {
  const why = comments.map((each) => /^dropped: (\w+)/.exec(each)?.[1] ?? each);
  return [port, direction, data.length, ...why];
}

/** Until nobody has anything to send. */
function run(path: Datapath): void {
  while (path.sources.some((source) => pollSource(path, source) > 0));
}

function pollAll(path: Datapath, bench: Bench): void {
  while (poll(path, bench) > 0);
}

for (const packed of [false, true]) {
  for (const linked of [false, true]) {
    const how = `${packed ? "packed" : "split"}${linked ? ", linked" : ""}`;
    Deno.test(`a capture sees what comes from and goes to ports: ${how}`, () => {
      const [a, b] = [new Bench(0, { ...SHAPE, packed }, 0), new Bench(1, { ...SHAPE, packed }, 0)];
      const path = makePath([a, b]);
      if (linked) [a.port.linkedTo, b.port.linkedTo] = [1, 0];
      path.refresh();
      const capturing = new Capturing(path, [a.port, b.port]);
      for (let i = 0; i < 8; i++) assert(b.offer([2048], false));
      const frames = [14, 15, 16, 17, 60, 300, 1514].map((bytes, i) => frameOf(bytes, i, true));
      for (const [i, frame] of frames.entries()) {
        assert(a.send(frame, i > 4 ? [20, 30] : [], false));
      }
      assert(a.send(new Uint8Array(3), [], false), "no frame");
      pollAll(path, a);
      assert.deepEqual(b.received(), frames);
      const seen = capturing.take();
      for (const port of [0, 1]) {
        const those = seen.filter((packet) => packet.interface === port);
        assert.deepEqual(those.map(({ data }) => data), frames, `port ${port}`);
        assert(those.every(({ direction }) => direction === port + 1));
        assert(those.every(({ whenMs }) => Math.abs(whenMs - Date.now()) < 60_000));
        assert.deepEqual(capturing.reader.counts(port), { seen: 7, matched: 7, lost: 0 });
      }
      capturing.stop();
      assert(!path.hasTaps);
      assert.deepEqual([a.port.tap, b.port.tap], [null, null]);
      assert(b.offer([2048], false));
      assert(a.send(frameOf(70, 9, true), [], false));
      pollAll(path, a);
      assert.equal(b.received().length, 1);
      assert.deepEqual(capturing.take(), [], "one that has ended sees no more");
    });
  }
}

Deno.test("without captures bursts go the plain way, and those of other ports do with one", () => {
  allowPlainBursts(true);
  const benches = [0, 1, 2, 3].map((i) => new Bench(i, SHAPE, 0)) as [Bench, Bench, Bench, Bench];
  const [a, b, c, d] = benches;
  const path = makePath(benches);
  const capturing = new Capturing(path, [c.port]);
  path.fdb.learn(0x0101_0101 & ~1, 1, 1, 0);
  for (let i = 0; i < 4; i++) assert(b.offer([2048], false));
  const frame = frameOf(100, 1, false);
  // To b alone: neither end is watched.
  frame.set([0x00, 0x01, 0x01, 0x01, 0x01, 0x00]);
  // The first one finds out where its memory is.
  for (let i = 0; i < 2; i++) {
    assert(a.send(frame, [], false));
    poll(path, a);
  }
  assert(isPlainBurst());
  assert.deepEqual(b.received(), [frame, frame]);
  for (let i = 0; i < 2; i++) {
    assert(c.send(frameOf(100, 2, true), [], false));
    poll(path, c);
  }
  assert(!isPlainBurst(), "what is copied goes the general way");
  assert.deepEqual(d.received(), []);
  assert.equal(capturing.take().length, 2);
});

Deno.test("dropped frames are seen with the reason, whoever drops them", () => {
  const [a, b] = [new Bench(0, SHAPE, 0), new Bench(1, SHAPE, 0)];
  const path = makePath([a, b]);
  const drops = new Capturing(path, [a.port, b.port], { drops: true });
  const usual = new Capturing(path, [a.port, b.port]);
  const group = frameOf(100, 1, true);
  group[6] = 1;
  b.port.frameBytesMax = 400;
  assert(b.offer([2048], false));
  const good = frameOf(64, 2, true);
  for (
    const frame of [group, new Uint8Array(5), good, frameOf(500, 3, true), frameOf(65, 4, true)]
  ) {
    assert(a.send(frame, [], false));
  }
  pollAll(path, a);
  assert.deepEqual(b.received(), [good]);
  assert.deepEqual(drops.take().map(brief), [
    [0, 1, 100, "rxDroppedBadSource"],
    [0, 1, 0, "rxDroppedMalformed"],
    [0, 1, 64],
    [0, 1, 500],
    [0, 1, 65],
    [1, 2, 64],
    [1, 2, 500, "txDroppedOversize"],
    [1, 2, 65, "txDroppedNoBuffer"],
  ]);
  assert.deepEqual(usual.take().map(brief), [[0, 1, 64], [0, 1, 500], [0, 1, 65], [1, 2, 64]]);
  assert.equal(path.counters[b.port.counterBase + PORT.txDroppedNoBuffer], 1);
  assert.equal(path.counters[a.port.counterBase + PORT.rxFrames], 4);
  b.port.adminUp = false;
  path.refresh();
  assert(a.send(frameOf(66, 5, true), [], false));
  pollAll(path, a);
  assert.deepEqual(drops.take().map(brief), [[0, 1, 66, "rxDroppedNoPort"]]);
});

Deno.test("frames between uplinks are seen where they end", () => {
  const ports = [0, 1].map((i) => new ScriptPort(i)) as [ScriptPort, ScriptPort];
  const [a, b] = ports;
  const path = makeDatapath(ports);
  try {
    a.isUplink = b.isUplink = true;
    path.refresh();
    const capturing = new Capturing(path, [b], { drops: true });
    const frame = frameOf(80, 1, false);
    frame.set([2, 0, 0, 0, 0, 9]);
    path.fdb.learn(2, 0x0900, 1, 0);
    a.out.push(frame);
    run(path);
    assert.deepEqual(b.got, []);
    assert.deepEqual(capturing.take().map(brief), [[0, 2, 80, "rxDroppedUplinks"]]);
  } finally {
    for (const port of ports) port.release();
  }
});

Deno.test("tags are as they are on the wire of each port", () => {
  const ports = [0, 1, 2].map((i) => new ScriptPort(i)) as [ScriptPort, ScriptPort, ScriptPort];
  const path = makeDatapath(ports);
  try {
    ports[0].vlans = new PortVlans(vlanWords([[10, 10]]), 10, true);
    ports[1].vlans = new PortVlans(vlanWords([[10, 20]]), 0, false);
    ports[2].vlans = new PortVlans(vlanWords([[20, 20]]), 20, true);
    path.setVlans(true);
    path.refresh();
    const capturing = new Capturing(path, ports, { drops: true });
    const frame = CLASSIC_IP();
    frame.fill(0xff, 0, 6);
    ports[0].out.push(frame);
    run(path);
    const seen = capturing.take();
    assert.deepEqual(seen.map(brief), [[0, 1, frame.length], [1, 2, frame.length + 4]]);
    assert.deepEqual(seen[0]?.data, frame);
    assert.deepEqual(seen[1]?.data, ports[1].got[0], "what is seen is what came");
    assert.deepEqual([...seen[1]?.data.subarray(12, 16) ?? []], [0x81, 0, 0, 10]);
    const alien = new Uint8Array([...frame.subarray(0, 12), 0x81, 0, 0, 30, ...frame.subarray(12)]);
    ports[1].out.push(alien);
    run(path);
    assert.deepEqual(capturing.take().map(brief), [[1, 1, alien.length, "rxDroppedVlan"]]);
    const filtered = new Capturing(path, ports, { filter: "vlan 10" });
    ports[0].out.push(frame);
    run(path);
    assert.deepEqual(filtered.take().map(brief), [[1, 2, frame.length + 4]]);
    assert.deepEqual(filtered.reader.counts(0), { seen: 1, matched: 0, lost: 0 });
  } finally {
    for (const port of ports) port.release();
  }
});

Deno.test("what is captured is what is delivered, whatever its sender makes of it meanwhile", () => {
  const [a, b] = [new Bench(0, SHAPE, 0), new Bench(1, SHAPE, 0)];
  const path = makePath([a, b]);
  for (const watched of [a, b]) {
    const capturing = new Capturing(path, [watched.port]);
    assert(b.offer([2048], false));
    const frame = frameOf(900, 1, true);
    const at = a.ram.take(0, 1);
    assert(a.send(frame, [], false));
    // Once it is written down, before it is delivered.
    const sink = b.port.vrings[0];
    assert(sink);
    const deliver = sink.deliver.bind(sink);
    sink.deliver = (...given) => {
      for (let i = 100; i < 600; i++) a.ram.view.setUint8(a.ram.at(at) + i, 0xee);
      deliver(...given);
    };
    poll(path, a);
    sink.deliver = deliver;
    const [packet] = capturing.take();
    assert.deepEqual(packet?.data, frame);
    assert.deepEqual(b.received(), [frame]);
    capturing.stop();
  }
});

Deno.test("a ring that is full loses frames, says how many, and slows nobody", () => {
  const [a, b] = [new Bench(0, SHAPE, 0), new Bench(1, SHAPE, 0)];
  const path = makePath([a, b]);
  const capturing = new Capturing(path, [a.port], { ringBytes: 2 ** 18 });
  let sent = 0;
  let next = 0;
  let lost = 0;
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 16; i++) {
      assert(b.offer([2048], false));
      assert(a.send(frameOf(1500 - round, sent++, true), [], false));
    }
    pollAll(path, a);
    a.tx.takeUsed();
    assert.equal(b.received().length, 16, "all are delivered");
    // Whoever reads is away for most of the time.
    if (round % 13 !== 12) continue;
    for (const packet of capturing.take()) {
      lost += packet.lost;
      assert.deepEqual(packet.data, frameOf(packet.data.length, next + lost, true));
      next++;
    }
  }
  for (const packet of capturing.take()) {
    lost += packet.lost;
    next++;
  }
  const counts = capturing.reader.counts(0);
  assert(counts.lost > 0 && next > 100, `${counts.lost} lost, ${next} seen`);
  assert.deepEqual(counts, { seen: sent, matched: sent, lost: sent - next });
});

Deno.test("a snap cuts what is kept, not what is looked at", () => {
  const ports = [0, 1].map((i) => new ScriptPort(i)) as [ScriptPort, ScriptPort];
  const path = makeDatapath(ports);
  try {
    const capturing = new Capturing(path, [ports[0]], { snap: 20, filter: "tcp port 443" });
    const frame = CLASSIC_IP();
    ports[0].out.push(frame);
    run(path);
    const [packet] = capturing.take();
    assert.deepEqual(packet?.data, frame.slice(0, 20));
    assert.equal(packet?.original, frame.length);
  } finally {
    for (const port of ports) port.release();
  }
});

Deno.test("frames above a rate are seen whole, with the reason", () => {
  const ports = [0, 1].map((i) => new ScriptPort(i)) as [ScriptPort, ScriptPort];
  const [a, b] = ports;
  const path = makeDatapath(ports);
  try {
    a.rateFrom = new Rate(0, 1000, 2);
    const capturing = new Capturing(path, [a], { drops: true });
    const frames = [70, 71, 72, 73].map((bytes, i) => frameOf(bytes, i, true));
    a.out.push(...frames);
    run(path);
    assert.deepEqual(b.got, frames.slice(0, 2));
    const seen = capturing.take();
    assert.deepEqual(seen.map(({ data }) => data), frames);
    assert.deepEqual(seen.map(brief), [
      [0, 1, 70],
      [0, 1, 71],
      [0, 1, 72, "rxDroppedRate"],
      [0, 1, 73, "rxDroppedRate"],
    ]);
  } finally {
    for (const port of ports) port.release();
  }
});
