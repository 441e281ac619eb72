/**
 * Who may have an address, with guests on a real switch: whoever speaks keeps it, honest moves go on,
 * static addresses and locked ports.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { arpRequest, ethernet } from "../../lib/guest/frames.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { macOf, turn } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const TEST_TYPE = 0x88b6;

function word(from: string, to: string): Uint8Array {
  return ethernet(to, from, TEST_TYPE, new Uint8Array(46));
}

/** An address is announced, as a bond does that fails over. */
function gratuitous(mac: string): Uint8Array {
  return arpRequest({ mac, ip: "10.0.0.9" }, "10.0.0.9");
}

async function say(guest: NetGuest, frame: Uint8Array): Promise<void> {
  guest.reapTransmit();
  await until("room", () => guest.send(frame));
  await until("the frame to be taken", () => {
    guest.reapTransmit();
    return guest.tx.free === guest.tx.size;
  });
}

/** Sends `frames` again and again until that was done `times`, `everyMs` apart. */
async function repeat(
  guest: NetGuest,
  frames: readonly Uint8Array[],
  times: number,
  everyMs: number,
): Promise<void> {
  for (let i = 0; i < times; i++) {
    const next = performance.now() + everyMs;
    for (const frame of frames) await say(guest, frame);
    while (performance.now() < next) await turn();
  }
}

async function where(bed: Bed, mac: string): Promise<string | undefined> {
  return (await bed.process.fdb()).find((entry) => entry.mac === mac)?.port;
}

Deno.test("who takes others' addresses gets none of their frames, and is named", async () => {
  await using bed = await Bed.make(4);
  using bystanders = await Bystanders.attach(bed.socket(1), bed.socket(2));
  const thief = await bed.guest(3);
  const victims = [macOf(0xb1), macOf(0xb2)];
  const plain = victims.map((mac) => word(mac, macOf(4)));
  const loud = victims.map(gratuitous);
  await repeat(thief, plain, 10, 100);
  await repeat(thief, [...plain, ...loud], 500, 1);
  await bystanders.check();
  const { counters } = await bed.port(3);
  assert.deepEqual([counters.rxDroppedInUse, counters.macMovesIn], [20 + 2000, 0]);
  const lines = (): string[] =>
    bed.process.log.split("\n").filter((line) => line.includes("the address of vm"));
  await until("the log's line", () => lines().length > 0);
  assert.equal(lines().length, 1, "said once");
  assert.match(lines()[0] ?? "", /port vm3: frames from 52:54:00:00:01:b[12] are dropped/);
  const [problem] = (await bed.port(3)).problems;
  assert.equal(problem?.code, "mac-spoof");
  assert.deepEqual((await bed.port(1)).problems, []);
});

Deno.test("a guest that moves is where it says, at once, and back", async () => {
  await using bed = await Bed.make(3);
  const [one, two, peer] = await Promise.all([1, 2, 3].map((port) => bed.guest(port)));
  const [a, b, c] = [one, two, peer] as [NetGuest, NetGuest, NetGuest];
  const mac = "52:54:00:00:ff:01";
  await say(a, word(mac, macOf(3)));
  assert.equal(await where(bed, mac), "vm1");
  // A bond that fails over while its first link is up: one announcement, and nothing else.
  await say(b, gratuitous(mac));
  await until("the address to be at vm2", async () => await where(bed, mac) === "vm2");
  b.receive();
  await say(c, word(macOf(3), mac));
  await until("its frame", () => b.receive().some((frame) => frame[13] === 0xb6));
  // And that goes back: a frame of any kind.
  await say(a, word(mac, macOf(3)));
  assert.equal(await where(bed, mac), "vm1");
  // A machine that was stopped and starts at another port says nothing.
  a.close();
  await until("vm1 to be free", async () => (await bed.port(1)).link === "wait");
  await say(b, word(mac, macOf(3)));
  assert.equal(await where(bed, mac), "vm2");
  // One whose port was taken out of service.
  await say(c, word(macOf(0x77), mac));
  await vuswitch("port", "down", "vm3", "--ctl", bed.process.ctl);
  await say(b, word(macOf(0x77), macOf(9)));
  assert.equal(await where(bed, macOf(0x77)), "vm2");
});

Deno.test("static addresses and locked ports", async () => {
  const own = macOf(1);
  await using bed = await Bed.make([`mac=${own},lock=on`, `static=${macOf(2)}`, "", ""]);
  const guests = await Promise.all([1, 2, 3, 4].map((port) => bed.guest(port)));
  const [locked, fixed, other] = guests as [NetGuest, NetGuest, NetGuest, NetGuest];
  const ctl = ["--ctl", bed.process.ctl];
  const spoofed = async (port: number): Promise<number | undefined> =>
    (await bed.port(port)).counters["rxDroppedSpoofed"];
  await say(locked, word(own, macOf(3)));
  await say(locked, word(macOf(0x71), macOf(3)));
  await say(locked, gratuitous(macOf(0x71)));
  assert.deepEqual([await spoofed(1), await where(bed, macOf(0x71))], [2, undefined]);
  // Nobody else may have the address of a locked port, or a static one, even before its guest spoke.
  for (const mac of [own, macOf(2)]) await say(other, gratuitous(mac));
  assert.equal(await spoofed(3), 2);
  assert.deepEqual([await where(bed, own), await where(bed, macOf(2))], ["vm1", "vm2"]);
  // The other ones of a port that is not locked are learned as ever.
  await say(fixed, word(macOf(0x72), macOf(3)));
  assert.equal(await where(bed, macOf(0x72)), "vm2");
  // By command.
  const add = await vuswitch("fdb", "add", macOf(0x72), "vm3", ...ctl);
  assert.equal(add.stdout, `${macOf(0x72)} is static at vm3\n`);
  await say(fixed, word(macOf(0x72), macOf(3)));
  assert.equal(await spoofed(2), 1);
  const again = await vuswitch("fdb", "add", macOf(0x72), "vm4", ...ctl);
  assert.match(again.stderr, /static at another port.*vuswitch fdb del 52:54:00:00:01:72/s);
  await vuswitch("fdb", "flush", ...ctl);
  const shown = await vuswitch("fdb", "show", ...ctl);
  assert.match(shown.stdout, /vm3 +0 +52:54:00:00:01:72 +- +static/);
  await vuswitch("fdb", "del", macOf(0x72), ...ctl);
  await say(fixed, word(macOf(0x72), macOf(3)));
  assert.equal(await where(bed, macOf(0x72)), "vm2");
  const missing = await vuswitch("fdb", "del", macOf(0x72), ...ctl);
  assert.equal(missing.code, 4);
  // A link is no way around a lock.
  await vuswitch("link", "add", "vm1", "vm4", ...ctl);
  await say(locked, word(macOf(0x71), macOf(4)));
  await say(locked, word(own, macOf(4)));
  assert.equal(await spoofed(1), 3);
  await until(
    "the other frame",
    () => (guests[3] as NetGuest).receive().some((frame) => frame[11] === 1),
  );
});
