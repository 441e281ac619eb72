/**
 * The internet behind a port, by the kernel and by a user's programs: a Linux guest gets an address,
 * resolves a name and fetches a page, and nothing is left of it, whatever happened to the switch.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { startGuests, stopGuests } from "../harness/guests.ts";
import { Internet, missingForNat, WEB } from "../harness/internet.ts";
import { canBeOther, OTHER_UID, OtherUser } from "../harness/other_user.ts";
import { peerTest } from "../harness/peers.ts";
import { SwitchProcess, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

/** What guests fetch with: a static busybox resolves no names for wget. */
const CURL = "/usr/bin/curl";

/** A guest that comes back to a switch that was restarted. */
const GUEST = { address: "dhcp", chardev: ["reconnect=1"] };

/** Has a guest get an address anew, and compares a page that it fetches by name. */
async function fetchPage(guest: QemuGuest, internet: Internet): Promise<void> {
  const leased = await guest.run("ip addr flush dev eth0; lease; ip route show default");
  assert.match(leased.output, /^default via /, leased.output);
  const fetched = await guest.run(`curl -sS -m 100 http://${WEB}/page | sha256sum`);
  assert.equal(fetched.output.split(" ")[0], internet.sum, fetched.output);
}

async function portAt(ctl: string, name = "up"): Promise<PortStatus> {
  return await callSwitch(ctl, "GET", `/v1/ports/${name}`) as PortStatus;
}

function natOf(port: PortStatus): NonNullable<PortStatus["nat"]> {
  assert(port.nat, "the port says how it translates");
  return port.nat;
}

function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** Ends the helper of a port, and waits until there is another one. */
async function killHelper(port: () => Promise<PortStatus>): Promise<void> {
  const { helperPid, helperStarts } = natOf(await port());
  assert(helperPid !== null);
  Deno.kill(helperPid, "SIGKILL");
  await until("the helper to be started again", async () => {
    const now = natOf(await port());
    return now.helperStarts > helperStarts && now.helperPid !== null && now.helperPid !== helperPid;
  });
  assert.match((await port()).lastError?.code ?? "", /^nat-helper$/);
}

peerTest(
  "a guest reaches the internet by the kernel's NAT, and nothing is left of it",
  missingForNat("curl", "nft"),
  async () => {
    using folder = new TempFolder();
    using other = new TempFolder();
    await using internet = await Internet.make();
    const words = [...internet.words(), ...vuswitchWords()];
    const ports = ["-p", `vm1=${folder.file("vm1.sock")}`, "--nat"];
    const refused = new Deno.Command("ip", {
      args: [
        ...internet.words("mount --bind /dev/null /usr/sbin/dnsmasq").slice(1),
        ...[...vuswitchWords(), "run", ...ports, "--ctl", folder.file("ctl.sock")],
      ],
    });
    const { code, stderr } = await refused.output();
    assert.equal(code, 1);
    assert.match(new TextDecoder().decode(stderr), /needs dnsmasq.*apt-get install dnsmasq-base/);
    assert.deepEqual(await internet.tables(), []);

    const first = await SwitchProcess.start(folder.path, ports, words);
    await using _ = first;
    const port = () => portAt(first.ctl);
    const { subnet, gateway, by } = natOf(await port());
    assert.equal(by, "tap");
    const guests = await startGuests(folder.path, [GUEST], [CURL]);
    const [guest] = guests as [QemuGuest];
    try {
      await fetchPage(guest, internet);
      assert.equal((await guest.run(`ping -c 1 ${gateway}`)).code, 0, "it reaches the host");
      const address = /inet ([\d.]+)/.exec((await guest.run("ip addr show eth0")).output)?.[1];
      const route = `ip route add ${subnet} via 203.0.113.2`;
      await internet.say(internet.net, `${route}; ! ping -c 1 -W 1 ${address}`);
      // Under another address it is not heard at all, nor in IPv6, where it may call itself a router.
      const forged = "ip addr add 198.51.100.7/32 dev eth0; ping -I 198.51.100.7 -c 1 -W 1";
      await guest.run(`${forged} ${gateway}; ip addr del 198.51.100.7/32 dev eth0`);
      const table = await internet.say(internet.host, "nft list ruleset");
      assert.match(table, /ip saddr != .* counter packets [1-9]\d* bytes \d+ drop/);
      const off = "cat /proc/sys/net/ipv6/conf/vunat0/disable_ipv6";
      assert.equal((await internet.say(internet.host, off)).trim(), "1");
      await killHelper(port);
      await fetchPage(guest, internet);

      // Somebody removes the device: it is made again, and is the guests' way out again.
      const { helperStarts } = natOf(await port());
      await internet.say(internet.host, "ip link del vunat0");
      await until("the helper of the new device", async () => {
        return natOf(await port()).helperStarts > helperStarts;
      });
      await fetchPage(guest, internet);

      // What is found to be impossible half-way leaves nothing.
      const [program = "", ...run] = [...words, "run", "--ctl", other.file("ctl.sock")];
      const args = [...run, "-p", `up=nat,subnet=${subnet}`];
      const taken = await new Deno.Command(program, { args }).output();
      assert.equal(taken.code, 1);
      assert.match(
        new TextDecoder().decode(taken.stderr),
        /is in use on this host: it has a route/,
      );
      assert.equal((await internet.tables()).length, 1);
      assert.equal((await internet.say(internet.host, "ip -br link")).match(/vunat/g)?.length, 1);

      // A second switch on the same host has a network of its own, and leaves the first alone.
      await using second = await SwitchProcess.start(other.path, ["-p", "up=nat"], words);
      assert.notEqual(natOf(await portAt(second.ctl)).subnet, subnet);
      assert.equal((await internet.tables()).length, 2);
      const more = callSwitch(second.ctl, "POST", "/v1/ports", { name: "more", path: "nat" });
      await assert.rejects(more, /Port "up" has nat already/);
      assert.equal(await second.stop(), 0);
      assert.equal((await internet.tables()).length, 1);
      assert(await internet.forwards());

      // Killed: the kernel takes the device, the next start the rest.
      const { helperPid } = natOf(await port());
      await first.stop("SIGKILL");
      assert.equal((await internet.tables()).length, 1);
      await using third = await SwitchProcess.start(folder.path, ports, words);
      assert(!runs(helperPid as number), "the killed switch's dnsmasq");
      assert.equal((await internet.tables()).length, 1);
      await until("the guest is back", async () => (await portAt(third.ctl, "vm1")).link === "up");
      await fetchPage(guest, internet);
      const last = natOf(await portAt(third.ctl)).helperPid as number;
      assert.equal(await third.stop(), 0, third.log);
      assert(!runs(last), "its dnsmasq");
    } finally {
      await stopGuests(guests);
    }
    assert.deepEqual(await internet.tables(), []);
    assert(!await internet.forwards(), "the host does not forward any more");
    assert.doesNotMatch(await internet.say(internet.host, "ip -br link"), /vunat/);
    assert.deepEqual(foldersOf("/run", first.pid), []);
  },
);

/** Folders of NAT in `base` that were made by a process. */
function foldersOf(base: string, pid: number): string[] {
  const names = Array.from(Deno.readDirSync(base), ({ name }) => name);
  return names.filter((name) => name.startsWith(`vuswitch-nat-${pid}-`));
}

peerTest(
  "a guest reaches the internet through a user's slirp4netns, and through passt",
  missingForNat("curl", "slirp4netns", "passt"),
  async () => {
    if (!canBeOther()) return;
    using folder = new TempFolder();
    await using internet = await Internet.make();
    await Deno.chown(folder.path, OTHER_UID, OTHER_UID);
    const session = folder.file("run");
    await Deno.mkdir(session, { mode: 0o700 });
    await Deno.chown(session, OTHER_UID, OTHER_UID);
    const env = { XDG_RUNTIME_DIR: session };
    const left = (): string[] =>
      Array.from(Deno.readDirSync(session), ({ name }) => name)
        .filter((name) => name.startsWith("vuswitch-nat-"));
    using user = new OtherUser();
    const ctl = folder.file("ctl.sock");
    const args = ["--ctl", ctl, "-p", `vm1=${folder.file("vm1.sock")}`, "--nat"];
    const port = () => portAt(ctl);
    const first = await user.start(args, env, internet.words());
    await using _ = first;
    const guests = await startGuests(folder.path, [GUEST], [CURL]);
    const [guest] = guests as [QemuGuest];
    try {
      assert.equal(natOf(await port()).by, "slirp4netns");
      await fetchPage(guest, internet);
      await killHelper(port);
      await until("the link is up again", async () => (await port()).link === "up");
      await fetchPage(guest, internet);
      for (const admin of ["down", "up"]) {
        await callSwitch(ctl, "POST", "/v1/ports/up/link", { admin });
      }
      await until("the link is up again", async () => (await port()).link === "up");
      await fetchPage(guest, internet);
      await first.stop("SIGKILL");
      assert.equal(left().length, 1);

      // Without slirp4netns there is passt.
      const hide = "mount --bind /dev/null /usr/bin/slirp4netns";
      await using second = await user.start(args, env, internet.words(hide));
      assert.equal(left().length, 1, "what was left is gone");
      const { by, helperPid } = natOf(await port());
      assert.equal(by, "passt");
      await until("the guest is back", async () => (await port()).link === "up");
      await fetchPage(guest, internet);
      await second.stop();
      assert.deepEqual(left(), []);
      assert(!runs(helperPid as number), "its passt");
      const both = `${hide}; mount --bind /dev/null /usr/bin/passt`;
      const refused = await user.command(["run", ...args], env, internet.words(both)).output();
      assert.equal(refused.code, 1);
      const text = new TextDecoder().decode(refused.stderr);
      assert.match(text, /needs slirp4netns.*apt-get install slirp4netns/);
      assert.deepEqual(left(), []);
    } finally {
      await stopGuests(guests);
    }
  },
);
