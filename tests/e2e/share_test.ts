/**
 * Guests that send as much as they can, to one receiver or to all: the few frames of others arrive.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { isNumbered, macOf, numberedFrame, turn } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const ROUNDS = 40;

/** Waits until the switch has taken all that guests have sent. */
async function taken(...guests: NetGuest[]): Promise<void> {
  await until("the frames to be taken", () => {
    for (const guest of guests) guest.reapTransmit();
    return guests.every(({ tx }) => tx.free === tx.size);
  });
}

Deno.test("a flooder leaves others room in a receiver's ring, of either kind", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(3);
    const guests = await Promise.all([1, 2, 3].map((port) => bed.guest(port, { packed })));
    const [receiver, flooder, other] = guests as [NetGuest, NetGuest, NetGuest];
    receiver.send(numberedFrame(macOf(2), macOf(1), 0, 60));
    await taken(receiver);
    const flood = numberedFrame(macOf(1), macOf(2), 1, 60);
    let arrived = 0;
    for (let round = 0; round < ROUNDS; round++) {
      while (flooder.send(flood));
      await taken(flooder);
      while (flooder.send(flood));
      assert(other.send(numberedFrame(macOf(1), macOf(3), round, 60)));
      await taken(flooder, other);
      arrived += receiver.receive().filter((frame) => isNumbered(frame) && frame[11] === 3).length;
      await turn();
    }
    assert(arrived >= ROUNDS - 3, `${arrived} of ${ROUNDS} arrived`);
    const { counters } = await bed.port(1);
    assert((counters["txDroppedShare"] ?? 0) > ROUNDS);
  }
});

Deno.test("broadcasts without end are limited, counted, said once and shown", async () => {
  await using bed = await Bed.make(["", "", "storm=off"]);
  const guests = await Promise.all([1, 2, 3].map((port) => bed.guest(port)));
  const [loud, , unlimited] = guests as [NetGuest, NetGuest, NetGuest];
  const counters = async (port: number): Promise<readonly (number | undefined)[]> => {
    const { counters } = await bed.port(port);
    return ["rxBroadcastFrames", "rxDroppedBroadcastStorm", "rxFloodedFrames"].map((name) =>
      counters[name]
    );
  };
  for (const guest of [loud, unlimited]) {
    const frame = numberedFrame("ff:ff:ff:ff:ff:ff", guest.options.mac, 0, 60);
    for (let sent = 0; sent < 5000; sent++) {
      while (!guest.send(frame)) {
        guest.reapTransmit();
        await turn();
      }
    }
    await taken(guest);
  }
  const [all, dropped = 0, flooded = 0] = await counters(1);
  assert.equal(all, 5000);
  assert.equal(dropped + flooded, 5000);
  assert(dropped > 0 && flooded >= 200, `${dropped} dropped, ${flooded} flooded`);
  assert.deepEqual(await counters(3), [5000, 0, 5000]);
  const lines = (): string[] =>
    bed.process.log.split("\n").filter((line) => line.includes("more "));
  await until("the log's line", () => lines().length > 0);
  assert.equal(lines().length, 1);
  assert.match(lines()[0] ?? "", /port vm1: more broadcasts than it may send are dropped/);
  assert.deepEqual((await bed.port(1)).problems.map(({ code }) => code), ["storm"]);
});

Deno.test("a port's rate holds on a running switch, and its group hears nothing of it", async () => {
  const rate = 1e6;
  await using bed = await Bed.make([
    "limit=rx:8M/500ms,isolated=tenants",
    "isolated=tenants",
    "",
  ]);
  const guests = await Promise.all([1, 2, 3].map((port) => bed.guest(port)));
  const [sender, apart, receiver] = guests as [NetGuest, NetGuest, NetGuest];
  receiver.send(numberedFrame(macOf(1), macOf(3), 0, 60));
  await taken(receiver);
  const frame = numberedFrame(macOf(3), macOf(1), 0, 1000);
  const began = performance.now();
  let seconds = 0;
  await until("a second and a half to pass", async () => {
    while (sender.send(frame));
    await taken(sender);
    receiver.receive();
    seconds = (performance.now() - began) / 1000;
    return seconds >= 1.5;
  });
  assert(sender.send(numberedFrame("ff:ff:ff:ff:ff:ff", macOf(1), 1, 60)));
  assert(sender.send(numberedFrame(macOf(2), macOf(1), 1, 60)));
  await taken(sender);
  const { counters, limit, isolated } = await bed.port(1);
  const passed = counters["rxBytes"] ?? 0;
  assert(passed <= rate * (seconds + 0.5 + 0.2), `${passed} bytes in ${seconds} s`);
  assert(passed >= 0.9 * rate * seconds, `${passed} bytes in ${seconds} s`);
  assert((counters["rxDroppedRate"] ?? 0) > 100);
  assert.deepEqual(limit, { rx: { bits: 8e6, frames: 0, burstMs: 500 }, tx: null });
  assert.equal(isolated, "tenants");
  const heard = (): number => apart.receive().filter((frame) => frame[11] === 1).length;
  assert.equal(heard(), 0);
  const set = await vuswitch(
    "port",
    "set",
    "vm1",
    "limit=off,isolated=b",
    "--ctl",
    bed.process.ctl,
  );
  assert.equal(set.code, 0, set.stderr);
  assert.match(set.stdout, /isolated +from others of b\n/);
  const before = (await bed.port(1)).counters["rxDroppedRate"];
  for (let round = 0; round < 10; round++) {
    while (sender.send(frame));
    await taken(sender);
    receiver.receive();
  }
  assert(sender.send(numberedFrame(macOf(2), macOf(1), 2, 60)));
  await taken(sender);
  await until("the frame for the other guest", () => heard() === 1);
  assert.equal((await bed.port(1)).counters["rxDroppedRate"], before, "nothing limits it");
});
