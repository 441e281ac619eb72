/**
 * Socket files that are taken away from a running switch: it says so and makes them again, and
 * nobody who is connected notices.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { ListenerStatus } from "../../lib/control/types.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { SwitchProcess, vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, transfer } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

function isSocket(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}

function linesOf(running: SwitchProcess, words: string): string[] {
  return running.log.split("\n").filter((line) => line.includes(words));
}

Deno.test("sockets that are removed are there again, guests that are connected stay", async () => {
  using folder = new TempFolder();
  const many = folder.file("many.sock");
  await using bed = await Bed.in(folder, 4, "-p", `m{n}=${many},multi=4`);
  const guest = (port: number): Promise<NetGuest> =>
    NetGuest.start({ socket: folder.file(`vm${port}.sock`), mac: macOf(port) });
  using one = await guest(1);
  using two = await guest(2);
  using pooled = await NetGuest.start({ socket: many, mac: macOf(5) });
  await introduce(one, two, pooled);
  assert.equal((await vuswitch("port", "down", "vm4", "--ctl", bed.process.ctl)).code, 0);
  const files = ["vm1", "vm2", "vm3", "many", "ctl"].map((name) => folder.file(`${name}.sock`));
  for (const file of files) Deno.removeSync(file);
  await until("all of them to be there again", () => files.every(isSocket));
  await until("a line for each", () => linesOf(bed.process, "was removed").length === files.length);
  assert.match(bed.process.log, /warn +port vm1: socket .*vm1\.sock was removed: it is made again/);
  assert.match(bed.process.log, /warn +port m\{n\}: socket .*many\.sock was removed/);
  assert.match(bed.process.log, /warn +switch: socket .*ctl\.sock was removed/);
  assert(!isSocket(folder.file("vm4.sock")), "a port that is down has none");
  await transfer(one, two, [60, 1400], 8);
  await transfer(two, pooled, [60, 1400], 8);
  // Commands and new front-ends find them.
  assert.equal((await bed.process.port("vm1")).connects, 1);
  assert.deepEqual((await bed.process.port("vm1")).problems, []);
  using three = await guest(3);
  using another = await NetGuest.start({ socket: many, mac: macOf(6) });
  await introduce(one, three, another);
  await transfer(three, another, [60, 1400], 8);
  assert.equal((Deno.lstatSync(bed.process.ctl).mode ?? 0) & 0o777, 0o600);
  assert.equal((await vuswitch("port", "up", "vm4", "--ctl", bed.process.ctl)).code, 0);
  assert(isSocket(folder.file("vm4.sock")));
  assert.equal(await bed.process.stop(), 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)].filter((e) => e.name.includes("sock")), []);
});

Deno.test("a foreign socket in a socket's place is left alone, also at the end", async () => {
  using folder = new TempFolder();
  const many = folder.file("many.sock");
  await using bed = await Bed.in(folder, 2, "-p", `m{n}=${many},multi=4`);
  const one = await bed.guest(1);
  const two = await bed.guest(2);
  const places = ["vm1", "many"].map((name) => folder.file(`${name}.sock`));
  const intruders = places.map((path) => {
    Deno.removeSync(path);
    return Deno.listen({ transport: "unix", path });
  });
  const inodes = places.map((path) => Deno.lstatSync(path).ino);
  await until("both to be said", () => linesOf(bed.process, "was replaced").length === 2);
  const [problem] = (await bed.process.port("vm1")).problems;
  assert.equal(problem?.code, "socket-gone");
  assert.match(problem?.text ?? "", new RegExp(`running server \\(pid ${Deno.pid}, `));
  assert.match(problem?.hint ?? "", /^stop it: kill \d+; the socket is made again/);
  const words = ["port", "show", "m{n}", "--ctl", bed.process.ctl];
  const listener = JSON.parse((await vuswitch(...words, "-o", "json")).stdout) as ListenerStatus;
  assert.equal(listener.problems[0]?.code, "socket-gone");
  assert.match((await vuswitch(...words)).stdout, /^problem +socket-gone: .*many\.sock/m);
  assert.match((await bed.process.port("vm1")).verdict, /socket .*vm1\.sock was replaced/);
  await introduce(one, two);
  await transfer(one, two, [60, 1400], 8);
  // One goes, its place is taken again; then the control socket is somebody else's as well.
  intruders[1]?.close();
  await until("the listener's socket", () => linesOf(bed.process, "is there again").length === 1);
  using _pooled = await NetGuest.start({ socket: many, mac: macOf(5) });
  Deno.removeSync(bed.process.ctl);
  const control = Deno.listen({ transport: "unix", path: bed.process.ctl });
  await until("that to be said", () => linesOf(bed.process, "ctl.sock was replaced").length === 1);
  assert.equal(await bed.process.stop(), 0);
  assert.equal(Deno.lstatSync(places[0] as string).ino, inodes[0]);
  assert(isSocket(bed.process.ctl), "its owner removes it, nobody else");
  assert(!isSocket(many));
  intruders[0]?.close();
  control.close();
});

Deno.test("a folder that is removed with all sockets is there again", async () => {
  using folder = new TempFolder();
  const place = folder.file("run");
  Deno.mkdirSync(place);
  const ports = [1, 2].flatMap((n) => ["-p", `vm${n}=${place}/vm${n}.sock`]);
  await using running = await SwitchProcess.start(place, ports);
  using one = await NetGuest.start({ socket: `${place}/vm1.sock`, mac: macOf(1) });
  for (let round = 0; round < 3; round++) {
    Deno.removeSync(place, { recursive: true });
    await until(
      "all sockets",
      () => ["vm1", "vm2", "ctl"].every((name) => isSocket(`${place}/${name}.sock`)),
    );
  }
  using two = await NetGuest.start({ socket: `${place}/vm2.sock`, mac: macOf(2) });
  await introduce(one, two);
  await transfer(one, two, [60, 1400], 8);
  assert.equal((await running.status()).ports.length, 2);
});
