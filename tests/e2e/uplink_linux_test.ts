/**
 * Uplinks as they are used: a Linux guest and a network namespace of the host, and a switch without
 * any right to make devices.
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { Bed } from "../harness/bed.ts";
import { pingAll } from "../harness/guests.ts";
import { canBeOther, OTHER_UID, OtherUser } from "../harness/other_user.ts";
import { peerTest } from "../harness/peers.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { deviceName, Namespace, TapDevice, tapMissing, tapTest } from "../harness/tap.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const HOST = "10.77.0.99";
const MIB = 32;

async function said(command: Deno.Command): Promise<string> {
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

peerTest(
  "a Linux guest reaches a namespace of the host, TCP both ways with checksums",
  [...missingQemuPackages(), ...tapMissing()],
  async () => {
    using device = new TapDevice();
    await using bed = await Bed.make(1, "-p", `up=tap:${device.name}`);
    using host = new Namespace();
    host.take(device.name, `${HOST}/24`);
    const [guest] = await bed.linux([{}]);
    assert(guest);
    await pingAll(guest, HOST, 50);
    await pingAll(guest, HOST, 20, 1472);
    // busybox's nc ends with its standard input, and this one has no end.
    const fifo = bed.file("fifo");
    await said(host.command("mkfifo", fifo));
    const hears = said(
      host.command("sh", "-c", `busybox nc -l -p 5001 0<>${fifo} | sha256sum`),
    );
    await until("the host listens", async () => {
      return (await said(host.command("cat", "/proc/net/tcp", "/proc/net/tcp6"))).includes(
        ":1389 ",
      );
    });
    await guest.run(`dd if=/dev/urandom of=/tmp/sent bs=1M count=${MIB} 2>/dev/null`);
    const sum = (await guest.run("sha256sum < /tmp/sent")).output;
    assert.equal((await guest.run(`nc -w 60 ${HOST} 5001 < /tmp/sent`)).code, 0);
    assert.equal((await hears).trim(), sum, "the host has what the guest sent");
    await guest.run("(nc -l -p 5002 < /tmp/sent) > /dev/null 2>&1 &");
    await guest.run("while ! netstat -ltn | grep -q :5002; do sleep 0.1; done");
    const [address = ""] = guest.options.address.split("/");
    const back = await said(
      host.command("sh", "-c", `busybox nc ${address} 5002 0<>${fifo} | sha256sum`),
    );
    assert.equal(back.trim(), sum, "and back");
    const errors = await said(host.command("cat", "/proc/net/snmp"));
    const [names, values] = errors.split("\n").filter((line) => line.startsWith("Tcp:"))
      .map((line) => line.split(" "));
    assert.equal(values?.[names?.indexOf("InCsumErrors") ?? -1], "0", errors);
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
