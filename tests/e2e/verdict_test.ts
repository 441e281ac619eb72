/**
 * What a port says of itself, from nobody through a guest at work to nobody again.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { ListenerStatus, PortStatus } from "../../lib/control/types.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { macOf } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

Deno.test("a port's verdict and its times follow what happens to it", async () => {
  await using bed = await Bed.make(2);
  const waiting = await bed.process.port("vm1");
  assert.match(waiting.verdict, /^waiting for a front-end: nobody has connected since 20/);
  assert.equal(waiting.connectedAt, null);
  const guest = await bed.guest(1);
  let port: PortStatus = waiting;
  try {
    await until("the link", async () => (port = await bed.process.port("vm1")).link === "up");
    assert.equal(port.verdict, "link up, no frames yet");
    assert(port.connectedAt !== null && port.connectedAt >= waiting.linkSince);
    assert(port.linkSince >= port.connectedAt);
    assert.match(
      (await vuswitch("port", "show", "vm1", "--ctl", bed.process.ctl)).stdout,
      /^verdict/m,
    );
  } finally {
    guest.close();
  }
  await until("it to be gone", async () => (await bed.process.port("vm1")).link === "wait");
  const after = await bed.process.port("vm1");
  assert.match(after.verdict, /none is connected since 20/);
  assert.equal((await vuswitch("port", "down", "vm1", "--ctl", bed.process.ctl)).code, 0);
  assert.match((await bed.process.port("vm1")).verdict, /^down by operator: vuswitch port up vm1 /);
  const { at, startedAt, uptimeSeconds } = await bed.process.status();
  assert(startedAt <= waiting.linkSince && after.linkSince <= at);
  assert(Math.abs(Date.parse(at) - Date.parse(startedAt) - 1000 * uptimeSeconds) < 2000);
});

Deno.test("a listener says when somebody came, and what went wrong last", async () => {
  using folder = new TempFolder();
  const many = folder.file("many.sock");
  await using bed = await Bed.in(folder, 0, "-p", `m{n}=${many},multi=1`);
  const listener = async (): Promise<ListenerStatus> =>
    await callSwitch(bed.process.ctl, "GET", "/v1/ports/m%7Bn%7D") as ListenerStatus;
  const before = await listener();
  assert.deepEqual([before.lastConnectAt, before.lastError], [null, null]);
  using guest = await NetGuest.start({ socket: many, mac: macOf(1) });
  await until("it is there", async () => (await listener()).connects === 1);
  const { lastConnectAt } = await listener();
  assert(lastConnectAt !== null && lastConnectAt >= before.adminSince);
  // One too many.
  using refused = new FrontEnd(many);
  await refused.closedBySwitch();
  await until("a refusal", async () => (await listener()).lastError?.code === "full");
  const { lastError, adminSince } = await listener();
  assert(lastError !== null && lastError.at >= lastConnectAt && adminSince === before.adminSince);
  // What the ports of a listener ended with stays when they are gone.
  guest.frontEnd.message(999);
  await until("its end", async () => (await listener()).lastError?.code === "unknown-request");
  assert.equal((await vuswitch("port", "down", "m{n}", "--ctl", bed.process.ctl)).code, 0);
  const down = await listener();
  assert(down.admin === "down" && down.adminSince >= lastError.at);
});
