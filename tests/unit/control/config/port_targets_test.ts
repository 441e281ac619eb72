/** Kinds of ports besides vhost-user ones, as operators write them everywhere. */
import { strict as assert } from "node:assert";
import { mergeConfig, readConfigObject } from "../../../../lib/control/config/config.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { readPort } from "../../../../lib/control/api/bodies.ts";
import type { PortConfig } from "../../../../lib/control/types.ts";
import { controlError } from "../support.ts";

async function bodyPort(body: unknown): Promise<PortConfig> {
  return await readPort(
    new Request("http://x/", { method: "POST", body: JSON.stringify(body) }),
    "/run",
  );
}

Deno.test("a TAP device is written the same in a specification, a file and a request", async () => {
  for (const what of ["vsw0", "vusw%d", "/dev/tap7", "fd=5", "a-b_c.d"]) {
    const port = { name: "up", kind: "tap", path: `tap:${what}`, mtu: 9000, queuePairs: 4 };
    assert.deepEqual(parsePortSpec(`up=tap:${what},mtu=9000,queues=4`, "/run"), port);
    const input = readConfigObject({
      port: [{ name: "up", socket: `tap:${what}`, mtu: 9000, queues: 4 }],
    });
    assert.deepEqual(mergeConfig(input, {}, "/run/ctl").ports, [port]);
    assert.deepEqual(await bodyPort({ name: "up", path: port.path, mtu: 9000, queues: 4 }), port);
  }
});

Deno.test("a path with a colon in it is a path", () => {
  for (const path of ["/run/tap:x", "/run/a:b", "/x:/y"]) {
    assert.deepEqual(parsePortSpec(`vm=${path}`, "/run"), { name: "vm", path });
  }
  assert.equal(parsePortSpec("vm=./tap:x", "/run").path, `${Deno.cwd()}/tap:x`);
  assert.equal(parsePortSpec("vm=qemu:1", "/run").path, `${Deno.cwd()}/qemu:1`);
});

Deno.test("what no device can be called, and options that mean nothing there, are refused", () => {
  const names = ["", ".", "..", "a/b", "sixteen-or-more0", "a b", "a:b", "fd=", "fd=x", "fd=-1"];
  for (const what of [...names, "/etc/passwd", "/dev/"]) {
    assert.throws(
      () => parsePortSpec(`up=tap:${what}`, "/run"),
      controlError("invalid", /must name a device/),
    );
  }
  const options = ["mode=connect", "multi=2", "mac=52:54:00:00:00:01", "offer=gpa", "announce=off"];
  for (const option of options) {
    const [name] = option.split("=");
    assert.throws(
      () => parsePortSpec(`up=tap:vsw0,${option}`, "/run"),
      controlError("invalid", new RegExp(`${name} means nothing for .* tap: .*mtu, queues`)),
    );
  }
  assert.throws(
    () => parsePortSpec("up=tpa:vsw0", "/run"),
    controlError("invalid", /did you mean "?tap/),
  );
});

Deno.test("two ports have no device together", () => {
  const ports = ["one", "other"].map((name) => parsePortSpec(`${name}=tap:vsw0`, "/run"));
  assert.throws(
    () => mergeConfig({}, { ports }, "/run/ctl"),
    controlError("invalid", /share tap:vsw0/),
  );
});
