/** Options that change while a port is there: which, what is refused, and what a data plane is told. */
import { strict as assert } from "node:assert";
import {
  changeConfig,
  DEFAULT_WORD,
  LIVE_OPTIONS,
} from "../../../../lib/control/config/live_options.ts";
import { OPTION_NAMES } from "../../../../lib/control/config/port_options.ts";
import { parsePortSpec, splitOptions } from "../../../../lib/control/config/port_spec.ts";
import type { Placed } from "../../../../lib/control/planes.ts";
import { applyPolicy } from "../../../../lib/control/policy.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";
import { makeDataPlane } from "../../../../lib/worker/wire.ts";
import { controlError } from "../support.ts";

const ONE = "52:54:00:00:00:01";
const TWO = "52:54:00:00:00:02";

const specOf = (options: string): PortConfig => parsePortSpec(`vm1${options}`, "/run");
const set = (config: PortConfig, ...options: string[]): PortConfig =>
  changeConfig(config, splitOptions(options));

/** Commands that a change gives, those of `fails` in vain. */
function told(before: PortConfig, after: PortConfig, fails = ""): string[] {
  const given: string[] = [];
  const commands = makeDataPlane((name, what) => {
    const { port: _, ...rest } = what as Record<string, unknown>;
    if (name === "setVlans") given.push(`${name} ${rest["vlans"] === null ? "none" : "some"}`);
    else given.push(`${name} ${Object.values(rest).map((each) => JSON.stringify(each)).join()}`);
    const answer = (what as { macLo?: number }).macLo === undefined || fails === ""
      ? "done"
      : String((what as { macHi: number }).macHi) === fails
      ? "elsewhere"
      : "done";
    return answer as never;
  });
  const placed = { plane: { thread: { commands } }, number: 3 } as unknown as Placed;
  try {
    applyPolicy(placed, after, before);
  } catch (error) {
    given.push(`${error}`);
  }
  return given;
}

/** A value of each option, and the commands that put it in force at a port that says nothing. */
const CHANGES: Readonly<Record<string, readonly [value: string, ...commands: RegExp[]]>> = {
  mac: [ONE],
  static: [`${ONE}+${TWO}`, /^setStatic/, /^setStatic/],
  lock: [`on,mac=${ONE}`, /^setStatic/, /^setLock true/],
  storm: ["broadcast:5", /^setStorm 5,20000,20000/],
  limit: ["rx:8k", /^setRates {"bits":8000,"frames":0,"burstMs":20},null/],
  isolated: ["tenants", /^setIsolation [1-9]/],
  budget: ["addresses:9", /^setAddressesMax 9/],
  guard: ["dhcp", /^setGuard true,false,null/],
  ip: ["10.0.0.5", /^setGuard false,false,\[/],
  forward: ["lldp", /^setReserved 16384/],
  uplink: ["on", /^setStorm 20000,/, /^setUplink true/],
  access: ["7", /^setVlans some/],
  trunk: ["7,9", /^setVlans some/],
  native: ["7", /^setVlans some/],
};

Deno.test("every option changes live at the data plane, or says why it cannot", () => {
  assert.deepEqual(Object.keys(CHANGES).sort(), [...LIVE_OPTIONS].sort());
  for (const [name, [value, ...commands]] of Object.entries(CHANGES)) {
    const before = specOf("");
    const after = set(before, ...`${name}=${value}`.split(","));
    const given = told(before, after);
    assert.equal(given.length, commands.length, `${name}: ${given}`);
    for (const [i, command] of commands.entries()) assert.match(given[i] ?? "", command, name);
    assert.deepEqual(told(after, after), [], "what stays is not told again");
  }
  for (const name of OPTION_NAMES) {
    if (LIVE_OPTIONS.includes(name)) continue;
    assert.throws(
      () => changeConfig(specOf(""), { [name]: "1" }),
      controlError(
        "invalid",
        new RegExp(`^Cannot set port vm1: ${name} cannot change, .*: vuswitch`),
      ),
    );
  }
});

Deno.test("default takes an option back, and what was said goes with it", () => {
  const all = `,static=${ONE},storm=off,limit=1M,isolated=a,forward=lldp,uplink=off,access=7`;
  const before = specOf(all);
  const names = ["static", "storm", "limit", "isolated", "forward", "uplink", "access"];
  const after = set(before, ...names.map((name) => `${name}=${DEFAULT_WORD}`));
  assert.deepEqual(after, specOf(""));
  assert.deepEqual(told(before, after).map((each) => each.split(" ")[0]).sort(), [
    ...["setIsolation", "setRates", "setReserved", "setStorm", "setVlans", "unsetStatic"],
  ]);
  assert.deepEqual(set(before, "limit=off", "isolated=off"), {
    ...specOf(all.replace(",limit=1M,isolated=a", "")),
  });
});

Deno.test("a port goes from access to trunk and back with one word", () => {
  const access = specOf(",access=7");
  const trunk = set(access, "trunk=7,9", "native=9");
  assert.deepEqual([trunk.access, trunk.trunk, trunk.native], [undefined, "7,9", 9]);
  assert.deepEqual(set(trunk, "native=7").trunk, "7,9");
  assert.deepEqual(set(trunk, "access=7"), access);
  assert.throws(() => set(access, "access=7", "trunk=9"), /access and trunk exclude each other/);
  assert.throws(() => set(trunk, "trunk=7"), /native 9 is not in trunk 7/);
});

Deno.test("what is wrong is one line that names the port, and nothing is changed", () => {
  const cases: readonly [string, Record<string, unknown>, RegExp][] = [
    ["", {}, /^Cannot set port vm1: no option is given: OPTION=VALUE/],
    ["", { limti: "1M" }, /unknown option "limti", did you mean limit\?/],
    ["", { limit: "fast" }, /limit "fast" has "fast", which is no rate/],
    ["", { limit: 5 }, /limit "5" must be a text/],
    ["", { limit: "1M", access: "4095" }, /access 4095 must be the number of a VLAN/],
    ["", { lock: "on" }, /lock=on and no address/],
    [`,mac=${ONE},lock=on`, { mac: "default" }, /lock=on and no address/],
    ["", { mtu: "9000" }, /mtu cannot change, a guest reads it once/],
    ["", { isolated: "a", uplink: "on" }, /is an uplink, which isolated ports are to reach/],
    ["", { budget: "memory:1G" }, /of budget only addresses:N can change/],
    [",budget=addresses:5", { budget: "default" }, /budget=addresses:N/],
    ["=tap:vsw0", { mac: ONE }, /option mac means nothing for a port of kind tap/],
  ];
  for (const [spec, given, fault] of cases) {
    const before = specOf(spec);
    const copy = structuredClone(before);
    assert.throws(() => changeConfig(before, given), controlError("invalid", fault));
    assert.deepEqual(before, copy);
  }
});

Deno.test("of several addresses all become static, or none", () => {
  const before = specOf(`,static=${ONE}`);
  const after = set(before, `static=${TWO}+52:54:00:00:00:03`, "limit=1M");
  const given = told(before, after, String(0x0300));
  assert.equal(given.length, 4, `${given}`);
  assert.match(given.join(), /setStatic .*setStatic .*unsetStatic .*is static at another port/);
  assert.match(told(before, after).join(), /setStatic.*setStatic.*setRates.*unsetStatic/);
});
