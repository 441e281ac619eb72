/**
 * Tables are views of their command's JSON: with a front-end at work, each table is drawn anew from
 * `-o json` alone.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { fdbTable, portStatsTable, portTable, portView, vringTable } from "../../lib/cli/views.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { SwitchProcess, vuswitch } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";

type Draw = (value: never) => string;

/** Commands and how their table is drawn. */
const TABLES: readonly [readonly string[], Draw][] = [
  [["port", "list"], portTable as Draw],
  [["port", "show", "vm1"], portView as Draw],
  [["port", "show", "vm2"], portView as Draw],
  [["port", "show", "m{n}"], portView as Draw],
  [["stats", "vm1"], portStatsTable as Draw],
  [["vring", "show", "vm1"], vringTable as Draw],
  [["fdb", "show"], fdbTable as Draw],
];

Deno.test("every table is drawn from the JSON of its command", async () => {
  using folder = new TempFolder();
  const many = ["-p", `m{n}=${folder.file("m.sock")},multi=2`];
  await using running = await SwitchProcess.withPorts(folder.path, 2, ...many);
  const waiting = await running.port("vm1");
  assert.match(waiting.verdict, /^waiting for a front-end: nobody has connected since 20/);
  assert.equal(waiting.connectedAt, null);
  const guest = await NetGuest.start({
    socket: folder.file("vm1.sock"),
    mac: "52:54:00:00:00:01",
  });
  try {
    let port: PortStatus = waiting;
    await until("the link", async () => (port = await running.port("vm1")).link === "up");
    assert.equal(port.verdict, "link up, no frames yet");
    assert(port.connectedAt !== null && port.connectedAt >= waiting.linkSince);
    assert(port.linkSince >= port.connectedAt);
    for (const [words, draw] of TABLES) {
      const run = (...more: string[]) => vuswitch(...words, ...more, "--ctl", running.ctl);
      const json = JSON.parse((await run("-o", "json")).stdout);
      const { stdout, stderr } = await run();
      assert.equal(stdout, draw(json as never), `${words.join(" ")} ${stderr}`);
    }
    assert.match((await vuswitch("port", "show", "vm1", "--ctl", running.ctl)).stdout, /^verdict/m);
  } finally {
    guest.close();
  }
  await until("it to be gone", async () => (await running.port("vm1")).link === "wait");
  const after = await running.port("vm1");
  assert.match(after.verdict, /none is connected since 20/);
  assert.equal((await vuswitch("port", "down", "vm1", "--ctl", running.ctl)).code, 0);
  assert.match((await running.port("vm1")).verdict, /^down by operator/);
});
