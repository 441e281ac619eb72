/** Bodies of requests: what they mean, and the one sentence for each that means nothing. */
import { strict as assert } from "node:assert";
import { readAdmin, readPair, readPort } from "../../../../lib/control/api/bodies.ts";
import { controlError } from "../support.ts";

function post(body: BodyInit | null): Request {
  return new Request("http://switch/v1/ports", { method: "POST", body });
}

function json(value: unknown): Request {
  return post(JSON.stringify(value));
}

/** Is refused as the operator's mistake, in one line. */
async function refused(reading: Promise<unknown>, text: RegExp): Promise<void> {
  await assert.rejects(reading, controlError("invalid", text));
}

Deno.test("a port has its name's socket in the switch's folder, or the path it is given", async () => {
  const paths = [
    [{ name: "a" }, "/run/v/a.sock"],
    [{ name: "a", path: "b" }, "/run/v/b"],
    [{ name: "a", path: "../b" }, "/run/b"],
    [{ name: "a", path: "/tmp/b" }, "/tmp/b"],
  ] as const;
  for (const [body, path] of paths) {
    assert.deepEqual(await readPort(json(body), "/run/v"), { name: "a", path });
  }
  const options = { mtu: 9000, mac: "52:54:00:AB:00:01", offer: ["gpa"] };
  assert.deepEqual(await readPort(json({ name: "a", ...options }), "/r"), {
    ...{ name: "a", path: "/r/a.sock", mtu: 9000, mac: "52:54:00:ab:00:01", offer: ["gpa"] },
  });
});

Deno.test("a port without a name, with an empty path or an unknown key is none", async () => {
  await refused(readPort(json({})), /needs a name, a text/);
  await refused(readPort(json({ name: 7 })), /needs a name, a text/);
  await refused(readPort(json({ name: "a", path: 7 })), /if given, is one too/);
  await refused(
    readPort(json({ name: "a", path: null, x: 1 })),
    /unknown "x"; known: name, path, /,
  );
  await refused(readPort(json({ name: "a", path: "" })), /path of port a is empty/);
  await refused(readPort(json({ name: "a", mtuu: 1500 })), /unknown "mtuu"/);
  await refused(readPort(json({ name: "a", mtu: 67 })), /68 to 65535/);
  await refused(readPort(json({ name: "-" })), /start with/);
});

Deno.test("what an operator says of a port in service, and of two ports", async () => {
  assert.equal(await readAdmin(json({ admin: "down" })), "down");
  assert.equal(await readAdmin(json({ admin: "up" })), "up");
  for (const admin of ["Down", true, null, ["up"]]) {
    await refused(readAdmin(json({ admin })), /must be "up" or "down"/);
  }
  assert.deepEqual(await readPair(json({ ports: ["a", "b"] })), ["a", "b"]);
  for (const ports of [[], ["a"], ["a", "b", "c"], ["a", 1], "ab", { 0: "a", 1: "b", length: 2 }]) {
    await refused(readPair(json({ ports })), /A link needs ports/);
  }
});

Deno.test("a body is one JSON object", async () => {
  for (const body of [null, "", "{", "[]", "null", "7", '"a"', '{"admin":"up"} x']) {
    await refused(readAdmin(post(body)), /must be a JSON object/);
  }
});

Deno.test("a body is read no further than its limit, however much of it comes", async () => {
  const exact = JSON.stringify({ admin: "up", fill: "" });
  const fill = "x".repeat(65536 - exact.length);
  assert.equal(await readAdmin(json({ admin: "up", fill })), "up");
  await refused(readAdmin(json({ admin: "up", fill: `${fill}x` })), /at most 65536 bytes/);
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(10_000).fill(32));
    },
  });
  await refused(readAdmin(post(endless)), /at most 65536 bytes/);
  assert(pulled < 20, `${pulled} pieces were read`);
});
