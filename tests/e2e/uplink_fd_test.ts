/** Queues of TAP devices that whoever started the switch left open, and devices named twice. */
import { strict as assert } from "node:assert";
import { TUN_PATH } from "../../ffi/mod.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { ip, LeftOpen, PacketPeer, TapDevice, tapTest } from "../harness/tap.ts";
import { isNumbered, macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

async function refused(bed: Bed, spec: string, said: RegExp): Promise<void> {
  const { code, stderr } = await vuswitch("port", "add", spec, "--ctl", bed.process.ctl);
  assert.notEqual(code, 0, spec);
  assert.match(stderr, said);
  assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
}

async function done(bed: Bed, ...words: string[]): Promise<void> {
  const { code, stderr } = await vuswitch(...words, "--ctl", bed.process.ctl);
  assert.equal(code, 0, stderr);
}

async function passes(bed: Bed, port: number, device: string): Promise<void> {
  using peer = new PacketPeer(device);
  const guest = await bed.guest(port);
  const frame = numberedFrame(macOf(0x77), guest.options.mac, 1, 200);
  await until("there is room", () => guest.send(frame));
  assert.deepEqual(await peer.waitFor("a frame of the guest", isNumbered), frame);
}

tapTest("a queue that was left open and waits at reads stops no other port", async () => {
  using device = new TapDevice();
  using open = new LeftOpen(device.name);
  await using bed = await Bed.make(4, "-p", `up=tap:fd=${open.fd}`);
  using others = await Bystanders.attach(bed.socket(1), bed.socket(2));
  await others.check();
  await passes(bed, 3, device.name);
  // Whoever has the port again has the device again.
  await done(bed, "port", "del", "up");
  await done(bed, "port", "add", `up=tap:fd=${open.fd}`);
  await passes(bed, 4, device.name);
  ip("link", "del", device.name);
  await until("the port says that it is over", async () => {
    const { link, retry, problems } = await bed.portNamed("up");
    return link === "wait" && retry === null && /no use/.test(problems[0]?.hint ?? "");
  });
  await others.check();
});

tapTest("a descriptor or device that a port has is no other port's", async () => {
  using device = new TapDevice("multi_queue");
  using open = new LeftOpen(device.name, true);
  using second = new LeftOpen(device.name, true);
  await using bed = await Bed.make(2, "-p", `up=tap:fd=${open.fd}`);
  const { fd } = open;
  const { pid } = bed.process;
  for (const same of [`fd=${fd}`, `fd=0${fd}`]) {
    await refused(bed, `b=tap:${same}`, /"up" has tap:fd=\d+ already/);
  }
  for (const same of [`fd=${second.fd}`, device.name]) {
    await refused(bed, `b=tap:${same}`, new RegExp(`"up" has device ${device.name} already`));
  }
  await refused(bed, `b=tap:${device.name},mtu=1400`, /"up" has device .* already/);
  assert.match(ip("link", "show", device.name), /mtu 1500/, "whoever is refused sets nothing");
  let own = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    if (Number(name) === fd || Number(name) === second.fd) continue;
    let file = "";
    try {
      file = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch { /* It was open for a moment. */ }
    if (file !== TUN_PATH) continue;
    own++;
    await refused(bed, `b=tap:fd=${name}`, /is the switch's own/);
  }
  assert.equal(own, 1);
  await passes(bed, 1, device.name);
  await done(bed, "port", "del", "up");
  await done(bed, "port", "add", `b=tap:${device.name}`);
  await refused(bed, `c=tap:${device.name}`, /"b" has tap:.* already/);
  await passes(bed, 2, device.name);
});
