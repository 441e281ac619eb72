/**
 * What happens to a running switch from outside: signals, others that look whether it lives, sockets
 * that are taken away.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { SwitchProcess, until, vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, transfer } from "../harness/traffic.ts";

Deno.test("no signal but those that ask for an end ends a switch", async () => {
  using folder = new TempFolder();
  await using running = await SwitchProcess.withPorts(folder.path, 2);
  const guest = (port: number): Promise<NetGuest> =>
    NetGuest.start({ socket: folder.file(`vm${port}.sock`), mac: macOf(port) });
  using one = await guest(1);
  using two = await guest(2);
  for (const name of ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PIPE", "HUP"] as const) {
    Deno.kill(running.pid, `SIG${name}`);
  }
  await until("the line that there is no reload", () => /SIGHUP: there is no/.test(running.log));
  await introduce(one, two);
  await transfer(one, two, [60, 1400], 8);
  // In order: nothing is left behind.
  assert.equal(await running.stop("SIGQUIT"), 0);
  assert.match(running.log, /SIGQUIT: closing ports/);
  assert.deepEqual([...Deno.readDirSync(folder.path)].filter((e) => e.name.endsWith(".sock")), []);
});

Deno.test("a second switch finds that the first lives, and the first notices nothing", async () => {
  using folder = new TempFolder();
  await using running = await SwitchProcess.withPorts(folder.path, 1, "-v");
  const log = running.log;
  const words = ["run", "-p", `x=${folder.file("vm1.sock")}`, "--ctl", folder.file("second.sock")];
  const { code, stderr } = await vuswitch(...words);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /vm1\.sock: it belongs to a running server/);
  assert.equal((await running.port("vm1")).connects, 0);
  assert.equal(running.log, log);
});
