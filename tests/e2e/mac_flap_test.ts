/**
 * MAC addresses that move between ports faster than a guest can, with guests on a real switch: it is
 * said and counted, and nobody else is hurt by it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { formatMac } from "../../lib/base/mac.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import { ethernet } from "../../lib/guest/frames.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { meanwhile } from "../harness/meanwhile.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { macOf, turn } from "../harness/traffic.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

const SHARED = "52:54:00:00:ff:01";
/** Addresses of a tenant who has as many as a port may have. */
const MANY = 1024;

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => formatMac(2, i));
}

/** Otherwise an address stays with who speaks with it: see mac_hold_test.ts. */
const MOVES_AT_ONCE = ["--mac-hold", "0"];

/** Log lines of flaps. */
function flapLines(bed: Bed): string[] {
  return bed.process.log.split("\n").filter((line) => line.includes("faster than a guest can"));
}

/** Sends a frame from each address, all to one guest, and waits until the switch has taken them. */
async function speak(from: NetGuest, macs: readonly string[], to: string): Promise<void> {
  const end = Date.now() + WAIT_MS_MAX;
  for (const mac of macs) {
    const frame = ethernet(to, mac, 0x88b6, new Uint8Array(46));
    while (!from.send(frame)) await turn();
  }
  while (from.tx.free < from.tx.size) {
    assert(Date.now() < end, "the switch takes the frames");
    from.reapTransmit();
    await turn();
  }
}

/** The addresses are seen at both ports in turn, `moves` times after the first. */
async function fight(
  guests: readonly [NetGuest, NetGuest],
  macs: readonly string[],
  moves: number,
  to = macOf(3),
): Promise<void> {
  for (let i = 0; i <= moves; i++) await speak(guests[i % 2] as NetGuest, macs, to);
}

async function counters(bed: Bed, name: string): Promise<(number | undefined)[]> {
  return (await bed.status()).ports.map((port) => port.counters[name]);
}

Deno.test("two guests with one address: said once, counted, and named by port show", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(3, ...MOVES_AT_ONCE);
    const [one, two] = await Promise.all([1, 2, 3].map((port) => bed.guest(port, { packed })));
    const both = [one, two] as [NetGuest, NetGuest];
    await fight(both, [SHARED], 9);
    const before = await bed.status();
    assert.deepEqual([before.fdb.moved, before.fdb.flaps], [9, 0]);
    assert.deepEqual(before.ports.flatMap(({ problems }) => problems), []);
    await fight(both, [SHARED], 100);
    await until("the log's line", () => flapLines(bed).length > 0);
    await fight(both, [SHARED], 100);
    assert.deepEqual(await counters(bed, "macMovesIn"), [105, 105, 0]);
    assert.deepEqual(await counters(bed, "macMovesOut"), [105, 105, 0]);
    assert.deepEqual(await counters(bed, "macFlaps"), [1, 1, 0]);
    const { fdb, ports } = await bed.status();
    assert.deepEqual([fdb.moved, fdb.flaps], [210, 1]);
    assert.equal(flapLines(bed).length, 1, "once in an episode");
    assert.match(flapLines(bed)[0] ?? "", /port vm1: 52:54:00:00:ff:01 moves between vm1 and vm2 /);
    assert.deepEqual(ports.map(({ problems }) => problems.map(({ code }) => code)), [
      ["mac-flap"],
      ["mac-flap"],
      [],
    ]);
    const shown = await vuswitch("port", "show", "vm2", "--ctl", bed.process.ctl);
    assert.match(shown.stdout, /52:54:00:00:ff:01 moves between vm1 and vm2/);
    const stats = await vuswitch("stats", "vm2", "--ctl", bed.process.ctl);
    assert.match(stats.stdout, /macFlaps +1\b/);
  }
});

Deno.test("guests that migrate, many at once and there and back, are no flap", async () => {
  await using bed = await Bed.make(3, "--fdb-port-entries", "8192", ...MOVES_AT_ONCE);
  const [one, two] = await Promise.all([1, 2, 3].map((port) => bed.guest(port)));
  const macs = addresses(1000);
  await fight([one, two] as [NetGuest, NetGuest], macs, 4);
  const { fdb, ports } = await bed.status();
  assert.deepEqual([fdb.moved, fdb.flaps], [4000, 0]);
  assert.deepEqual(ports.flatMap(({ problems }) => problems), []);
  assert.deepEqual(flapLines(bed), []);
});

Deno.test("tenants that move thousands of addresses: few lines, true counters, nobody hurt", async () => {
  // vm1 and vm2 stand by; vm4 and vm5 fight, to a guest on vm3 that takes nothing.
  await using bed = await Bed.make(5, "--fdb-port-entries", "8192", ...MOVES_AT_ONCE);
  using bystanders = await Bystanders.attach(bed.socket(1), bed.socket(2));
  const guests = await Promise.all([3, 4, 5].map((port) => bed.guest(port)));
  const [sink, four, five] = guests as [NetGuest, NetGuest, NetGuest];
  await speak(sink, [macOf(3)], macOf(4));
  const macs = addresses(MANY);
  await fight([four, five], macs, 13);
  await bystanders.check();
  assert.deepEqual(await counters(bed, "macMovesIn"), [0, 0, 0, 6 * MANY, 7 * MANY]);
  assert.deepEqual(await counters(bed, "macMovesOut"), [0, 0, 0, 7 * MANY, 6 * MANY]);
  assert.deepEqual(await counters(bed, "macFlaps"), [0, 0, 0, MANY, MANY]);
  assert.equal((await bed.status()).fdb.flaps, MANY);
  await until("the log's lines", () => flapLines(bed).length >= 2);
  assert.equal((await bed.port(1)).problems.length, 0);
  assert.equal((await bed.port(4)).problems.length, 1);
  assert.equal(flapLines(bed).length, 2);
  for (const line of flapLines(bed)) assert.match(line, /between vm[45] and vm[45] faster/);
});

Deno.test("a port that takes another's address: its victim is served again, bystanders always", async () => {
  await using bed = await Bed.make(5, ...MOVES_AT_ONCE);
  using bystanders = await Bystanders.attach(bed.socket(1), bed.socket(2));
  const guests = await Promise.all([3, 4, 5].map((port) => bed.guest(port)));
  const [peer, victim, thief] = guests as [NetGuest, NetGuest, NetGuest];
  await speak(peer, [macOf(3)], macOf(4));
  await speak(victim, [macOf(4)], macOf(3));
  // The thief never pauses; the victim says a word now and then.
  const frame = ethernet(macOf(3), macOf(4), 0x88b6, new Uint8Array(46));
  const steal = (): void => {
    for (let i = 0; i < thief.tx.size && thief.send(frame); i++);
  };
  await meanwhile(steal, async () => {
    await until("a flap", async () => {
      await speak(victim, [macOf(4)], macOf(3));
      return ((await bed.status()).fdb.flaps ?? 0) > 0;
    });
    await bystanders.check();
  });
  await until("the log's line", () => flapLines(bed).length > 0);
  assert.match(flapLines(bed)[0] ?? "", /moves between vm[45] and vm[45] faster/);
  assert.deepEqual(await counters(bed, "macFlaps"), [0, 0, 0, 1, 1]);
  await speak(victim, [macOf(4)], macOf(3));
  assert.equal((await bed.process.fdb()).find(({ mac }) => mac === macOf(4))?.port, "vm4");
});

Deno.test("a port removed in the middle of a flap is named no more, nor who has its number", async () => {
  await using bed = await Bed.make(3, ...MOVES_AT_ONCE);
  const { ctl } = bed.process;
  for (let round = 0; round < 3; round++) {
    const [one, two] = await Promise.all([1, 2].map((port) => bed.guest(port)));
    const both = [one, two] as [NetGuest, NetGuest];
    let said = 0;
    // Also when the second one's end is cut off: nobody takes its frames then.
    const fight = (): void => {
      both[said++ % 2]?.send(ethernet(macOf(3), SHARED, 0x88b6, new Uint8Array(46)));
    };
    await meanwhile(fight, async () => {
      await until("a flap", async () => ((await bed.status()).fdb.flaps ?? 0) > round);
      await callSwitch(ctl, "DELETE", "/v1/ports/vm2");
      await callSwitch(ctl, "POST", "/v1/ports", { name: "other", path: bed.socket(2) });
    });
    assert.deepEqual((await bed.status()).ports.flatMap(({ problems }) => problems), []);
    one?.close();
    two?.close();
    await callSwitch(ctl, "DELETE", "/v1/ports/other");
    await callSwitch(ctl, "POST", "/v1/ports", { name: "vm2", path: bed.socket(2) });
    await until("vm1 to be free", async () => (await bed.port(1)).link === "wait");
  }
  for (const line of flapLines(bed)) assert(!line.includes("other "), line);
});
