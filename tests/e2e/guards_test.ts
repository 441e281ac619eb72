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
