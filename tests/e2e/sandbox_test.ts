/**
 * A switch that gave up what it does not need: it serves, and cannot do the rest.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { addTap, deviceName, ip, tapTest } from "../harness/tap.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { vuswitch } from "../harness/switch_process.ts";

Deno.test("--sandbox: guests come and go, ports are added, all threads are filtered", async () => {
  using elsewhere = new TempFolder();
  await using bed = await Bed.make(2, "--sandbox");
  {
    using bystanders = await Bystanders.attach(bed.socket(1), bed.socket(2));
    await bystanders.check();
  }
  const { pid } = bed.process;
  const tasks = Array.from(Deno.readDirSync(`/proc/${pid}/task`), ({ name }) => name);
  assert(tasks.length >= 3);
  for (const task of tasks) {
    const status = Deno.readTextFileSync(`/proc/${pid}/task/${task}/status`);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
  }
  const add = (...words: string[]): ReturnType<typeof vuswitch> =>
    vuswitch("port", "add", ...words, "--ctl", bed.process.ctl);
  assert.equal((await add("more")).code, 0, "where the others are");
  const outside = await add(`out=${elsewhere.file("out.sock")}`);
  assert.equal(outside.code, 2);
  assert.match(outside.stderr, /no permission to write in .*--sandbox/);
  const device = await add("up=tap:vswsandbox0");
  assert.equal(device.code, 1);
  assert.match(device.stderr, /--sandbox has given up news of devices/);
  assert.equal(Deno.networkInterfaces().some(({ name }) => name === "vswsandbox0"), false);
  using again = await Bystanders.attach(bed.socket(1), bed.socket(2));
  await again.check();
});

tapTest("--sandbox with a TAP device: it is taken up again when it was deleted", async () => {
  const name = deviceName();
  await using bed = await Bed.make(1, "--sandbox", "-p", `up=tap:${name}`);
  const link = async (): Promise<string> => (await bed.portNamed("up")).link;
  ip("link", "set", name, "up");
  await until("the device", async () => await link() === "up");
  ip("link", "del", name);
  await until("its end", async () => await link() !== "up");
  addTap(name);
  try {
    await until("the device made again", async () => await link() === "up");
  } finally {
    ip("link", "del", name);
  }
});
