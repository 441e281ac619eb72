/** The unit that `emit systemd` prints: what it must say, and what it refuses to print. */
import { strict as assert } from "node:assert";
import { ControlError } from "../../../lib/control/types.ts";
import { emitSystemd } from "../../../lib/emit/systemd.ts";

Deno.test("a unit without devices has no network and no capability, one with them has their few", () => {
  const plain = emitSystemd({ tap: false }).unit;
  assert(plain.includes("ExecStart=/usr/local/bin/vuswitch run --config /etc/vuswitch.toml"));
  assert(plain.includes("RestrictAddressFamilies=AF_UNIX") && plain.includes("PrivateNetwork=yes"));
  assert(plain.includes("CapabilityBoundingSet="));
  const checked = "ExecReload=/usr/local/bin/vuswitch config check /etc/vuswitch.toml";
  assert.equal(plain.indexOf("ExecReload=/bin/kill -HUP $MAINPID") - plain.indexOf(checked), 1);
  const tap = emitSystemd({ tap: true, user: "net", binary: "/v", config: "/etc/a-b@1.toml" }).unit;
  assert(tap.includes("ExecStart=/v run --config /etc/a-b@1.toml") && tap.includes("User=net"));
  assert(tap.includes("AmbientCapabilities=CAP_NET_ADMIN"));
  assert(!tap.some((line) => line.startsWith("PrivateNetwork")));
  const once = (unit: readonly string[]): string[] =>
    unit.filter((line) =>
      /^[A-Z]\w+=/.test(line) && !/^(?:SystemCallFilter|ExecReload)=/.test(line)
    )
      .map((line) => line.replace(/=.*/, "")).filter((key) => key !== "DeviceAllow");
  const told = emitSystemd({ tap: false, metrics: "127.0.0.1:9477" }).unit;
  assert(told.some((line) => line.endsWith("/vuswitch.toml --metrics 127.0.0.1:9477")));
  assert(told.includes("RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"));
  assert(told.includes("IPAddressAllow=localhost") && !told.includes("PrivateNetwork=yes"));
  for (const unit of [plain, tap, told]) assert.equal(new Set(once(unit)).size, once(unit).length);
});

Deno.test("words that would mean something else in a unit are refused in one line", () => {
  const words = [
    { binary: "vuswitch" },
    { binary: "/a b" },
    { binary: "/a%b" },
    { config: "/etc/x\nExecStartPre=/bin/sh" },
    { config: "/" },
    { config: "" },
    { user: "a b" },
    { user: "" },
    { user: "root\n" },
    { user: "-x" },
    { metrics: "" },
    { metrics: "0.0.0.0:9477" },
    { metrics: "127.0.0.1:9477 --fd 3" },
    { metrics: "127.0.0.1:0" },
  ];
  for (const each of words) {
    assert.throws(() => emitSystemd({ tap: false, ...each }), (error) => {
      assert(error instanceof ControlError);
      assert.equal(error.kind, "invalid");
      return true;
    }, JSON.stringify(each));
  }
});
