/** What is read of an option is written so that it is read as the same. */
import { strict as assert } from "node:assert";
import {
  changedOptions,
  optionValue,
  optionValues,
  samePort,
} from "../../../../lib/control/config/option_values.ts";
import { whyRenewed } from "../../../../lib/control/config/live_options.ts";
import { OPTION_NAMES, PORT_OPTIONS } from "../../../../lib/control/config/port_options.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";

/** Values of each option, as people write them. */
const GIVEN: Readonly<Record<string, readonly unknown[]>> = {
  mode: ["listen", "connect"],
  multi: [3],
  mtu: ["1500"],
  queues: [4],
  mac: ["52:54:00:00:00:0A"],
  static: ["52:54:00:00:00:01+52:54:00:00:00:02", ["52:54:00:00:00:01"]],
  lock: ["on", false],
  storm: ["off", "broadcast:5", "broadcast:off+unknown:7", { multicast: 9 }],
  limit: ["rx:100M/50kpps+tx:1G"],
  isolated: ["tenants", true],
  budget: ["large", "memory:4G+regions:8", "addresses:9"],
  guard: ["on", "off", "dhcp", []],
  ip: ["10.0.0.5+2001:DB8::/64"],
  announce: ["off", true],
  offload: ["csum", false],
  forward: ["lldp+0d"],
  uplink: ["on", "off"],
  owner: ["0", "0:0"],
  "peer-uid": ["0+1", [7]],
  subnet: ["10.87.0.0/24"],
  access: [7],
  trunk: ["20,1-3,4", [5, "7-9"]],
  native: [9],
  offer: ["inband+gpa"],
};

Deno.test("each option is written as it is read", () => {
  assert.deepEqual(
    Object.keys(GIVEN).sort(),
    OPTION_NAMES.toSorted(),
    "an option has a value here",
  );
  for (const [name, values] of Object.entries(GIVEN)) {
    for (const given of values) {
      const read = PORT_OPTIONS[name]?.read(given) ?? {};
      const port: PortConfig = { name: "a", path: "/a", ...read };
      const written = optionValue(name, port);
      assert.notEqual(written, undefined, `${name} ${given}`);
      assert.deepEqual(PORT_OPTIONS[name]?.read(written), read, `${name} ${given}`);
      assert.deepEqual(Object.keys(optionValues(port)), [name]);
      assert.deepEqual(changedOptions(port, { ...port }), []);
    }
  }
});

Deno.test("a default that is written down is no change, and another value is one", () => {
  const port: PortConfig = { name: "a", path: "/a" };
  const same: PortConfig = {
    ...port,
    mode: "listen",
    queuePairs: 32,
    announce: true,
    offload: "uso",
  };
  assert(samePort(port, same));
  assert.deepEqual(changedOptions(port, { ...port, mtu: 1500, limit: "1M" }), ["mtu", "limit"]);
  for (const other of [{ path: "/b" }, { fd: 3 }, { kind: "tap" }, { name: "b" }] as const) {
    assert(!samePort(port, { ...port, ...other }));
  }
});

Deno.test("a port is made anew for what cannot change, and for nothing else", () => {
  const port: PortConfig = { name: "a", path: "/a", budget: { addresses: 9 } };
  const why = (other: Partial<PortConfig>): string | null =>
    whyRenewed(port, { ...port, ...other });
  assert.equal(why({ limit: "1M", mac: "52:54:00:00:00:01", budget: { addresses: 10 } }), null);
  assert.equal(why({ mtu: 1500, limit: "1M" }), "mtu default -> 1500");
  assert.equal(why({ path: "/b", queuePairs: 2 }), "socket /a -> /b, queues default -> 2");
  assert.equal(why({ fd: 5 }), "socket /a -> descriptor 5");
  assert.match(
    why({ budget: { memory: 2 ** 30 } }) ?? "",
    /^budget addresses:9 -> memory:1073741824$/,
  );
});
