/** Uplinks to TAP devices: guests and what is behind the device, with every byte looked at. */
import { strict as assert } from "node:assert";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { Bed } from "../harness/bed.ts";
import {
  addTap,
  deviceExists,
  deviceName,
  ip,
  PacketPeer,
  TapDevice,
  tapTest,
} from "../harness/tap.ts";
import { isNumbered, macOf, numberedFrame } from "../harness/traffic.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

const PEER = macOf(0x77);
const BROADCAST = "ff:ff:ff:ff:ff:ff";

async function untilLink(bed: Bed, link: string): Promise<void> {
  await until(`the link is ${link}`, async () => (await bed.portNamed("up")).link === link);
}

/** Sends frames of these sizes both ways between a guest and a peer, and compares each. */
async function exchange(
  guest: NetGuest,
  peer: PacketPeer,
  sizes: readonly number[],
): Promise<void> {
  const { mac } = guest.options;
  assert(guest.send(numberedFrame(BROADCAST, mac, 0, 60)));
  await peer.waitFor("the guest's broadcast", isNumbered);
  for (const [number, bytes] of sizes.entries()) {
    const out = numberedFrame(PEER, mac, number, bytes);
    await until("there is room", () => guest.send(out));
    assert.deepEqual(await peer.waitFor(`frame ${number} out`, isNumbered), out);
    const back = numberedFrame(mac, PEER, number, bytes);
    assert(peer.send(back));
    assert.deepEqual(await guest.waitFor(isNumbered, WAIT_MS_MAX), back, `frame ${number} in`);
  }
}

tapTest("frames pass between guests and a TAP device unchanged", async () => {
  using device = new TapDevice();
  await using bed = await Bed.make(2, "-p", `up=tap:${device.name}`);
  using peer = new PacketPeer(device.name);
  for (const [port, packed] of [[1, false], [2, true]] as const) {
    const guest = await bed.guest(port, { packed });
    await exchange(guest, peer, [18, 30, 31, 60, 61, 64, 200, 1000, 1513, 1514]);
  }
});

tapTest("a TAP device that is not there is made, and ends with the switch", async () => {
  const name = deviceName();
  {
    await using bed = await Bed.make(0, "-p", `up=tap:${name},mtu=9000,queues=2`);
    assert.match(ip("link", "show", name), /UP.* mtu 9000/);
    await untilLink(bed, "up");
    const port = await bed.portNamed("up");
    assert.equal(port.mtu, 9000);
    assert.deepEqual(port.device, {
      ...{ name, mtu: 9000, up: true, carrier: true, headerBytes: 12, queues: 2 },
      offloads: ["CSUM", "TSO4", "TSO6", "ECN", "USO4", "USO6"],
    });
    const { stdout } = await vuswitch("port", "show", "up", "--ctl", bed.process.ctl);
    assert.match(stdout, new RegExp(`device +${name}: mtu 9000, up, carrier, header 12 bytes`));
  }
  assert(!deviceExists(name), "a device that the switch made is gone");
});

tapTest("a device that is deleted and made again is taken up again", async () => {
  using device = new TapDevice();
  await using bed = await Bed.make(1, "-p", `up=tap:${device.name}`);
  const guest = await bed.guest(1);
  for (let round = 0; round < 3; round++) {
    ip("link", "del", device.name);
    await untilLink(bed, "wait");
    const { retry } = await bed.portNamed("up");
    assert.equal(retry?.reason, `device ${device.name} is gone`);
    addTap(device.name);
    await untilLink(bed, "up");
    using peer = new PacketPeer(device.name);
    await exchange(guest, peer, [60, 1514]);
  }
});

/** The RARP requests that came to a peer, by the address they tell of. */
function rarps(peer: PacketPeer): string[] {
  return peer.receive().filter((frame) => frame[12] === 0x80 && frame[13] === 0x35)
    .map((frame) => [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, "0")))
    .map((bytes) => bytes.join(":"));
}

tapTest(
  "guests are announced when they come, and all of them when the link comes back",
  async () => {
    using device = new TapDevice();
    await using bed = await Bed.make([`mac=${macOf(1)}`, ""], "-p", `up=tap:${device.name}`);
    const told = new Set<string>();
    const [one, two] = [macOf(1), macOf(2)];
    {
      using peer = new PacketPeer(device.name);
      const untilTold = async (what: string, macs: readonly string[]): Promise<void> => {
        await until(what, () => {
          for (const mac of rarps(peer)) told.add(mac);
          return macs.every((mac) => told.has(mac));
        });
      };
      await bed.guest(1);
      await untilTold("the first guest is announced, which has not said a word", [one]);
      const guest = await bed.guest(2);
      assert(!told.has(two));
      // To the other guest alone: nothing of it leaves by the uplink but the announcement.
      assert(guest.send(numberedFrame(one, two, 0, 60)));
      await untilTold("the other one is", [two]);
      told.clear();
      ip("link", "set", device.name, "down");
      await untilLink(bed, "down");
      ip("link", "set", device.name, "up");
      await untilTold("both are, when the link is back", [one, two]);
      told.clear();
      assert.equal((await vuswitch("port", "down", "up", "--ctl", bed.process.ctl)).code, 0);
      assert.match(ip("link", "show", device.name), /NO-CARRIER/);
      assert.equal((await vuswitch("port", "up", "up", "--ctl", bed.process.ctl)).code, 0);
      await untilTold("both are, when an operator puts it back", [one, two]);
    }
  },
);
