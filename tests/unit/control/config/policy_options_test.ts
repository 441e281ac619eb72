/** Options of who may send what: the same in a specification and in a file, and what each fault says. */
import { strict as assert } from "node:assert";
import { staticMacs } from "../../../../lib/control/config/policy_options.ts";
import { readConfigObject } from "../../../../lib/control/config/config.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { stormRates } from "../../../../lib/control/config/storm_option.ts";
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

Deno.test("each fault gets a line that names the fix", () => {
  const faults: readonly [string, RegExp][] = [
    ["lock=on", /lock=on and no address: name those it may have with mac= or static=/],
    ["lock=maybe", /lock maybe must be on or off/],
    ["static=01:00:5e:00:00:01", /must be the address of one station/],
    [`static=${ONE}+`, /must be the address of one station/],
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
  assert.throws(() => parsePortSpec(`a{n},multi=2,static=${ONE}`, "/run"), /multi and static/);
  assert.throws(() => parsePortSpec(`a{n},multi=2,lock=on`, "/run"), /multi and lock/);
});
