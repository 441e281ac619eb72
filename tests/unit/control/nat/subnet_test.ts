/** Networks for guests: which are taken, which is chosen, which an operator may name. */
import { strict as assert } from "node:assert";
import {
  checkFree,
  chooseSubnet,
  hostText,
  nameServers,
  netmaskText,
  overlaps,
  readSubnet,
  routedSubnets,
  type Subnet,
  subnetText,
} from "../../../../lib/control/nat/subnet.ts";
import { controlError } from "../support.ts";

/** As Linux 6.18 prints it, with a VPN's two halves and a table of its own. */
const TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
        /1 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 128.0.0.0
        /1 universe UNICAST
     |-- 192.0.2.0
        /24 link UNICAST
Id 51820:
  |-- 10.87.0.0
     /16 link UNICAST
     /24 link UNICAST
`;

function texts(subnets: readonly Subnet[]): string[] {
  return subnets.map(subnetText);
}

Deno.test("the networks of all routing tables are found, default routes are none", () => {
  assert.deepEqual(texts(routedSubnets(TRIE)), [
    ...["127.0.0.1/32", "192.0.2.0/24", "10.87.0.0/16", "10.87.0.0/24"],
  ]);
  assert.deepEqual(routedSubnets(""), []);
});

Deno.test("name servers are found", () => {
  const text = "# nameserver 1.1.1.1\nnameserver 10.0.0.1\nnameserver ::1\nsearch nameserver\n";
  assert.deepEqual(texts(nameServers(text)), ["10.0.0.1/32"]);
});

Deno.test("the network chosen is nobody's, and switches that start together choose others", () => {
  assert.equal(subnetText(chooseSubnet([], 0)), "10.87.0.0/24");
  assert.equal(subnetText(chooseSubnet([], 5)), "10.87.5.0/24");
  const taken = (...names: string[]): Subnet[] => names.map(readSubnet);
  assert.equal(subnetText(chooseSubnet(taken("10.87.0.0/24"), 0)), "10.87.16.0/24");
  assert.equal(subnetText(chooseSubnet(taken("10.0.0.0/8"), 3)), "172.30.3.0/24");
  const most = taken("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/17");
  assert.equal(subnetText(chooseSubnet(most, 1)), "192.168.129.0/24");
  const looked = Array.from({ length: 16 }, (_, number) => {
    const seen: Subnet[] = [];
    for (let i = 0; i < 64; i++) seen.push(chooseSubnet(seen, number));
    return texts(seen);
  });
  assert.equal(new Set(looked.flat()).size, 16 * 64, "no two switches look at the same network");
  const all = taken("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10");
  assert.throws(() => chooseSubnet(all, 0), controlError("failed", /No network is left/));
});

Deno.test("networks overlap, and are refused, if one is in the other", () => {
  const [wide, narrow, other] = ["10.0.0.0/8", "10.9.8.0/24", "172.16.0.0/24"].map(readSubnet) as [
    ...[Subnet, Subnet, Subnet],
  ];
  assert(overlaps(wide, narrow) && overlaps(narrow, wide) && !overlaps(narrow, other));
  checkFree(other, [wide, narrow]);
  assert.throws(
    () => checkFree(narrow, [other, wide]),
    controlError("conflict", /10\.9\.8\.0\/24 is in use.*route to 10\.0\.0\.0\/8/),
  );
});

Deno.test("addresses of a network", () => {
  const subnet = readSubnet("172.30.4.0/22");
  assert.equal(netmaskText(subnet), "255.255.252.0");
  assert.equal(hostText(subnet, 1), "172.30.4.1");
  assert.equal(hostText(subnet, -2), "172.30.7.254");
});

Deno.test("a network that guests cannot be given is refused with what could be", () => {
  const cases: [unknown, RegExp][] = [
    ...["", "10.87.0.0", "10.87.0/24", "10.87.0.0/7", "10.87.0.0/25", "10.87.0.256/24", "fd00::/64"]
      .map((text): [string, RegExp] => [text, /must be an IPv4 network of \/8 to \/24 such as/]),
    [7, /must be an IPv4 network/],
    [null, /must be an IPv4 network/],
    ["10.87.0.1/24", /must be 10\.87\.0\.0\/24: that is the network/],
    ["8.8.8.0/24", /must be in 10\.0\.0\.0\/8, .*others are somebody's/],
    ["172.0.0.0/8", /must be in 10\.0\.0\.0\/8/],
  ];
  for (const [text, fault] of cases) {
    assert.throws(() => readSubnet(text), controlError("invalid", fault), String(text));
  }
});
