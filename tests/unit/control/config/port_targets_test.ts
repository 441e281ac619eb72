/** Kinds of ports besides vhost-user ones, as operators write them everywhere. */
import { strict as assert } from "node:assert";
import { mergeConfig } from "../../../../lib/control/config/config.ts";
import { readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { checkNames } from "../../../../lib/control/config/names.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { isUplink } from "../../../../lib/control/config/port_targets.ts";
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

Deno.test("a number of a descriptor and a file of a device have one form", () => {
  for (
    const [given, kept] of [["fd=005", "fd=5"], ["fd=0", "fd=0"], [
      "/dev//net/../tap7",
      "/dev/tap7",
    ]]
  ) {
    assert.equal(parsePortSpec(`up=tap:${given}`, "/run").path, `tap:${kept}`);
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
  for (const what of [...names, "/etc/passwd", "/dev/", "/dev/../etc/passwd"]) {
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

Deno.test("the socket of a stream is written the same everywhere, relative where its kind of path is", async () => {
  for (const kind of ["stream", "seqpacket"] as const) {
    const port = { name: "net", kind, path: `${kind}:/x/net.sock`, mode: "connect", mtu: 9000 };
    assert.deepEqual(parsePortSpec(`net=${port.path},mode=connect,mtu=9000`, "/run"), port);
    const input = readConfigObject({
      port: [{ name: "net", socket: `${kind}:net.sock`, mode: "connect", mtu: 9000 }],
      sockets: { directory: "/x" },
    });
    assert.deepEqual(mergeConfig(input, {}, "/run/ctl").ports, [port]);
    const body = { name: "net", path: `${kind}:../x/net.sock`, mode: "connect", mtu: 9000 };
    assert.deepEqual(await bodyPort(body), port);
    const here = parsePortSpec(`net=${kind}:net.sock`, "/run").path;
    assert.equal(here, `${kind}:${Deno.cwd()}/net.sock`);
    for (const option of ["queues=2", "multi=2", "mac=52:54:00:00:00:01", "offer=gpa"]) {
      const why = new RegExp(`means nothing for .* ${kind}: .*mode, mtu`);
      assert.throws(
        () => parsePortSpec(`net=${kind}:/x,${option}`, "/run"),
        controlError("invalid", why),
      );
    }
    assert.throws(
      () => parsePortSpec(`net=${kind}:`, "/run"),
      controlError("invalid", /must name/),
    );
  }
});

Deno.test("two ports have no socket together, whatever is behind them", () => {
  for (
    const [one, other] of [["stream:/x", "/x"], ["/x", "seqpacket:/x"], [
      "stream:/x",
      "seqpacket:/x",
    ]]
  ) {
    const ports = [parsePortSpec(`a=${one}`, "/run"), parsePortSpec(`b=${other}`, "/run")];
    assert.throws(() => checkNames(ports), controlError("invalid", /share \/x/));
  }
});

Deno.test("nat is a word of its own, everywhere that a path may stand", () => {
  const nat = { name: "up", kind: "nat", path: "nat" };
  assert.deepEqual(parsePortSpec("up=nat", "/run"), nat);
  const full = { ...nat, mtu: 9000, subnet: "10.87.0.0/24" };
  assert.deepEqual(parsePortSpec("up=nat,mtu=9000,subnet=10.87.0.0/24", "/run"), full);
  assert(isUplink(nat as PortConfig));
  const socket = parsePortSpec("up=./nat", "/run");
  assert.equal(socket.kind, undefined, "a socket of that name");
  const cases: [string, RegExp][] = [
    ["up=nat:eth0", /nat:eth0 must be nat alone, with options behind a comma/],
    ["up=nat,queues=2", /queues means nothing for a port of kind nat: .*it has subnet, mtu/],
    ["up=nat,subnet=", /option subnet has no value: subnet=ADDRESS\/N/],
    ["up=nat,subnet=10.0.0.1/24", /subnet 10\.0\.0\.1\/24 must be 10\.0\.0\.0\/24/],
    ["up=tap:vsw0,subnet=10.0.0.0/24", /subnet means nothing for a port of kind tap/],
    ["up=/run/up.sock,subnet=10.0.0.0/24", /subnet means nothing for a vhost-user port/],
  ];
  for (const [spec, fault] of cases) {
    assert.throws(() => parsePortSpec(spec, "/run"), controlError("invalid", fault), spec);
  }
});

Deno.test("a file says nat as a flag does, and two ports cannot have it", () => {
  const port = { name: "up", socket: "nat", subnet: "10.87.0.0/24" };
  const { ports } = mergeConfig(readConfigObject({ port: [port] }), {}, "/run/ctl.sock");
  assert.deepEqual(ports, [{ name: "up", kind: "nat", path: "nat", subnet: "10.87.0.0/24" }]);
  const flags = { ports: [parsePortSpec("more=nat", "/run")] };
  assert.throws(
    () => mergeConfig(readConfigObject({ port: [port] }), flags, "/run/ctl.sock"),
    controlError("invalid", /Ports "up" and "more" share nat: change one/),
  );
});
