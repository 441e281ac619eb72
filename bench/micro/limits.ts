/**
 * What guards, limits and copies cost where they are on: `deno run -A bench/micro/main.ts limits
 * [BYTES]`. Two guests send each other frames of 64 bytes, or as many as is said; for each feature ns
 * a frame and how many more than without, least of many short times. No frame may be dropped by what is
 * measured: that would be another way.
 *
 * @module
 */
import { compileFilter } from "../../lib/control/capture/expression.ts";
import { PortTap } from "../../lib/switch/capture/capture.ts";
import {
  CaptureRing,
  RING_HEAD_BYTES,
  RING_HEAD_WORD,
  RING_TAIL_WORD,
} from "../../lib/switch/capture/ring.ts";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { AddressSet } from "../../lib/switch/guard/addresses.ts";
import { SharedRate } from "../../lib/switch/policy/limits.ts";
import { Rate } from "../../lib/switch/policy/rate.ts";
import { Storm } from "../../lib/switch/policy/storm.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { NullPort } from "../../lib/switch/ports/null_port.ts";
import type { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { FRAME_BYTES_MAX } from "../../lib/virtio/burst.ts";
import { begin, leastNs, LocalGuest, makePath, SIZE } from "./local_guest.ts";

const RING_BYTES = 2 ** 24;
/** Above what one core passes. */
const BITS = 4e12;
const FRAMES = 4e9;
const HEADER_BYTES = 14;

/** IPv4 and UDP of a guest with address 10.0.0.1 or 2, for a frame of so many bytes. */
function udp(number: number, frameBytes: number): number[] {
  const bytes = frameBytes - HEADER_BYTES;
  const u16 = (value: number): number[] => [value >> 8, value & 0xff];
  return [
    ...[0x45, 0, ...u16(bytes), 0, 1, 0, 0, 64, 17, 0, 0],
    ...[10, 0, 0, 1 + number, 10, 0, 0, 2 - number],
    ...[...u16(1000), ...u16(2000), ...u16(bytes - 20), 0, 0],
  ];
}

/** Turns a feature on. @returns what has to be done now and then, if anything */
type Feature = (path: Datapath, ports: readonly VhostPort[]) => (() => void) | void;

/** Captures both ports, read by nobody, but never full. */
function capture(path: Datapath, ports: readonly VhostPort[], filter: string): () => void {
  const memory = new ArrayBuffer(RING_BYTES);
  const ring = new CaptureRing(memory, 0, RING_BYTES);
  const words = new Int32Array(memory, 0, RING_HEAD_BYTES / 4);
  const code = Int32Array.from(compileFilter(filter));
  for (const [i, port] of ports.entries()) {
    port.tap ??= new PortTap();
    port.tap.add({ ring, snap: FRAME_BYTES_MAX, drops: false, filter: code }, i);
  }
  path.refresh();
  return () => {
    words[RING_TAIL_WORD] = words[RING_HEAD_WORD] ?? 0;
  };
}

function mirror(path: Datapath, ports: readonly VhostPort[]): void {
  const copies = new NullPort(2, portBase(2, 2));
  path.ports[2] = copies;
  for (const port of ports) {
    port.tap ??= new PortTap();
    port.tap.mirrorsIn |= 1;
  }
  path.mirrorTargets[0] = copies.index;
  path.refresh();
}

function guard(addresses: boolean): Feature {
  return (_, ports) => {
    for (const [i, port] of ports.entries()) {
      const word = 0x0a00_0001 + i;
      const own = addresses ? new AddressSet([{ words: [word], bits: 32 }]) : null;
      port.guard = { dhcp: true, ra: true, addresses: own };
    }
  };
}

function vlan(vid: number, access: boolean): Feature {
  return (path, ports) => {
    for (const port of ports) port.vlans = new PortVlans(vlanWords([[vid, vid]]), vid, access);
    path.setVlans(true);
  };
}

const FEATURES: readonly [string, Feature][] = [
  ["nothing", () => {}],
  ["storm= (the default)", (_, ports) => {
    for (const port of ports) port.storm = new Storm([FRAMES, FRAMES, FRAMES]);
  }],
  ["limit=, from the guest", (_, ports) => {
    for (const port of ports) port.rateFrom = new Rate(BITS, FRAMES, 100);
  }],
  ["limit=, to the guest", (_, ports) => {
    for (const port of ports) port.rateTo = new SharedRate(new Rate(BITS, FRAMES, 100));
  }],
  ["lock=on", (path, ports) => {
    for (const port of ports) {
      path.fdb.setStatic(0x02, (1 + port.index) << 8, port.index);
      port.isLocked = true;
      path.fdb.lock(port.index, true);
    }
  }],
  ["isolated=, of one of both", (_, ports) => {
    for (const port of ports) port.isolation = 1 - port.index;
  }],
  ["access=10", vlan(10, true)],
  ["guard=on", guard(false)],
  ["guard=on,ip=", guard(true)],
  ["a capture of other frames", (path, ports) => capture(path, ports, "tcp port 1")],
  ["a capture of all", (path, ports) => capture(path, ports, "")],
  ["a mirror of both", mirror],
  ["nothing, again", () => {}],
];

function measure(packed: boolean, bytes: number, turnOn: Feature): number {
  const guests = [0, 1].map((number) => new LocalGuest(number, packed, bytes, udp(number, bytes)));
  const ports = guests.map(({ port }) => port);
  const path = makePath(ports);
  // Each has said something before a lock closes.
  for (const { index } of ports) path.fdb.learn(0x02, (1 + index) << 8, index, 0);
  const tend = turnOn(path, ports) ?? ((): void => {});
  path.refresh();
  const got = (): number =>
    ports.reduce(
      (sum, { counterBase }) => sum + (path.counters[counterBase + PORT.txFrames] ?? NaN),
      0,
    );
  let rounds = 0;
  let sent = 0;
  const round = (): void => {
    clock.ms += 1;
    for (const guest of guests) guest.refill();
    for (const source of path.sources) sent += pollSource(path, source);
    tend();
    rounds++;
  };
  round();
  // The first one may be flooded.
  const before = got() - sent;
  const ns = leastNs(2 * SIZE, round);
  if (got() - sent !== before || sent < rounds * SIZE) throw new Error("frames were lost");
  return ns;
}

begin();
const bytes = Number(Deno.args[0] ?? 64);
for (const packed of [false, true]) {
  console.log(`\n${packed ? "packed" : "split"}, ${bytes} B\n\n| feature | ns a frame | more |`);
  console.log("| --- | --: | --: |");
  let base = NaN;
  for (const [name, feature] of FEATURES) {
    const ns = measure(packed, bytes, feature);
    if (Number.isNaN(base)) base = ns;
    console.log(`| ${name} | ${ns.toFixed(1)} | ${(ns - base).toFixed(1)} |`);
  }
}
