/** What operators say of VLANs: how it is written, what it means, and the line that a fault gets. */
import { strict as assert } from "node:assert";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { saysVlans, vlansOf, vlanStatus } from "../../../../lib/control/config/port_vlans.ts";
import { readPort } from "../../../../lib/control/api/bodies.ts";
import { readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { ControlError, type PortConfig } from "../../../../lib/control/types.ts";
import { PortVlans } from "../../../../lib/switch/vlan/port_vlans.ts";

function read(options: string): PortConfig {
  return parsePortSpec(`vm1,${options}`, "/run");
}

/** VLANs that a port is in, as the data plane has them, and its native one. */
function members(config: PortConfig): [number[], number] {
  const vlans = vlansOf(config);
  assert(vlans);
  const port = new PortVlans(vlans.members, vlans.native, vlans.access);
  const all = Array.from({ length: 4096 }, (_, vid) => vid).filter((vid) => port.has(vid));
  return [all, port.native];
}

Deno.test("lists of VLANs are written with commas, plus signs, ranges, in any order", () => {
  assert.equal(read("trunk=1-3,20").trunk, "1-3,20");
  assert.equal(read("trunk=20,4-9,mtu=1500,announce=off").trunk, "4-9,20");
  assert.equal(read("mtu=1500,trunk=20+5+6+1-5").trunk, "1-6,20");
  assert.equal(read("trunk=4094,1,2,native=2").trunk, "1-2,4094");
  const file = readConfigObject({
    port: [{ name: "a", trunk: "5,1-2" }, { name: "b", trunk: [7, "9-10"], native: 9 }, {
      name: "c",
      access: 12,
    }],
  });
  assert.deepEqual(file.ports?.map(({ trunk, access }) => trunk ?? access), [
    "1-2,5",
    "7,9-10",
    12,
  ]);
});

Deno.test("what is said is what the data plane is told, and port show says", () => {
  assert.deepEqual(members(read("access=10")), [[10], 10]);
  assert.deepEqual(members(read("trunk=31-33,4094")), [[31, 32, 33, 4094], 0]);
  assert.deepEqual(members(read("trunk=31-33,native=32")), [[31, 32, 33], 32]);
  const [all, native] = members(read("native=7"));
  assert.deepEqual([all.length, all[0], all.at(-1), native], [4094, 1, 4094, 7]);
  assert.deepEqual([vlansOf({}), vlanStatus({}), saysVlans({})], [null, null, false]);
  assert.deepEqual(vlanStatus(read("access=10")), { access: 10, trunk: null, native: null });
  assert.deepEqual(vlanStatus(read("native=7")), { access: null, trunk: "1-4094", native: 7 });
  assert.deepEqual(vlanStatus(read("trunk=7,8")), { access: null, trunk: "7-8", native: null });
});

Deno.test("an option goes through the control API as it was written", async () => {
  const { name, access, trunk, native } = read("trunk=1-10,20,native=20");
  const body = JSON.stringify({ name, access, trunk, native });
  const port = await readPort(new Request("http://x/", { method: "POST", body }));
  assert.deepEqual([port.trunk, port.native, port.access], ["1-10,20", 20, undefined]);
});

Deno.test("ports of any kind have VLANs", () => {
  for (const target of ["tap:vsw0", "stream:/x", "seqpacket:/x"]) {
    assert.equal(parsePortSpec(`up=${target},trunk=3,7`, "/run").trunk, "3,7");
  }
});

/** What is wrong, and what its line must say. */
const FAULTS: readonly [string, RegExp][] = [
  ["access=0", /access 0 must be the number of a VLAN, 1-4094$/],
  ["access=4095", /access 4095 must be the number of a VLAN/],
  ["access=ten", /access ten must be the number/],
  ["access=10,trunk=1-10", /access and trunk exclude each other: leave one out$/],
  ["access=10,native=10", /access and native exclude each other/],
  ["trunk=1-4095", /trunk 4095 must be the number of a VLAN/],
  ["trunk=0-4", /trunk 0 must be the number of a VLAN/],
  ["trunk=9-3", /trunk 9-3 ends before it begins: 3-9$/],
  ["trunk=1-2-3", /trunk "1-2-3" must be VLANs such as 10 or 1-10/],
  ["trunk=1++2", /trunk "" must be VLANs/],
  ["trunk=all", /trunk all must be the number/],
  ["trunk=1-10,native=11", /native 11 is not in trunk 1-10: trunk=1-11$/],
  ["trunk=1-10,,20", /an option is empty/],
  ["mtu=1500,20", /unknown option "20"/],
];

Deno.test("a fault is one line that says what to write", () => {
  for (const [text, line] of FAULTS) {
    assert.throws(() => read(text), (error) => {
      assert(error instanceof ControlError, text);
      assert.match(error.message, line);
      assert(!error.message.includes("\n"));
      return true;
    });
  }
  const bad = { port: [{ name: "a", trunk: [{}] }] };
  assert.throws(() => readConfigObject(bad), /trunk {} must be a list of VLANs such as "1-10,20"/);
});
