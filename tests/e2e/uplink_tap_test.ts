/** Uplinks to TAP devices: guests and what is behind the device, with every byte looked at. */
import { strict as assert } from "node:assert";
import { closeFd, openTap, TUN_PATH } from "../../ffi/mod.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
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

tapTest(
  "a device that is switched off is reported with what helps, and frames for it are counted",
  async () => {
    using device = new TapDevice();
    await using bed = await Bed.make(1, "-p", `up=tap:${device.name}`);
    const guest = await bed.guest(1);
    ip("link", "set", device.name, "down");
    await untilLink(bed, "down");
    const { problems, verdict } = await bed.portNamed("up");
    assert.deepEqual(problems.map(({ code }) => code), ["uplink-down"]);
    assert.match(
      verdict,
      new RegExp(`${device.name} is switched off: ip link set ${device.name} up`),
    );
    assert(guest.send(numberedFrame(BROADCAST, guest.options.mac, 0, 60)));
    await until("the frame is counted", async () => {
      return (await bed.portNamed("up")).counters["txDroppedUplinkDown"] !== 0;
    });
    ip("link", "set", device.name, "up");
    await untilLink(bed, "up");
    assert.deepEqual((await bed.portNamed("up")).problems, []);
  },
);

tapTest("a hundred deletions under load cost no other port a frame", async () => {
  using device = new TapDevice();
  await using bed = await Bed.make(3, "-p", `up=tap:${device.name}`);
  using others = await Bystanders.attach(bed.socket(1), bed.socket(2));
  const guest = await bed.guest(3);
  const flood = setInterval(() => {
    for (let i = 0; i < 32; i++) guest.send(numberedFrame(BROADCAST, guest.options.mac, i, 200));
  }, 2);
  try {
    for (let round = 0; round < 100; round++) {
      ip("link", "del", device.name);
      addTap(device.name);
      if (round % 10 === 0) await others.check();
    }
    await others.check();
    await untilLink(bed, "up");
    using peer = new PacketPeer(device.name);
    await peer.waitFor("the flood goes on there", isNumbered);
  } finally {
    clearInterval(flood);
  }
  for (const port of [1, 2]) {
    const { counters } = await bed.port(port);
    assert.equal(counters["txDroppedRingBroken"], 0);
  }
});

tapTest("tags pass inline, and frames longer than the device's MTU do not leave", async () => {
  using device = new TapDevice();
  await using bed = await Bed.make(1, "-p", `up=tap:${device.name}`);
  using peer = new PacketPeer(device.name);
  const guest = await bed.guest(1);
  const tagged = (type: number, bytes: number): Uint8Array => {
    const frame = numberedFrame(BROADCAST, guest.options.mac, type, bytes);
    frame.set([type >> 8, type & 0xff, 0x20, 0x64], 12);
    return frame;
  };
  const isOurs = (frame: Uint8Array): boolean => frame[14] === 0x20 && frame[15] === 0x64;
  const source = `52:54:00:00:01:01`.split(":").map((byte) => parseInt(byte, 16));
  for (const type of [0x8100, 0x88a8]) {
    assert(guest.send(tagged(type, 100)));
    // A packet socket has the tag beside the frame: what comes back to the switch has it inside.
    await peer.waitFor(
      "the tagged frame, in whatever form",
      (frame) =>
        source.every((byte, i) => frame[6 + i] === byte) &&
        !(frame[12] === 0x80 && frame[13] === 0x35),
    );
    const back = tagged(type, 100);
    back.set([0x52, 0x54, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 1, 0x77]);
    assert(peer.send(back));
    assert.deepEqual(await guest.waitFor(isOurs, WAIT_MS_MAX), back);
  }
  // MTU, Ethernet header and two tags.
  assert(guest.send(numberedFrame(BROADCAST, guest.options.mac, 1, 1500 + 22 + 1)));
  assert(guest.send(numberedFrame(BROADCAST, guest.options.mac, 2, 1500 + 22)));
  const longest = await peer.waitFor("the longest frame", isNumbered);
  assert.equal(longest.length, 1522);
  assert.equal((await bed.portNamed("up")).counters["txDroppedOversize"], 1);
  ip("link", "set", device.name, "mtu", "9000");
  await until("the new MTU is in force", async () => (await bed.portNamed("up")).mtu === 9000);
  assert(guest.send(numberedFrame(BROADCAST, guest.options.mac, 3, 9014)));
  assert.equal((await peer.waitFor("a jumbo frame", isNumbered)).length, 9014);
});

tapTest("several queues serve one device, and answers come back to a guest", async () => {
  using device = new TapDevice("multi_queue");
  await using bed = await Bed.make(1, "-p", `up=tap:${device.name},queues=4`);
  using peer = new PacketPeer(device.name);
  const guest = await bed.guest(1);
  await exchange(guest, peer, [60, 1000, 1514]);
  assert.equal((await bed.portNamed("up")).device?.queues, 4);
});

tapTest("what cannot be opened ends in one line with what helps", async () => {
  using device = new TapDevice();
  await using bed = await Bed.make(1, "-p", `up=tap:${device.name}`);
  const refused = async (spec: string, said: RegExp): Promise<void> => {
    const { code, stderr } = await vuswitch("port", "add", spec, "--ctl", bed.process.ctl);
    assert.notEqual(code, 0, spec);
    assert.match(stderr, said);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  };
  await refused(`c=tap:${device.name}`, /"up" has tap:.* already/);
  using busy = new TapDevice();
  await refused(`b=tap:${busy.name},queues=2`, /multi_queue/);
  const { fd } = openTap(TUN_PATH, busy.name, false);
  await refused(`h=tap:${busy.name}`, /EBUSY|EINVAL/);
  closeFd(fd);
  await refused("d=tap:lo", /no TAP device/);
  await refused("e=tap:/dev/tap99999", /ENOENT.*ifindex/);
  await refused("f=tap:fd=999999", /EBADF|no queue of a TAP device/);
  const name = deviceName();
  await refused(`g=tap:${name},mtu=65535`, /MTU 1500, and cannot be given 65535.*65521/);
  assert(!deviceExists(name), "nothing is left behind");
});
