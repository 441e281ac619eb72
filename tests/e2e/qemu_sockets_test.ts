/**
 * Real Linux guests whose connection is set up from the other side, or that share a socket: the
 * switch is killed and started again, the guests go on; a machine is killed and started again, the
 * switch goes on.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus, SwitchStatus } from "../../lib/control/types.ts";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, pingAll, pingMeanwhile, sendFile, stopGuests } from "../harness/guests.ts";
import { peerTest } from "../harness/peers.ts";
import type { SwitchProcess } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";

async function ports(running: SwitchProcess): Promise<readonly PortStatus[]> {
  return (await callSwitch(running.ctl, "GET", "/v1/switch") as SwitchStatus).ports;
}

/** Waits until these ports, and no other ones, are there and up. */
async function untilUp(running: SwitchProcess, ...names: string[]): Promise<void> {
  await until(`${names} to be up`, async () => {
    const up = (await ports(running)).filter((port) => port.link === "up");
    return up.map((port) => port.name).sort().join() === names.join();
  });
}

/** Takes ports down and up again, one after the other; each guest must see it. */
async function downAndUp(
  running: SwitchProcess,
  named: readonly (readonly [string, QemuGuest])[],
): Promise<void> {
  for (const [name, guest] of named) {
    for (const [admin, carrier] of [["down", "0"], ["up", "1"]] as const) {
      const path = `/v1/ports/${encodeURIComponent(name)}/link`;
      await callSwitch(running.ctl, "POST", path, { admin });
      await until(`${name} to be ${admin} in its guest`, async () => {
        return (await guest.run("cat /sys/class/net/eth0/carrier")).output === carrier;
      });
    }
  }
}

async function bootId(guest: QemuGuest): Promise<string> {
  return (await guest.run("cat /proc/sys/kernel/random/boot_id")).output;
}

peerTest(
  "QEMU listening, and QEMU at a socket of many: ports taken down, the switch killed, QEMU killed",
  missingQemuPackages(),
  async () => {
    using folder = new TempFolder();
    const [own, many] = [folder.file("own.sock"), folder.file("many.sock")];
    const words = ["-p", `vm1=${own},mode=connect`, "-p", `m{n}=${many},multi=4`];
    await using bed = await Bed.in(folder, 0, ...words);
    let guests: QemuGuest[] = [];
    try {
      guests = await bed.linux([
        { socket: own, chardev: ["server=on", "wait=off"] },
        { socket: many, chardev: ["reconnect=1"], nic: ["packed=on"] },
      ]);
      let [first, second] = guests as [QemuGuest, QemuGuest];
      await untilUp(bed.process, "m0", "vm1");
      await pingAll(first, addressOf(2), 50);
      const boots = [await bootId(first), await bootId(second)];

      await downAndUp(bed.process, [["vm1", first], ["m{n}", second]]);
      await untilUp(bed.process, "m0", "vm1");
      await pingAll(first, addressOf(2), 50);

      const finished = await pingMeanwhile(first, addressOf(2));
      await bed.kill();
      await bed.start();
      await untilUp(bed.process, "m0", "vm1");
      await pingAll(second, addressOf(1), 50, 1400);
      const { sent, back } = await finished();
      console.log(`    ${back} of ${sent} pings came back while the switch was killed`);
      assert(back > 0);
      await sendFile(first, second, 4);
      assert.deepEqual([await bootId(first), await bootId(second)], boots, "nobody rebooted");

      // The machines end without a word and come back, each with its own way to connect.
      await Promise.all([first.stop("SIGKILL"), second.stop("SIGKILL")]);
      await until("the ports to be free", async () => {
        const left = await ports(bed.process);
        return left.length === 1 && left[0]?.link === "wait" && left[0].retry !== null;
      });
      guests = [QemuGuest.start(first.options), QemuGuest.start(second.options)];
      [first, second] = guests as [QemuGuest, QemuGuest];
      await Promise.all([first.ready(), second.ready()]);
      await untilUp(bed.process, "m0", "vm1");
      await pingAll(first, addressOf(2), 50);
      await pingAll(second, addressOf(1), 50);
      assert.equal(
        (await ports(bed.process)).find((port) => port.name === "vm1")?.connects,
        2,
        "since the switch started",
      );
    } finally {
      await stopGuests(guests);
    }
    assert.equal(await bed.process.stop(), 0, bed.process.log);
    assert.deepEqual([...Deno.readDirSync(folder.path)].filter((e) => e.name === "many.sock"), []);
  },
);

peerTest(
  "QEMU that knocks at another one's port: a line that names both, no storm, in when it is free",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(2);
    const chardev = ["reconnect=1"];
    const guests = await bed.linux([{ chardev }, { chardev }]);
    const [holder, witness] = guests as [QemuGuest, QemuGuest];
    let knocker: QemuGuest | null = null;
    try {
      await untilUp(bed.process, "vm1", "vm2");
      // The machine that is to take its place, address and all.
      knocker = QemuGuest.start({ ...holder.options, name: "knocker" });
      const busy = async (): Promise<number> => (await bed.process.port("vm1")).errors["busy"] ?? 0;
      await until("it knocks", async () => await busy() >= 1);
      const [from, before] = [performance.now(), await busy()];
      await until("it knocks again and again", async () => await busy() >= before + 4);
      const seconds = (performance.now() - from) / 1000;
      // Held a second each, and a second's pause of its own.
      assert(seconds > 3, `4 tries in ${seconds} s`);
      const lines = bed.process.log.split("\n").filter((line) => / knocks, /.test(line));
      assert.equal(lines.length, 1, bed.process.log);
      const qemu = (guest: QemuGuest): string => `pid ${guest.pid} qemu-system-\\S+`;
      assert.match(
        lines[0] ?? "",
        new RegExp(`${qemu(knocker)} knocks, and ${qemu(holder)} is connected`),
      );
      await pingAll(witness, addressOf(1), 20);

      await holder.stop("SIGKILL");
      await knocker.ready();
      await untilUp(bed.process, "vm1", "vm2");
      assert.equal((await bed.process.port("vm1")).peer?.pid, knocker.pid);
      await pingAll(witness, addressOf(1), 20);
    } finally {
      await stopGuests(knocker === null ? guests : [...guests, knocker]);
    }
  },
);
