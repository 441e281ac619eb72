/**
 * Many front-ends on one socket, links between ports, ports taken down and up, and sockets that are
 * stormed: with guests in TypeScript on a real switch, through the commands.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { LinkStatus, ListenerStatus } from "../../lib/control/types.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders, held, heldAsBefore } from "../harness/bystanders.ts";
import { type SwitchProcess, vuswitch } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, numberedFrame, transfer } from "../harness/traffic.ts";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
/** Of link aggregation: a switch keeps it to itself. */
const RESERVED = "01:80:c2:00:00:02";
const F_STATUS = 16;
/** Offset of `status` in the configuration space. */
const STATUS_AT = 6;

/** Runs a command on a switch; it must succeed. */
async function command(running: SwitchProcess, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await vuswitch(...words, "--ctl", running.ctl);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** The same for one that must fail. @returns its line */
async function refused(running: SwitchProcess, code: number, ...words: string[]): Promise<string> {
  const result = await vuswitch(...words, "--ctl", running.ctl);
  assert.equal(result.code, code, result.stderr);
  assert.equal(result.stderr.trim().split("\n").length, 1, result.stderr);
  return result.stderr;
}

async function listener(running: SwitchProcess, name: string): Promise<ListenerStatus> {
  const text = await command(running, "port", "show", name, "-o", "json");
  return JSON.parse(text) as ListenerStatus;
}

Deno.test("sockets: 32 front-ends on one talk to each other, leave and come again", async () => {
  using folder = new TempFolder();
  const socket = folder.file("many.sock");
  await using bed = await Bed.in(folder, 0, "-p", `m{n}=${socket},multi=32`);
  const attach = (number: number): Promise<NetGuest> =>
    NetGuest.start({
      ...{ socket, mac: macOf(number), packed: number % 2 === 1, ringSize: 64 },
      ...{ memoryBytes: 1 << 20, buffers: 48 },
    });
  const before = held(bed.process.pid);
  const guests: NetGuest[] = [];
  try {
    for (let number = 0; number < 32; number++) guests.push(await attach(number));
    assert.deepEqual((await bed.process.status()).ports.map((port) => port.name).at(-1), "m31");
    for (let number = 0; number < 32; number += 2) {
      const [one, two] = guests.slice(number, number + 2) as [NetGuest, NetGuest];
      await introduce(one, two);
      await transfer(one, two, [60, 1400, 200], 8);
    }
    assert.equal((await bed.process.fdb()).length, 32);
    // Full: the next one is turned away, nobody else notices.
    using late = new FrontEnd(socket);
    assert(await late.closedBySwitch());
    for (const number of [5, 6, 30]) guests[number]?.close();
    await until("three ports to end", async () => (await bed.process.status()).ports.length === 29);
    assert.equal((await bed.process.fdb()).length, 29, "their addresses went with them");
    for (const number of [5, 6, 30]) guests[number] = await attach(number);
    const { ports, connects, refused } = await listener(bed.process, "m{n}");
    assert.deepEqual([ports.length, connects, refused], [32, 35, { full: 1 }]);
    const [old, fresh] = guests.slice(4, 6) as [NetGuest, NetGuest];
    // What others flooded lies there still.
    old.receive();
    await transfer(fresh, old, [60, 60], 8);
  } finally {
    for (const guest of guests) guest.close();
  }
  await until("all ports to end", async () => (await bed.process.status()).ports.length === 0);
  await heldAsBefore(bed.process.pid, before);
  assert.match(await command(bed.process, "port", "list"), /^m\{n\} +0 of 32 +listen/m);
});

Deno.test("sockets: two ports of one machine share its memory and are shown together", async () => {
  await using bed = await Bed.make(3);
  const one = await bed.guest(1, { memoryBytes: 16 << 20 });
  const mapped = held(bed.process.pid).memoryMaps;
  await bed.guest(2, { memoryBytes: 16 << 20, memoryFd: one.memoryFd, dataStart: 8 << 20 });
  await bed.guest(3);
  assert.deepEqual((await bed.port(1)).sharesMemoryWith, ["vm2"]);
  assert.deepEqual((await bed.port(2)).sharesMemoryWith, ["vm1"]);
  assert.deepEqual((await bed.port(3)).sharesMemoryWith, []);
  assert.equal(held(bed.process.pid).memoryMaps, mapped + 1, "only vm3's memory is new");
});

/** Sends frames and waits until the other guest has heard them all. */
async function sendAndHear(from: NetGuest, to: NetGuest, frames: Uint8Array[]): Promise<void> {
  for (const frame of frames) assert(from.send(frame));
  const heard = new Set<string>();
  await until("the frames to be heard", () => {
    for (const frame of to.receive()) heard.add(frame.join());
    return frames.every((frame) => heard.has(frame.join()));
  });
}

Deno.test("links: everything goes to the peer, nothing to others or from them", async () => {
  await using bed = await Bed.make(["", "", "", ""], "--link", "vm1:vm2");
  const guests: NetGuest[] = [];
  for (const [port, packed] of [[1, true], [2, false], [3, true], [4, false]] as const) {
    guests.push(await bed.guest(port, { packed }));
  }
  const [one, two, three, four] = guests as [NetGuest, NetGuest, NetGuest, NetGuest];
  const frame = (to: string, number: number): Uint8Array =>
    numberedFrame(to, one.options.mac, number, 100);
  const all = [RESERVED, BROADCAST, three.options.mac, one.options.mac, "01:00:5e:00:00:01"];
  await sendAndHear(one, two, all.map(frame));
  await transfer(two, one, [60, 1500, 700], 8);
  assert.deepEqual(await bed.process.fdb(), [], "nothing is learned");
  // The switched ports hear each other, and nothing of the link.
  await introduce(three, four);
  await transfer(three, four, [60, 61], 8);
  assert(three.send(numberedFrame(one.options.mac, three.options.mac, 9, 60)));
  await sendAndHear(three, four, [numberedFrame(BROADCAST, three.options.mac, 10, 60)]);
  for (const port of [1, 2]) {
    assert.equal((await bed.port(port)).counters.txFrames, port === 1 ? 3 : all.length);
  }
  assert.deepEqual([...three.receive(), ...one.receive(), ...two.receive()], []);
  const shown = JSON.parse(await command(bed.process, "link", "list", "-o", "json"));
  assert.deepEqual(shown, [{ ports: ["vm1", "vm2"], state: "linked", configured: true }]);
  assert.match(await command(bed.process, "port", "list"), /^vm1 +up = vm2/m);
});

Deno.test("links: added, ended, and outlived as their makers meant", async () => {
  await using bed = await Bed.make(["", "", ""], "--link", "vm2:vm3");
  const { process } = bed;
  const one = await bed.guest(1);
  const two = await bed.guest(2);
  const links = async (): Promise<LinkStatus[]> =>
    JSON.parse(await command(process, "link", "list", "-o", "json"));
  // A link of the configuration waits for its port; meanwhile nobody hears the other one.
  await command(process, "port", "del", "vm3");
  assert.equal((await links())[0]?.state, "waiting");
  assert(two.send(numberedFrame(BROADCAST, two.options.mac, 1, 60)));
  await until(
    "the frame to be dropped",
    async () => (await bed.port(2)).counters.rxDroppedNoPort === 1,
  );
  assert.match(await refused(process, 1, "link", "add", "vm1", "vm2"), /link del vm2 vm3/);
  await command(process, "port", "add", `vm3=${bed.socket(3)}`);
  const three = await bed.guest(3);
  await transfer(two, three, [60, 60], 8);
  await command(process, "link", "del", "vm3", "vm2");
  await introduce(one, two, three);
  // One that a command made ends with its port.
  await command(process, "link", "add", "vm1", "vm3");
  await sendAndHear(one, three, [numberedFrame(RESERVED, one.options.mac, 2, 60)]);
  await command(process, "port", "del", "vm3");
  assert.deepEqual(await links(), []);
  await introduce(one, two);
  assert.match(await refused(process, 4, "link", "add", "vm1", "vm9"), /No port named "vm9"/);
  assert.match(await refused(process, 4, "link", "del", "vm1", "vm2"), /No link between/);
  assert.match(await refused(process, 2, "link", "add", "vm1", "vm1"), /with itself/);
});

Deno.test("port down parts with a front-end that cannot be told; port up takes it back", async () => {
  await using bed = await Bed.make(3);
  using bystanders = await Bystanders.attach(bed.socket(2), bed.socket(3));
  const first = await bed.guest(1);
  const flood = setInterval(() => {
    first.receive();
    first.send(numberedFrame(BROADCAST, first.options.mac, 2 ** 31, 60));
  }, 1);
  try {
    await bystanders.check();
    await command(bed.process, "port", "down", "vm1");
    assert(await first.frontEnd.closedBySwitch());
  } finally {
    clearInterval(flood);
  }
  assert.throws(() => new FrontEnd(bed.socket(1)), /ENOENT/);
  const { admin, link, counters } = await bed.port(1);
  assert.deepEqual([admin, link], ["down", "wait"]);
  assert.match(await command(bed.process, "port", "list"), /^vm1 +admin-down/m);
  await bystanders.check();
  await command(bed.process, "port", "up", "vm1");
  const again = await bed.guest(1);
  again.send(numberedFrame(BROADCAST, again.options.mac, 2 ** 31 + 1, 60));
  await until(
    "its frame to be counted",
    async () => ((await bed.port(1)).counters.rxFrames ?? 0) > (counters.rxFrames ?? 0),
  );
  await bystanders.check();
  assert.match(await refused(bed.process, 4, "port", "down", "vm9"), /No port named "vm9"/);
});

/** The link's state as the guest's driver would read it. */
async function linkStatus(guest: NetGuest): Promise<number> {
  const payload = new DataView(new ArrayBuffer(14));
  payload.setUint32(0, STATUS_AT, true);
  payload.setUint32(4, 2, true);
  guest.frontEnd.message(id.VHOST_USER_GET_CONFIG, new Uint8Array(payload.buffer));
  return (await guest.frontEnd.reply()).payload.getUint16(12, true);
}

Deno.test("port down tells a front-end that listens, and its frames stop while it stays", async () => {
  await using bed = await Bed.make(2);
  const guest = await bed.guest(1, { features: [F_STATUS] });
  const other = await bed.guest(2);
  await introduce(guest, other);
  assert.equal(await linkStatus(guest), 1);
  const told = async (changes: number): Promise<void> =>
    await until(`change ${changes}`, () => {
      guest.notifications.read();
      return guest.notifications.configChanges === changes;
    });
  await command(bed.process, "port", "down", "vm1");
  await told(1);
  assert.equal(await linkStatus(guest), 0);
  assert.equal((await bed.port(1)).connects, 1);
  // Neither what it sends nor what is sent to it gets through.
  guest.send(numberedFrame(BROADCAST, guest.options.mac, 1, 60));
  other.send(numberedFrame(guest.options.mac, other.options.mac, 2, 60));
  await until("both frames to be dropped", async () => {
    const { rxDroppedDisabled } = (await bed.port(1)).counters;
    return rxDroppedDisabled === 1 && (await bed.port(2)).counters.rxDroppedNoPort === 1;
  });
  assert.deepEqual([...guest.receive(), ...other.receive()], []);
  await command(bed.process, "port", "up", "vm1");
  await told(2);
  assert.equal(await linkStatus(guest), 1);
  await introduce(guest, other);
  await transfer(guest, other, [60, 1000], 8);
});

Deno.test("sockets that are stormed keep no other port waiting", async () => {
  using folder = new TempFolder();
  const many = folder.file("many.sock");
  await using bed = await Bed.in(folder, 4, "-p", `m{n}=${many},multi=8`);
  const socket = (port: number): string => folder.file(`vm${port}.sock`);
  using bystanders = await Bystanders.attach(socket(2), socket(3));
  using _busy = await NetGuest.start({ socket: socket(1), mac: macOf(1) });
  const before = held(bed.process.pid);
  const worker = (path: string): Worker => {
    const url = new URL("../harness/knocker.ts", import.meta.url);
    return new Worker(url, { type: "module", name: path });
  };
  const knockers = [worker(socket(1)), worker(many)];
  const counts = knockers.map((knocker) =>
    new Promise<number>((resolve) => {
      knocker.onmessage = (event: MessageEvent<number>): void => resolve(event.data);
    })
  );
  await until("the storm", async () => {
    const { ports } = await bed.process.status();
    return (ports[0]?.errors["busy"] ?? 0) > 20;
  });
  // Front-ends come and go, commands are answered, frames pass, all in the storm.
  for (let round = 0; round < 20; round++) {
    using guest = await NetGuest.start({ socket: socket(4), mac: macOf(4), packed: round % 2 > 0 });
    await guest.getBase(0);
    await bystanders.check();
  }
  assert.equal((await bed.process.port("vm4")).connects, 20);
  for (const knocker of knockers) knocker.postMessage("stop");
  const [first, second] = await Promise.all(counts);
  for (const knocker of knockers) knocker.terminate();
  console.log(`    ${first} and ${second} connections`);
  assert((second ?? 0) > 100, "the socket of many was stormed as well");
  await bystanders.check();
  assert.equal((await bed.process.port("vm1")).connects, 1);
  assert.equal((await listener(bed.process, "m{n}")).connects, 0, "none of them said a word");
  await until(
    "the knockers' ports to end",
    async () => (await bed.process.status()).ports.length === 4,
  );
  await heldAsBefore(bed.process.pid, before);
});
