/**
 * What happens to a running switch from outside: signals, others that look whether it lives, sockets
 * that are taken away.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { cpuSeconds, vuswitch } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, transfer } from "../harness/traffic.ts";

Deno.test("no signal but those that ask for an end ends a switch", async () => {
  await using bed = await Bed.make(2);
  const one = await bed.guest(1);
  const two = await bed.guest(2);
  for (const name of ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PIPE", "HUP"] as const) {
    Deno.kill(bed.process.pid, `SIG${name}`);
  }
  await until(
    "the line that there is no file",
    () => /SIGHUP: nothing changes, the switch was started without/.test(bed.process.log),
  );
  await introduce(one, two);
  await transfer(one, two, [60, 1400], 8);
  // In order: nothing is left behind.
  assert.equal(await bed.process.stop("SIGQUIT"), 0);
  assert.match(bed.process.log, /SIGQUIT: closing ports/);
  assert.deepEqual([...Deno.readDirSync(bed.folder)].filter((e) => e.name.endsWith(".sock")), []);
});

Deno.test("a second switch finds that the first lives, and the first notices nothing", async () => {
  await using bed = await Bed.make(1, "-v");
  const log = bed.process.log;
  const words = ["run", "-p", `x=${bed.file("vm1.sock")}`, "--ctl", bed.file("second.sock")];
  const { code, stderr } = await vuswitch(...words);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /vm1\.sock: it belongs to a running server/);
  assert.equal((await bed.process.port("vm1")).connects, 0);
  assert.equal(bed.process.log, log);
});

/** Front-ends that connect again as soon as they are hung up on, as reconnect=1 has VMMs do. */
class Knockers implements Disposable {
  #going = true;
  tries = 0;
  readonly #ended: Promise<void>[];

  constructor(socket: string, count: number) {
    this.#ended = Array.from({ length: count }, () => this.#knock(socket));
  }

  async #knock(socket: string): Promise<void> {
    while (this.#going) {
      try {
        using knocker = new FrontEnd(socket);
        this.tries++;
        knocker.message(1);
        await knocker.closedBySwitch();
      } catch {
        // The listener's queue is full.
        await delay(10);
      }
    }
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#ended);
  }

  [Symbol.dispose](): void {
    this.#going = false;
  }
}

Deno.test("ten that knock at a taken port cost nothing and get a line; one is in when it is free", async () => {
  await using bed = await Bed.make(1);
  const socket = bed.file("vm1.sock");
  const holder = await NetGuest.start({ socket, mac: macOf(1) });
  const before = cpuSeconds(bed.process.pid);
  const since = performance.now();
  using knockers = new Knockers(socket, 10);
  await delay(5000);
  const busy = (cpuSeconds(bed.process.pid) - before) / (performance.now() - since) * 1000;
  console.log(`    ${knockers.tries} tries in 5 s, ${(100 * busy).toFixed(1)} % of a processor`);
  assert(knockers.tries <= 80, `${knockers.tries} tries`);
  const who = `pid ${Deno.pid} `;
  const lines = bed.process.log.split("\n").filter((line) => /refused/.test(line));
  assert.equal(lines.length, 1, bed.process.log);
  assert.match(lines[0] ?? "", new RegExp(`${who}.* knocks, and ${who}.* is connected`));
  await until(
    "most of them to be refused",
    async () => ((await bed.process.port("vm1")).errors["busy"] ?? 0) >= 8,
  );
  // The holder goes: whoever waits is in at once, without another try of its own.
  const tries = knockers.tries;
  holder.close();
  await until(
    "one of them to be connected",
    () => /front-end connected[^]*front-end connected/.test(bed.process.log),
  );
  console.log(`    ${knockers.tries - tries} tries later`);
  await bed.process.stop();
  await knockers.stop();
});

Deno.test("port add without a path uses the running switch's folder", async () => {
  using folder = new TempFolder();
  const sockets = folder.file("sockets");
  Deno.mkdirSync(sockets);
  await using bed = await Bed.in(folder, 0, "-p", "a", "--socket-dir", sockets);
  const { code, stdout, stderr } = await vuswitch("port", "add", "b", "--ctl", bed.process.ctl);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /sockets\/b\.sock/);
  assert(Deno.lstatSync(`${sockets}/b.sock`).isSocket);
});
