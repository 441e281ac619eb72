/**
 * VLANs on a real switch: guests on access ports and a trunk, behind one of them a TAP device, and no
 * frame of another VLAN anywhere.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { PacketPeer, TapDevice, tapTest } from "../harness/tap.ts";
import { isNumbered, macOf, numberedFrame } from "../harness/traffic.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

const BROADCAST = "ff:ff:ff:ff:ff:ff";
const PEER = macOf(0x77);

/** A frame with a tag in front of its type. */
function tagged(frame: Uint8Array, vid: number): Uint8Array {
  const tag = [0x81, 0x00, vid >> 8, vid & 0xff];
  return Uint8Array.from([...frame.subarray(0, 12), ...tag, ...frame.subarray(12)]);
}

function isTagged(frame: Uint8Array): boolean {
  return frame[12] === 0x81 && frame[13] === 0 && isNumbered(untagged(frame));
}

function untagged(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)]);
}

async function send(guest: NetGuest, frame: Uint8Array): Promise<void> {
  await until("there is room", () => guest.send(frame));
}

/** The next frame of a guest must be this one: whatever came before it would be another's. */
async function hears(guest: NetGuest, frame: Uint8Array): Promise<void> {
  const wanted = (each: Uint8Array): boolean => isNumbered(each) || isTagged(each);
  assert.deepEqual(await guest.waitFor(wanted, WAIT_MS_MAX), frame);
}

tapTest(
  "guests of a VLAN hear each other and the trunks, with a tag there, and nobody else",
  async () => {
    using device = new TapDevice();
    const up = `up=tap:${device.name},trunk=10,20`;
    const ports = ["access=10", "access=10", "access=20", "trunk=10,20,native=20"];
    await using bed = await Bed.make(ports, "-p", up);
    using peer = new PacketPeer(device.name);
    const [one, two, other, trunk] = await Promise.all(
      [1, 2, 3, 4].map((port) => bed.guest(port, { packed: port % 2 === 0 })),
    ) as [NetGuest, NetGuest, NetGuest, NetGuest];
    const { mac } = one.options;
    // Flooded in VLAN 10; the guest of VLAN 20 gets the next frame, which is its own VLAN's.
    const flood = numberedFrame(BROADCAST, mac, 1, 60);
    await send(one, flood);
    await hears(two, flood);
    await hears(trunk, tagged(flood, 10));
    await peer.waitFor("the broadcast", (frame) => isNumbered(frame) || isTagged(frame));
    const own = numberedFrame(BROADCAST, trunk.options.mac, 2, 1514);
    await send(trunk, own);
    await hears(other, own);
    // To an address that is known, from each side, with and without a tag.
    const answer = numberedFrame(mac, trunk.options.mac, 3, 200);
    await send(trunk, tagged(answer, 10));
    await hears(one, answer);
    await until("there is room", () => peer.send(tagged(numberedFrame(mac, PEER, 4, 300), 10)));
    await hears(one, numberedFrame(mac, PEER, 4, 300));
    // A canary of VLAN 10 that is made to look like one of 20, and the other way round.
    await send(one, tagged(numberedFrame(BROADCAST, mac, 5, 60), 20));
    await send(other, numberedFrame(mac, other.options.mac, 6, 60));
    const last = numberedFrame(two.options.mac, mac, 7, 60);
    await send(two, numberedFrame(BROADCAST, two.options.mac, 8, 60));
    await hears(one, numberedFrame(BROADCAST, two.options.mac, 8, 60));
    await send(one, last);
    await hears(two, last);
    const dropped = (await bed.portNamed("vm1")).counters.rxDroppedVlan;
    assert.equal(dropped, 1);
    const { stdout } = await vuswitch("fdb", "show", "--vlan", "20", "--ctl", bed.process.ctl);
    assert.match(stdout, /vm3 +20 /);
    assert.doesNotMatch(stdout, / 10 /);
  },
);
