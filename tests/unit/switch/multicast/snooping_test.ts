/**
 * Frames to groups go to who said to be in them and to routers, where somebody asks, and to all where
 * nobody does; what neighbours find one another by always goes to all.
 */
import { strict as assert } from "node:assert";
import { pollSource } from "../../../../lib/switch/datapath.ts";
import { GROUPS_MAX } from "../../../../lib/switch/multicast/port_groups.ts";
import { Snooping } from "../../../../lib/switch/multicast/snooping.ts";
import { PortVlans, vlanWords } from "../../../../lib/switch/vlan/port_vlans.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { ethernet, ip, ipv4, ipv6, type Link, padding, row } from "../../../harness/lan_packets.ts";
import { ScriptPort } from "../../../harness/script_port.ts";

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");
const from = (port: number): string => `52:54:00:00:00:0${port}`;

/** Where a group is on Ethernet (RFC 1112 §6.4, RFC 2464 §7). */
function groupMac(group: string): string {
  const bytes = ip(group);
  const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(-4);
  const own = bytes.length === 4 ? [1, 0, 0x5e, b & 0x7f, c, d] : [0x33, 0x33, a, b, c, d];
  return own.map(hex).join(":");
}

type Tags = Pick<Link, "tags">;

function igmp(port: number, to: string, body: readonly number[], tags: Tags = {}): Uint8Array {
  const source = port === 9 ? "0.0.0.0" : `10.0.0.${port + 1}`;
  const message = ipv4(source, 2, body, { to, options: [0x94, 4, 0, 0] });
  return ethernet(0x0800, message, { to: groupMac(to), from: from(port), ...tags });
}

const query4 = (port: number, tags?: Tags, tenths = 100): Uint8Array =>
  igmp(port, "224.0.0.1", [0x11, tenths, 0, 0, 0, 0, 0, 0], tags);
const report2 = (port: number, group: string, tags?: Tags): Uint8Array =>
  igmp(port, group, [0x16, 0, 0, 0, ...ip(group)], tags);
const leave2 = (port: number, group: string): Uint8Array =>
  igmp(port, "224.0.0.2", [0x17, 0, 0, 0, ...ip(group)]);
/** Records: type, sources, group. */
type Record3 = readonly [type: number, sources: number, group: string];
const report3 = (port: number, ...records: readonly Record3[]): Uint8Array =>
  igmp(port, "224.0.0.22", [
    ...[0x22, 0, 0, 0, 0, 0, records.length >> 8, records.length & 0xff],
    ...records.flatMap(([type, sources, group]) => [
      ...[type, 0, 0, sources, ...ip(group)],
      ...new Array<number>(4 * sources).fill(7),
    ]),
  ]);

function mld(port: number, to: string, body: readonly number[]): Uint8Array {
  const message = ipv6(`fe80::${port + 1}`, 0, row(padding(58), body), { to, hops: 1 });
  return ethernet(0x86dd, message, { to: groupMac(to), from: from(port) });
}

const query6 = (port: number): Uint8Array =>
  mld(port, "ff02::1", [130, 0, 0, 0, 0x27, 0x10, 0, 0, ...ip("::"), 2, 125, 0, 0]);
const report6 = (port: number, group: string): Uint8Array =>
  mld(port, group, [131, 0, 0, 0, 0, 0, 0, 0, ...ip(group)]);
const done6 = (port: number, group: string): Uint8Array =>
  mld(port, "ff02::2", [132, 0, 0, 0, 0, 0, 0, 0, ...ip(group)]);
const report62 = (port: number, type: number, group: string): Uint8Array =>
  mld(port, "ff02::16", [143, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, 0, ...ip(group)]);

const data = (port: number, group: string, tags: Tags = {}): Uint8Array => {
  const link = { to: groupMac(group), from: from(port), ...tags };
  return group.includes(":")
    ? ethernet(0x86dd, ipv6("2001:db8::5", 17, new Uint8Array(40), { to: group }), link)
    : ethernet(0x0800, ipv4("10.0.0.9", 17, new Uint8Array(40), { to: group }), link);
};

/** Four ports, of which each frame's source is the first number of what made it. */
class Bench implements Disposable {
  readonly ports = [0, 1, 2, 3].map((index) => new ScriptPort(index));
  readonly path = makeDatapath(this.ports);

  constructor(strict = false) {
    this.path.snooping = new Snooping(strict, 0x1234);
    this.path.now = 100;
  }

  /** @returns numbers of the ports that get it */
  send(port: number, frame: Uint8Array): number[] {
    const source = this.ports[port] as ScriptPort;
    source.out.push(frame);
    pollSource(this.path, source);
    return this.ports.flatMap(({ got, index }) => got.splice(0).length > 0 ? [index] : []);
  }

  /** Somebody asks, and those who heard it had their time. */
  ask(port = 3): void {
    assert.deepEqual(this.send(port, query4(port)).length, 3);
    assert.deepEqual(this.send(port, query6(port)).length, 3);
    this.path.now += 12;
  }

  [Symbol.dispose](): void {
    for (const port of this.ports) port.release();
  }
}

const GROUP = "239.1.2.3";
const GROUP6 = "ff0e::1:2:3";

Deno.test("frames to a group go to members and routers, once somebody asks for members", () => {
  for (const [group, join] of [[GROUP, report2], [GROUP6, report6]] as const) {
    using bench = new Bench();
    assert.deepEqual(bench.send(1, join(1, group)), [0, 2, 3]);
    assert.deepEqual(bench.send(0, data(0, group)), [1, 2, 3], "nobody asks: to all");
    assert.deepEqual(bench.send(3, group === GROUP ? query4(3) : query6(3)), [0, 1, 2]);
    assert.deepEqual(bench.send(0, data(0, group)), [1, 2, 3], "others may answer still");
    bench.path.now += 12;
    assert.deepEqual(bench.send(0, data(0, group)), [1, 3]);
    assert.deepEqual(bench.send(1, data(1, group)), [3], "a member hears not itself");
    assert.deepEqual(bench.send(2, join(2, group)), [3], "reports are for routers");
    assert.deepEqual(bench.send(0, data(0, group)), [1, 2, 3]);
    bench.path.now += 256;
    assert.deepEqual(bench.send(0, data(0, group)), [1, 2, 3], "nobody asks any more");
  }
});

Deno.test("members are forgotten when they leave, or are not heard of any more", () => {
  using bench = new Bench();
  bench.ask();
  for (const port of [0, 1, 2]) {
    bench.send(port, report2(port, GROUP));
    bench.send(port, report6(port, GROUP6));
  }
  bench.send(1, leave2(1, GROUP));
  bench.send(1, done6(1, GROUP6));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3], "another one may be there");
  bench.path.now += 3;
  assert.deepEqual(bench.send(0, data(0, GROUP)), [2, 3]);
  assert.deepEqual(bench.send(0, data(0, GROUP6)), [2, 3]);
  bench.path.now += 200;
  bench.send(3, query4(3));
  bench.send(0, report2(0, GROUP));
  bench.path.now += 60;
  assert.deepEqual(bench.send(1, data(1, GROUP)), [0, 3]);
});

Deno.test("reports of all versions say who is in a group, and who is not", () => {
  const cases: readonly [Uint8Array, string, boolean][] = [
    [igmp(1, GROUP, [0x12, 0, 0, 0, ...ip(GROUP)]), GROUP, true],
    [report3(1, [2, 0, GROUP]), GROUP, true],
    [report3(1, [4, 0, "239.9.9.9"], [4, 0, GROUP]), GROUP, true],
    [report3(1, [1, 2, GROUP]), GROUP, true],
    [report3(1, [5, 1, "239.9.9.9"], [5, 3, GROUP]), GROUP, true],
    [report3(1, [6, 1, GROUP]), GROUP, false],
    [report3(1, [1, 0, GROUP]), GROUP, false],
    [report3(1, [3, 0, GROUP]), GROUP, false],
    [report62(1, 4, GROUP6), GROUP6, true],
    [report62(1, 2, GROUP6), GROUP6, true],
    [report62(1, 3, GROUP6), GROUP6, false],
    // What it says cannot be told: it gets all rather than nothing.
    [report3(1, [4, 0, "239.9.9.9"]).subarray(0, 50), GROUP, true],
  ];
  for (const [i, [report, group, joins]] of cases.entries()) {
    using bench = new Bench();
    bench.ask();
    bench.send(2, group === GROUP ? report2(2, group) : report6(2, group));
    bench.send(1, report);
    assert.deepEqual(bench.send(0, data(0, group)), joins ? [1, 2, 3] : [2, 3], `${i}`);
    bench.send(1, group === GROUP ? report3(1, [3, 0, group]) : report62(1, 3, group));
    bench.path.now += 3;
    if (i !== 11) assert.deepEqual(bench.send(0, data(0, group)), [2, 3], `${i}`);
  }
});

Deno.test("what neighbours need goes to all, groups that nobody is in unless told otherwise", () => {
  for (const strict of [false, true]) {
    using bench = new Bench(strict);
    bench.ask();
    for (const group of ["224.0.0.251", "ff02::fb", "ff02::1", "ff02::1:ff00:1", "ff01::5"]) {
      bench.send(1, group.includes(":") ? report6(1, group) : report2(1, group));
      assert.deepEqual(bench.send(0, data(0, group)), [1, 2, 3], group);
    }
    assert.deepEqual(bench.send(0, data(0, GROUP)), strict ? [3] : [1, 2, 3]);
    const link = { to: groupMac(GROUP), from: from(0) };
    const others: readonly Uint8Array[] = [
      ethernet(0x88f7, new Uint8Array(60), link),
      ethernet(0x0800, new Uint8Array(10), link),
      ethernet(0x0800, ipv4("10.0.0.1", 17, []), { ...link, tags: [[0x8100, 5]] }),
      ethernet(0x0800, ipv4("10.0.0.1", 17, []), { ...link, to: "ff:ff:ff:ff:ff:ff" }),
      ethernet(0x88f7, new Uint8Array(60), { ...link, to: "01:1b:19:00:00:00" }),
    ];
    for (const other of others) assert.deepEqual(bench.send(0, other), [1, 2, 3]);
  }
});

Deno.test("routers are known by queries and PIM, proxies' queries count for nothing", () => {
  using bench = new Bench();
  bench.send(1, report2(1, GROUP));
  const proxy = query4(9);
  proxy.set([0x52, 0x54, 0, 0, 0, 2], 6);
  bench.send(2, proxy);
  bench.path.now += 12;
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
  bench.ask();
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 3]);
  const pim = ipv4("10.0.0.3", 103, [0x20, 0, 0, 0], { to: "224.0.0.13" });
  const hello = ethernet(0x0800, pim, { to: groupMac("224.0.0.13"), from: from(2) });
  assert.deepEqual(bench.send(2, hello), [0, 1, 3]);
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
});

Deno.test("a router whom nobody believes, for its port has a guard, changes nothing", () => {
  using bench = new Bench();
  const guarded = bench.ports[2] as ScriptPort;
  guarded.guard = { dhcp: false, ra: true, addresses: null };
  bench.send(1, report2(1, GROUP));
  assert.deepEqual(bench.send(2, query4(2)), []);
  assert.deepEqual(bench.send(2, query6(2)), []);
  const pim = ipv4("10.0.0.3", 103, [0x20, 0, 0, 0], { to: "224.0.0.13" });
  const hello = { to: groupMac("224.0.0.13"), from: from(2) };
  assert.deepEqual(bench.send(2, ethernet(0x0800, pim, hello)), []);
  const pim6 = ipv6("fe80::3", 103, [0x20, 0, 0, 0], { to: "ff02::d" });
  assert.deepEqual(bench.send(2, ethernet(0x86dd, pim6, hello)), []);
  assert.deepEqual(bench.send(2, report2(2, "239.4.4.4")), [0, 1, 3]);
  bench.path.now += 12;
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
  assert.equal(guarded.groups?.hasRouter(0, bench.path.now), false);
});

Deno.test("each VLAN has members and queriers of its own", () => {
  using bench = new Bench();
  const { path } = bench;
  path.setVlans(true);
  const vlans = new PortVlans(vlanWords([[10, 11]]), 10, false);
  for (const port of bench.ports) port.vlans = vlans;
  const tagged = (vid: number): Tags => ({ tags: [[0x8100, vid]] });
  bench.send(3, query4(3));
  bench.send(3, query4(3, tagged(11)));
  path.now += 12;
  bench.send(1, report2(1, GROUP));
  bench.send(2, report2(2, GROUP, tagged(11)));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 3]);
  assert.deepEqual(bench.send(0, data(0, GROUP, tagged(10))), [1, 3]);
  assert.deepEqual(bench.send(0, data(0, GROUP, tagged(11))), [2, 3]);
});

Deno.test("who is in more groups than fit gets all, and takes no other port's place", () => {
  using bench = new Bench(true);
  bench.ask();
  bench.send(2, report2(2, GROUP));
  const many = 2 * GROUPS_MAX;
  const name = (i: number): string => `239.7.${i >> 8}.${i & 255}`;
  for (let i = 0; i < many; i++) bench.send(1, report2(1, name(i)));
  assert.deepEqual(bench.send(0, data(0, name(many - 1))), [1, 3]);
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
  const groups = bench.ports[1]?.groups;
  assert.equal(groups?.entries(bench.path.now).length, GROUPS_MAX);
  // Once they are not heard of any more, there is room again.
  bench.path.now += 261;
  bench.ask();
  bench.send(2, report2(2, GROUP));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [2, 3]);
  bench.send(1, report2(1, GROUP));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
  assert.equal(groups?.entries(bench.path.now).length, 1);
});

Deno.test("a report of more records than are looked at is one for all groups", () => {
  using bench = new Bench(true);
  bench.ask();
  const records = Array.from({ length: 100 }, (_, i): Record3 => [4, 0, `239.8.0.${i}`]);
  bench.send(1, report3(1, ...records));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 3]);
});

Deno.test("without snooping nothing is learned", () => {
  using bench = new Bench();
  bench.path.snooping = null;
  bench.ask();
  bench.send(1, report2(1, GROUP));
  assert.deepEqual(bench.send(0, data(0, GROUP)), [1, 2, 3]);
  assert(bench.ports.every(({ groups }) => groups === null));
});
