/**
 * Uplinks as they are used: a Linux guest and a network namespace of the host, and a switch without
 * any right to make devices.
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { Bed } from "../harness/bed.ts";
import { pingAll } from "../harness/guests.ts";
import { canBeOther, OTHER_UID, OtherUser } from "../harness/other_user.ts";
import { peerTest } from "../harness/peers.ts";
import { vuswitch } from "../harness/switch_process.ts";
import {
  deviceName,
  LeftOpen,
  MacvtapDevice,
  Namespace,
  TapDevice,
  tapMissing,
  tapTest,
} from "../harness/tap.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

/** MiB each way. */
const MIB = 16;

async function said(command: Deno.Command): Promise<string> {
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** A file of the guest's by TCP to a host's namespace, and back. @param sum of the file */
async function sendBothWays(
  guest: QemuGuest,
  host: Namespace,
  address: string,
  bed: Bed,
  sum: string,
): Promise<void> {
  // busybox's nc ends with its standard input, and this one has no end.
  const fifo = bed.file(`fifo-${address}`);
  await said(host.command("mkfifo", fifo));
  const hears = said(host.command("sh", "-c", `busybox nc -l -p 5001 0<>${fifo} | sha256sum`));
  await until("the host listens", async () => {
    return (await said(host.command("cat", "/proc/net/tcp", "/proc/net/tcp6"))).includes(":1389 ");
  });
  assert.equal((await guest.run(`nc -w 60 ${address} 5001 < /tmp/sent`)).code, 0);
  assert.equal((await hears).trim(), sum, "the host has what the guest sent");
  await guest.run("(nc -l -p 5002 < /tmp/sent) > /dev/null 2>&1 &");
  await guest.run("while ! netstat -ltn | grep -q :5002; do sleep 0.1; done");
  const [own = ""] = guest.options.address.split("/");
  const back = await said(
    host.command("sh", "-c", `busybox nc ${own} 5002 0<>${fifo} | sha256sum`),
  );
  assert.equal(back.trim(), sum, "and back");
  const errors = await said(host.command("cat", "/proc/net/snmp"));
  const [names, values] = errors.split("\n").filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  assert.equal(values?.[names?.indexOf("InCsumErrors") ?? -1], "0", errors);
}

peerTest(
  "a Linux guest reaches namespaces by a TAP, a macvtap and a queue left open, TCP both ways",
  [...missingQemuPackages(), ...tapMissing()],
  async () => {
    using device = new TapDevice();
    using macvtap = new MacvtapDevice();
    using other = new TapDevice();
    using open = new LeftOpen(other.name);
    const uplinks = [`tap:${device.name}`, `tap:${macvtap.file}`, `tap:fd=${open.fd}`];
    await using bed = await Bed.make(1, ...uplinks.flatMap((up, i) => ["-p", `up${i}=${up}`]));
    using hosts = new DisposableStack();
    const namespaces = [device.name, macvtap.peer, other.name].map((name, i) => {
      const host = hosts.use(new Namespace());
      const address = `10.77.0.${99 - i}`;
      host.take(name, `${address}/24`);
      return { host, address };
    });
    const [guest] = await bed.linux([{}]);
    assert(guest);
    await guest.run(`dd if=/dev/urandom of=/tmp/sent bs=1M count=${MIB} 2>/dev/null`);
    const sum = (await guest.run("sha256sum < /tmp/sent")).output;
    for (const [i, { host, address }] of namespaces.entries()) {
      await pingAll(guest, address, 50);
      await pingAll(guest, address, 20, 1472);
      await sendBothWays(guest, host, address, bed, sum);
      const { txFrames = 0, txBytes = 0 } = (await bed.portNamed(`up${i}`)).counters;
      assert(txBytes > MIB << 20 && txBytes / txFrames > 2000, "large frames leave as they are");
    }
  },
);

tapTest("a device made for a user needs no capability, and no other one can be had", async () => {
  if (!canBeOther()) return;
  using folder = new TempFolder();
  using mine = new TapDevice("user", String(OTHER_UID));
  using roots = new TapDevice("user", "0");
  await Deno.chown(folder.path, OTHER_UID, OTHER_UID);
  using other = new OtherUser();
  const ctl = folder.file("ctl");
  await using running = await other.start(["--ctl", ctl, "-p", `up=tap:${mine.name}`]);
  const { stdout } = await vuswitch("port", "show", "up", "-o", "json", "--ctl", ctl);
  const port = JSON.parse(stdout) as PortStatus;
  assert.equal(port.link, "up", running.log);
  assert.equal(port.device?.headerBytes, 12);
  const refused = async (spec: string, text: RegExp): Promise<void> => {
    const { code, stderr } = await vuswitch("port", "add", spec, "--ctl", ctl);
    assert.notEqual(code, 0);
    assert.match(stderr, text);
  };
  await refused(`a=tap:${roots.name}`, /EPERM.*belongs to another user/);
  await refused(`b=tap:${deviceName()}`, /EPERM.*making a device needs CAP_NET_ADMIN/);
});
