/**
 * Guards on a real switch: what a guarded guest says as a server or a router, or in another's name,
 * nobody hears; counters, log and `port show` say so; and what it may say arrives.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import {
  ALL_NODES,
  arp,
  ethernet,
  ipv4,
  ipv6,
  neighbour,
  OWN_LINK_LOCAL,
  ROUTER_ADVERTISEMENT,
  udp,
} from "../harness/lan_packets.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { isNumbered, numberedFrame } from "../harness/traffic.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const GATEWAY = "10.0.0.1";
const OWN = "10.0.0.10";
const GUARDED = "guard=on,ip=10.0.0.10+2001:db8::a";

/** What a guest may not say, and the counter that says so. */
const LIES: readonly (readonly [Uint8Array, string])[] = [
  [ethernet(0x0800, ipv4(OWN, 17, udp(67, 68, new Uint8Array(240)))), "rxDroppedDhcp"],
  [
    ethernet(0x86dd, ipv6(OWN_LINK_LOCAL, 58, ROUTER_ADVERTISEMENT), {
      to: ALL_NODES,
      tags: [[0x8100, 0]],
    }),
    "rxDroppedRouter",
  ],
  [arp(2, GATEWAY, GATEWAY), "rxDroppedIp"],
  [ethernet(0x86dd, ipv6(OWN_LINK_LOCAL, 58, neighbour(136, "2001:db8::1"))), "rxDroppedIp"],
  [ethernet(0x86dd, ipv6(OWN_LINK_LOCAL, 44, [58, 0, 0])), "rxDroppedHidden"],
];

async function hears(guest: NetGuest, frame: Uint8Array): Promise<void> {
  // Whatever came before it would be a lie that passed.
  const wanted = (each: Uint8Array): boolean =>
    isNumbered(each) || LIES.some(([lie]) => each.length === lie.length) || each.length === 60;
  assert.deepEqual(await guest.waitFor(wanted, WAIT_MS_MAX), frame);
}

async function send(guest: NetGuest, frame: Uint8Array): Promise<void> {
  await until("there is room", () => guest.send(frame));
}

Deno.test("what a guarded guest may not say is heard by nobody, and operators hear of it", async () => {
  await using bed = await Bed.make([GUARDED, "", GUARDED, ""], "--link", "vm3:vm4");
  const guests = await Promise.all([1, 2, 3, 4].map((port) => bed.guest(port)));
  const [one, two, three, four] = guests as [NetGuest, NetGuest, NetGuest, NetGuest];
  for (const [from, to] of [[one, two], [three, four]] as const) {
    for (const [lie] of LIES) await send(from, lie);
    const honest = arp(1, OWN, GATEWAY);
    await send(from, honest);
    await hears(to, honest);
    const last = numberedFrame(BROADCAST, from.options.mac, 1, 200);
    await send(from, last);
    await hears(to, last);
    // The other way nothing is guarded.
    const offer = ethernet(0x0800, ipv4(GATEWAY, 17, udp(67, 68, new Uint8Array(100))), {
      from: to.options.mac,
    });
    await send(to, offer);
    const got = await from.waitFor((frame) => frame.length === offer.length, WAIT_MS_MAX);
    assert.deepEqual(got, offer);
  }
  for (const name of ["vm1", "vm3"]) {
    const { counters, guard, ip } = await bed.portNamed(name);
    for (const [, counter] of LIES) {
      const wanted = LIES.filter(([, each]) => each === counter).length;
      assert.equal(counters[counter], wanted, counter);
    }
    assert.deepEqual([guard, ip], [["dhcp", "ra"], [OWN, "2001:db8::a"]]);
  }
  const codes = ["guard-dhcp", "guard-ra", "guard-hidden", "ip-spoof"];
  const said = /^.* warn +port vm[13]: .* (is|are) dropped$/mg;
  await until("the log says each", () => bed.process.log.match(said)?.length === 2 * codes.length);
  const { stdout } = await vuswitch("port", "show", "vm1", "--ctl", bed.process.ctl);
  assert.match(stdout, /guard +dhcp, ra\naddresses +10.0.0.10, 2001:db8::a\n/);
  for (const code of codes) assert.match(stdout, new RegExp(code));
});

/** A datagram to 239.1.2.3, which is the `number`-th. */
function toGroup(from: NetGuest, number: number): Uint8Array {
  const body = udp(5000, 5001, [number >> 8, number & 0xff, ...new Uint8Array(30)]);
  const message = ipv4(OWN, 17, body, { to: "239.1.2.3" });
  return ethernet(0x0800, message, { to: "01:00:5e:01:02:03", from: from.options.mac });
}

/** A message of IGMP. */
function igmp(from: NetGuest, to: readonly [mac: string, ip: string], body: number[]): Uint8Array {
  const message = ipv4(OWN, 2, body, { to: to[1] });
  return ethernet(0x0800, message, { to: to[0], from: from.options.mac });
}

Deno.test("frames to a group go to who is in it, as group list says", async () => {
  await using bed = await Bed.make(new Array(4).fill("storm=off"), "--snooping", "on");
  const guests = await Promise.all([1, 2, 3, 4].map((port) => bed.guest(port)));
  const [sender, member, other, router] = guests as [NetGuest, NetGuest, NetGuest, NetGuest];
  // They have a tenth of a second to answer.
  const query = [0x11, 1, 0, 0, 0, 0, 0, 0];
  await send(router, igmp(router, ["01:00:5e:00:00:01", "224.0.0.1"], query));
  const report = [0x16, 0, 0, 0, 239, 1, 2, 3];
  await send(member, igmp(member, ["01:00:5e:01:02:03", "239.1.2.3"], report));
  const listed = async (): Promise<unknown[]> => {
    const { stdout } = await vuswitch("group", "list", "-o", "json", "--ctl", bed.process.ctl);
    const rows = JSON.parse(stdout) as { port: string; vlan: number; group: string | null }[];
    return rows.map(({ port, vlan, group }) => [port, vlan, group]);
  };
  const wanted = JSON.stringify([["vm2", 0, "01:00:5e:01:02:03"], ["vm4", 0, null]]);
  await until("both are known", async () => JSON.stringify(await listed()) === wanted);
  let number = 0;
  await until("the other one is left out", async () => {
    const group = toGroup(sender, ++number);
    const last = numberedFrame(BROADCAST, sender.options.mac, number, 100);
    for (const frame of [group, last]) await send(sender, frame);
    for (const guest of [member, router]) assert.deepEqual(await upTo(guest, last), [group, last]);
    const got = await upTo(other, last);
    if (got.length > 1) assert.deepEqual(got, [group, last]);
    return got.length === 1;
  });
});

/** Frames of the test that a guest got, up to one of them. */
async function upTo(guest: NetGuest, last: Uint8Array): Promise<Uint8Array[]> {
  const got: Uint8Array[] = [];
  await until("the last one", () => {
    got.push(...guest.receive().filter((frame) => isNumbered(frame) || frame.length === 74));
    return got.some((frame) => frame.length === last.length);
  });
  return got;
}
