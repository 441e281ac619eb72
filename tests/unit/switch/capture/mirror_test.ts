/** Mirrors: a port gets copies of what others send and get, each once, and nothing else. */
import { strict as assert } from "node:assert";
import { PortTap } from "../../../../lib/switch/capture/capture.ts";
import { PORT } from "../../../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../../../lib/switch/datapath.ts";
import { PortVlans, vlanWords } from "../../../../lib/switch/vlan/port_vlans.ts";
import { Capturing } from "../../../harness/capturing.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { ethernet, ipv4, udp } from "../../../harness/lan_packets.ts";
import { ScriptPort } from "../../../harness/script_port.ts";
import { frameOf } from "../../../model/two_ports.ts";
import { tagged } from "./frames.ts";

type Three = [ScriptPort, ScriptPort, ScriptPort, ScriptPort];

/** Ports a, b, c, and one that gets copies. */
function bed(run: (path: Datapath, ports: Three) => void): void {
  const ports = [0, 1, 2, 3].map((i) => new ScriptPort(i)) as Three;
  try {
    run(makeDatapath(ports), ports);
  } finally {
    for (const port of ports) port.release();
  }
}

function mirror(
  path: Datapath,
  number: number,
  to: ScriptPort,
  ins: Three[0][],
  outs: Three[0][],
): void {
  for (const port of [...ins, ...outs]) port.tap ??= new PortTap();
  for (const port of ins) if (port.tap) port.tap.mirrorsIn |= 1 << number;
  for (const port of outs) if (port.tap) port.tap.mirrorsOut |= 1 << number;
  path.mirrorTargets[number] = to.index;
  path.refresh();
}

function run(path: Datapath): void {
  while (path.sources.some((source) => pollSource(path, source) > 0));
}

function count(path: Datapath, port: ScriptPort, name: keyof typeof PORT): number {
  return path.counters[port.counterBase + PORT[name]] ?? NaN;
}

/** From one to another, by the last bytes of their addresses. */
function between(from: number, to: number, bytes: number): Uint8Array {
  const frame = frameOf(bytes, bytes, false);
  frame.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from]);
  return frame;
}

/** Everybody knows everybody. */
function introduce(path: Datapath, ports: readonly ScriptPort[]): void {
  for (const port of ports) path.fdb.learn(2, (10 + port.index) << 8, port.index, 0);
}

Deno.test("a mirror gets what comes from a port, what goes to one, and of both each frame once", () => {
  for (
    const [ins, outs, expected] of [
      [[0], [], [60, 63]],
      [[], [1], [60, 62, 63]],
      [[0, 1], [0, 1], [60, 61, 62, 63]],
      [[], [0], [61, 62]],
    ] as const
  ) {
    bed((path, ports) => {
      const [a, b, c, to] = ports;
      introduce(path, [a, b, c]);
      const of = (all: readonly number[]): ScriptPort[] => all.map((i) => ports[i] as ScriptPort);
      mirror(path, 3, to, of(ins), of(outs));
      const group = between(12, 0, 62);
      group.fill(0xff, 0, 6);
      for (
        const [port, frame] of [
          [a, between(10, 11, 60)],
          [b, between(11, 10, 61)],
          [c, group],
          [a, between(10, 11, 63)],
          [c, between(12, 12, 64)],
        ] as const
      ) {
        port.out.push(frame);
        run(path);
      }
      assert.deepEqual(to.got.map(({ length }) => length), expected);
      assert.deepEqual(a.got.map(({ length }) => length), [61, 62], "the others notice nothing");
      assert.deepEqual(b.got.map(({ length }) => length), [60, 62, 63]);
    });
  }
});

Deno.test("a port that a mirror has gets nothing else, and sends nothing", () => {
  bed((path, [a, b, c, to]) => {
    introduce(path, [a, b]);
    path.fdb.learn(2, 13 << 8, to.index, 0);
    mirror(path, 0, to, [a], []);
    to.out.push(frameOf(90, 1, true));
    b.out.push(frameOf(91, 1, true), between(11, 13, 92));
    run(path);
    assert.deepEqual(to.got, []);
    assert.deepEqual(a.got.map(({ length }) => length), [91]);
    assert.deepEqual(c.got.map(({ length }) => length), [91]);
    assert.equal(count(path, to, "rxDroppedMirror"), 1);
    assert.equal(count(path, to, "txDroppedMirror"), 1);
    path.mirrorTargets[0] = -1;
    a.tap = null;
    path.refresh();
    assert(!path.hasTaps);
    b.out.push(frameOf(93, 1, true));
    run(path);
    assert.deepEqual(to.got.map(({ length }) => length), [93], "it switches again");
  });
});

Deno.test("what is dropped is not mirrored, but for what only the mirror's port could have got", () => {
  bed((path, [a, b, c, to]) => {
    b.adminUp = c.adminUp = false;
    mirror(path, 0, to, [a], []);
    const bad = frameOf(80, 1, true);
    bad[6] = 1;
    a.out.push(bad, new Uint8Array(5), frameOf(81, 1, true));
    run(path);
    assert.deepEqual(to.got.map(({ length }) => length), [81]);
  });
});

Deno.test("a mirror shows no VLAN that its port is not in, linked ports included", () => {
  bed((path, [a, b, c, to]) => {
    to.vlans = new PortVlans(vlanWords([[10, 10]]), 10, true);
    path.setVlans(true);
    mirror(path, 0, to, [a], [b]);
    const frame = frameOf(100, 1, true);
    a.out.push(frame, tagged(frame, 10), tagged(frame, 20), tagged(frame, 4095));
    run(path);
    assert.deepEqual(to.got, [frame], "that of VLAN 10, without its tag as the port has it");
    assert.equal(count(path, to, "txDroppedVlan"), 2);
    [a.linkedTo, b.linkedTo] = [1, 0];
    path.refresh();
    a.out.push(frame, tagged(frame, 10), tagged(frame, 20), tagged(frame, 0), tagged(frame, 4095));
    run(path);
    assert.equal(b.got.length, 3 + 5, "a plain link passes all");
    assert.deepEqual(to.got, [frame, frame]);
    assert.deepEqual(c.got.length, 3);
  });
});

Deno.test("several mirrors may have one port, which a capture may watch", () => {
  bed((path, [a, b, c, to]) => {
    introduce(path, [a, b, c]);
    mirror(path, 0, to, [a], []);
    mirror(path, 1, to, [b], [b]);
    const capturing = new Capturing(path, [to, a], { drops: true });
    a.out.push(between(10, 11, 60));
    run(path);
    assert.deepEqual(to.got.map(({ length }) => length), [60]);
    to.frameBytesMax = 61;
    a.out.push(between(10, 12, 61), between(10, 12, 62));
    run(path);
    assert.deepEqual(c.got.map(({ length }) => length), [61, 62]);
    const seen = capturing.take().map(({ interface: port, data, comments }) => [
      ...[port, data.length],
      comments[0]?.split(":")[1]?.trim() ?? "",
    ]);
    assert.deepEqual(seen, [
      [1, 60, ""],
      [0, 60, ""],
      [1, 61, ""],
      [1, 62, ""],
      [0, 61, ""],
      [0, 62, "txDroppedOversize"],
    ]);
    capturing.stop();
    assert(a.tap !== null, "the mirror goes on");
    a.out.push(between(10, 12, 61));
    run(path);
    assert.equal(to.got.length, 3);
  });
});

Deno.test("what a guard drops is in no mirror, and in a capture as dropped, if that asks for it", () => {
  bed((path, [a, b, , copies]) => {
    a.guard = { dhcp: true, ra: false, addresses: null };
    mirror(path, 0, copies, [a], [b]);
    const drops = new Capturing(path, [a, b], { drops: true });
    const usual = new Capturing(path, [a, b]);
    const [server, other] = [67, 53].map((port) =>
      ethernet(0x0800, ipv4("10.0.0.1", 17, udp(port, 1000, new Uint8Array(40))))
    ) as [Uint8Array, Uint8Array];
    a.out.push(server, other, server);
    run(path);
    assert.deepEqual(b.got, [other]);
    assert.deepEqual(copies.got, [other]);
    assert.equal(count(path, a, "rxDroppedDhcp"), 2);
    const brief = (capturing: Capturing): unknown[] =>
      capturing.take().map(({ interface: port, data, comments }) => {
        assert.deepEqual(data, comments.length > 0 ? server : other);
        return [port, ...comments.map((text) => text.split(":").slice(0, 2).join(":"))];
      });
    const dropped = [0, "dropped: rxDroppedDhcp"];
    assert.deepEqual(brief(drops), [dropped, [0], dropped, [1]]);
    assert.deepEqual(brief(usual), [[0], [1]]);
  });
});
