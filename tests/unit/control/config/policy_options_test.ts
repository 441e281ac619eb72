/** Options of who may send what: the same in a specification and in a file, and what each fault says. */
import { strict as assert } from "node:assert";
import { guardOf, guardStatus } from "../../../../lib/control/config/guard_options.ts";
import { staticMacs } from "../../../../lib/control/config/policy_options.ts";
import { groupNumber } from "../../../../lib/control/config/isolated_option.ts";
import { limitStatus, portLimits } from "../../../../lib/control/config/limit_option.ts";
import { checkLinks } from "../../../../lib/control/config/names.ts";
import { readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { stormRates } from "../../../../lib/control/config/storm_option.ts";
import { NOT_ISOLATED } from "../../../../lib/switch/policy/isolation.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";

const ONE = "52:54:00:00:00:01";
const TWO = "52:54:00:00:00:02";

function fromFile(options: Record<string, unknown>): PortConfig {
  const { ports: [port] = [] } = readConfigObject({ port: [{ name: "a", ...options }] });
  return port as PortConfig;
}

Deno.test("addresses and locks are read the same everywhere", () => {
  const cases: readonly [string, Record<string, unknown>, readonly string[]][] = [
    [`mac=${ONE}`, { mac: ONE }, []],
    [`mac=${ONE},lock=on`, { mac: ONE, lock: true }, [ONE]],
    [`static=${TWO}+52-54-00-00-00-02+${ONE}`, { static: [TWO, TWO, ONE] }, [TWO, ONE]],
    [`lock=on,static=${TWO},mac=${ONE}`, { lock: "on", static: TWO, mac: ONE }, [ONE, TWO]],
    [`lock=off,static=${TWO},mac=${ONE}`, { lock: false, static: [TWO], mac: ONE }, [TWO]],
  ];
  for (const [spec, table, macs] of cases) {
    assert.deepEqual(staticMacs(parsePortSpec(`a,${spec}`, "/run")), macs, spec);
    assert.deepEqual(staticMacs(fromFile(table)), macs, spec);
  }
});

Deno.test("storm limits are read the same everywhere, and an uplink has ten times as much", () => {
  const rates = (broadcast: number, multicast: number, unknown: number): unknown => ({
    ...{ broadcast, multicast, unknown },
  });
  const cases: readonly [string, Record<string, unknown>, unknown][] = [
    ["", {}, rates(2000, 20_000, 20_000)],
    ["storm=off", { storm: false }, rates(0, 0, 0)],
    ["storm=broadcast:5", { storm: { broadcast: 5 } }, rates(5, 20_000, 20_000)],
    [
      "storm=unknown:off+multicast:7",
      { storm: { unknown: "off", multicast: 7 } },
      rates(2000, 7, 0),
    ],
  ];
  for (const [spec, table, wanted] of cases) {
    const read = parsePortSpec(["a", spec].filter(Boolean).join(","), "/run");
    assert.deepEqual(stormRates(read), wanted, spec);
    assert.deepEqual(stormRates(fromFile(table)), wanted, spec);
    // As it goes to a switch that runs.
    assert.deepEqual(
      stormRates(fromFile(JSON.parse(JSON.stringify({ storm: read.storm })))),
      wanted,
    );
  }
  const uplink = parsePortSpec("up=tap:vsw0,storm=multicast:9", "/run");
  assert.deepEqual(stormRates(uplink), rates(20_000, 9, 200_000));
});

Deno.test("isolation groups are read the same everywhere, and those of one name are one", () => {
  const cases: readonly [string, unknown, string | undefined][] = [
    ["isolated=tenants", "tenants", "tenants"],
    ["isolated=7", "7", "7"],
    ["isolated=on", true, "on"],
    ["isolated=off", false, undefined],
  ];
  for (const [spec, value, group] of cases) {
    const read = parsePortSpec(`a,${spec}`, "/run");
    assert.equal(read.isolated, group, spec);
    assert.equal(fromFile({ isolated: value }).isolated, group, spec);
    // As it goes to a switch that runs.
    const sent = JSON.parse(JSON.stringify({ isolated: read.isolated }));
    assert.equal(fromFile(sent).isolated, group, spec);
  }
  const tap = parsePortSpec("t=tap:vsw0,uplink=off,isolated=tenants", "/run");
  assert.equal(groupNumber(tap.isolated), groupNumber("tenants"));
  assert.notEqual(groupNumber("tenants"), groupNumber("others"));
  assert.equal(groupNumber(undefined), NOT_ISOLATED);
  assert.notEqual(groupNumber("tenants"), NOT_ISOLATED);
});

Deno.test("rates are read in the units of tc, and the same everywhere", () => {
  const rate = (bits: number, frames: number, burstMs = 20): unknown => ({ bits, frames, burstMs });
  const cases: readonly [string, unknown, unknown][] = [
    ["100M", rate(1e8, 0), rate(1e8, 0)],
    ["100mbit", rate(1e8, 0), rate(1e8, 0)],
    ["2.5Gbit/1Mpps/200ms", rate(2.5e9, 1e6, 200), rate(2.5e9, 1e6, 200)],
    ["rx:100M/50kpps", rate(1e8, 50_000), null],
    ["tx:800", null, rate(800, 0)],
    ["rx:50kpps+tx:1G", rate(0, 50_000), rate(1e9, 0)],
    ["tx:10kpps/5ms+rx:64kbit", rate(64_000, 0), rate(0, 10_000, 5)],
    ["off", null, null],
  ];
  for (const [value, rx, tx] of cases) {
    const read = parsePortSpec(`a,limit=${value},mtu=1500`, "/run");
    assert.deepEqual(portLimits(read.limit), { rx, tx }, value);
    const sent = JSON.parse(JSON.stringify({ limit: read.limit }));
    for (const table of [{ limit: value }, sent]) {
      assert.deepEqual(portLimits(fromFile(table).limit), { rx, tx }, value);
    }
  }
  assert.equal(limitStatus(fromFile({ limit: false }).limit), null);
  assert.deepEqual(limitStatus("tx:1k"), { rx: null, tx: rate(1000, 0) });
  assert.equal(parsePortSpec("up=nat,limit=1G", "/run").limit, "1G");
});

Deno.test("ports of one group cannot be linked, those of two can", () => {
  const port = (name: string, isolated?: string): PortConfig => ({
    ...{ name, path: `/run/${name}` },
    ...isolated === undefined ? {} : { isolated },
  });
  const link = [{ ports: ["a", "b"] }] as const;
  checkLinks(link, [port("a", "x"), port("b", "y")]);
  checkLinks(link, [port("a", "x"), port("b")]);
  checkLinks(link, [port("a"), port("b")]);
  assert.throws(
    () => checkLinks(link, [port("a", "x"), port("b", "x")]),
    /Cannot link "a" with "b": both are in isolation group x/,
  );
  const two = [{ ports: ["m0", "m1"] }] as const;
  const listener = { ...port("m{n}", "x"), multi: 2 };
  assert.throws(() => checkLinks(two, [listener]), /Cannot link "m0" with "m1"/);
});

Deno.test("guards and addresses are read the same everywhere, and each once", () => {
  const cases: readonly [string, Record<string, unknown>, readonly string[], readonly string[]][] =
    [
      ["mtu=1500", {}, [], []],
      ["guard=on", { guard: true }, ["dhcp", "ra"], []],
      ["guard=off", { guard: false }, [], []],
      ["guard=ra+dhcp+ra", { guard: ["ra", "dhcp"] }, ["ra", "dhcp"], []],
      ["ip=10.0.0.5+10.0.0.5", { ip: "10.0.0.5" }, [], ["10.0.0.5"]],
      ["ip=10.0.0.5/32+0.0.0.0/0", { ip: ["10.0.0.5", "0.0.0.0/0"] }, [], [
        "10.0.0.5",
        "0.0.0.0/0",
      ]],
      [
        "ip=2001:DB8:0:0::A+2001:db8::/32+FE80::/64+::ffff:10.0.0.1",
        { ip: ["2001:db8::a", "2001:db8::/32", "fe80::/64", "::ffff:a00:1"] },
        [],
        ["2001:db8::a", "2001:db8::/32", "fe80::/64", "::ffff:a00:1"],
      ],
    ];
  for (const [spec, table, guard, ip] of cases) {
    assert.deepEqual(guardStatus(parsePortSpec(`a,${spec}`, "/run")), { guard, ip }, spec);
    assert.deepEqual(guardStatus(fromFile(table)), { guard, ip }, spec);
  }
  assert.deepEqual(guardOf({ guard: ["ra"], ip: ["10.0.0.0/8", "2001:db8::1:2"] }), {
    ...{ dhcp: false, ra: true },
    addresses: [
      { words: [0x0a000000], bits: 8 },
      { words: [0x20010db8, 0, 0, 0x00010002], bits: 128 },
    ],
  });
  assert.equal(guardOf({ guard: [] }).addresses, null);
});

Deno.test("each fault gets a line that names the fix", () => {
  const faults: readonly [string, RegExp][] = [
    ["lock=on", /lock=on and no address: name those it may have with mac= or static=/],
    ["isolated=a b", /isolated "a b" must be the name of a group/],
    ["isolated=-", /must be the name of a group, .* such as tenants, or off/],
    ["isolated=a,uplink=on", /is an uplink, which isolated ports are to reach/],
    ["limit=fast", /limit "fast" has "fast", which is no rate: rates are written 100Mbit/],
    ["limit=100Mbps", /has "100Mbps", which is no rate/],
    ["limit=100MB", /which is no rate/],
    ["limit=0", /limit "0" is not from 1 to 1000000000000/],
    ["limit=0pps", /is not from 1/],
    ["limit=2Gpps", /is not from 1 to 1000000000/],
    ["limit=-5M", /which is no rate/],
    ["limit=200ms", /has no rate/],
    ["limit=1M/0ms", /is not from 1 to 10000/],
    ["limit=1M/2M", /says 2M besides another one of its kind/],
    ["limit=1M+2M", /limits rx twice/],
    ["limit=rx:1M+2kpps", /limits rx twice/],
    ["limit=rx:", /which is no rate/],
    ["limit=1M+", /which is no rate/],
    ["lock=maybe", /lock maybe must be on or off/],
    ["static=01:00:5e:00:00:01", /must be the address of one station/],
    [`static=${ONE}+`, /must be the address of one station/],
    ["guard=dhpc", /did you mean.*dhcp/],
    ["guard=on+ra", /guard "on" is unknown; known: dhcp, ra, on, off/],
    ["ip=10.0.0", /ip 10.0.0 must be an IPv4 or IPv6 address or a prefix/],
    ["ip=10.0.0.5+", /ip {2}must be/],
    ["ip=10.0.0.5/33", /must be/],
    ["ip=10.0.0.5/", /must be/],
    ["ip=10.0.0.5/8/8", /must be/],
    ["ip=fe80::1%eth0", /must be/],
    ["ip=10.0.0.5/24", /ip 10.0.0.5\/24 goes on behind its prefix: 10.0.0.5 is the address alone/],
    ["ip=2001:db8::1/64", /2001:db8::1 is the address alone/],
    [`ip=${Array.from({ length: 65 }, (_, i) => `10.0.0.${i}`).join("+")}`, /more than 64/],
    ["storm=5", /storm "5" is unknown; known: broadcast, multicast, unknown/],
    ["storm=brodcast:5", /did you mean.*broadcast/],
    ["storm=broadcast:-1", /storm broadcast:-1 must be off or 1 to 1000000000 frames a second/],
    ["storm=broadcast:0", /must be off or 1/],
    ["storm=broadcast", /must be off or 1/],
    ["storm=broadcast:1e3", /must be off or 1/],
    ["storm=broadcast:1+broadcast:2", /given twice/],
  ];
  for (const [spec, fault] of faults) {
    assert.throws(() => parsePortSpec(`a,${spec}`, "/run"), fault, spec);
  }
  assert.throws(() => fromFile({ limit: 100 }), /limit "100" must be a text/);
  assert.throws(() => parsePortSpec(`a{n},multi=2,static=${ONE}`, "/run"), /multi and static/);
  assert.throws(() => parsePortSpec(`a{n},multi=2,lock=on`, "/run"), /multi and lock/);
});
