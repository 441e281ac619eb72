/** Tables of nftables: their names say whose they are, their rules who may speak with whom. */
import { strict as assert } from "node:assert";
import { thisOwner } from "../../../../lib/control/nat/owner.ts";
import {
  natTable,
  natTables,
  removal,
  ruleset,
  strictChains,
} from "../../../../lib/control/nat/ruleset.ts";
import { readSubnet } from "../../../../lib/control/nat/subnet.ts";

Deno.test("a table's name says who made it, and others' tables are none of ours", () => {
  const one = natTable("vunat0", thisOwner(), false);
  const two = natTable("vunat12", { pid: 7, start: 8, space: 9 }, true);
  const listed = `table ip nat\ntable inet filter\ntable inet ${one.name}\ntable ip ${two.name}\n` +
    `table inet ${two.name}\ntable inet vuswitch-vunat0\ntable inet vuswitch-vunat0-1-2-3-f2\n` +
    `table inet my-${one.name}\n`;
  assert.deepEqual(natTables(listed), [one, two]);
  assert.deepEqual(natTables(""), []);
});

Deno.test("guests reach the host and beyond, and nobody from there reaches them first", () => {
  const table = natTable("vunat0", { pid: 7, start: 8, space: 9 }, false);
  const lines = ruleset(table, readSubnet("10.87.0.0/24")).split("\n").map((line) => line.trim());
  assert.equal(lines[0], "table inet vuswitch-vunat0-7-8-9-f0 {");
  const chain = (name: string): string[] => {
    const begin = lines.indexOf(`chain ${name} {`) + 2;
    return lines.slice(begin, lines.indexOf("}", begin));
  };
  assert.deepEqual(chain("prerouting"), [
    `iifname "vunat0" meta nfproto ipv6 counter drop`,
    `iifname "vunat0" ip saddr != { 0.0.0.0, 10.87.0.0/24 } counter drop`,
  ]);
  assert.deepEqual(chain("postrouting"), [
    `ip saddr 10.87.0.0/24 oifname != "vunat0" masquerade`,
  ]);
  assert.deepEqual(chain("forward"), [
    `iifname "vunat0" ip saddr 10.87.0.0/24 accept`,
    `iifname "vunat0" drop`,
    `oifname "vunat0" ip daddr 10.87.0.0/24 ct state established,related accept`,
    `oifname "vunat0" drop`,
  ]);
  // Adding first makes it no error if somebody else was faster.
  assert.equal(removal([table]), `add table inet ${table.name}\ndelete table inet ${table.name}\n`);
});

Deno.test("chains of others that drop what they do not know are found", () => {
  const listed = `table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER {
	}
	chain OUTPUT {
		type filter hook output priority filter; policy drop;
	}
}
table inet firewall {
	chain in {
		type filter hook input priority filter; policy drop;
	}
	chain fwd_ok {
		type filter hook forward priority filter; policy accept;
	}
}
`;
  assert.deepEqual(strictChains(listed), [
    { name: "ip filter FORWARD", hook: "forward" },
    { name: "inet firewall in", hook: "input" },
  ]);
});
