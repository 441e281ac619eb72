/**
 * Real Linux guests with several queue pairs, whose number changes, and memory that is plugged
 * in: under traffic.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, pingAll, pingMeanwhile, sendFile } from "../harness/guests.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";

const missing = [...missingQemuPackages(), ...(hasProgram("ethtool") ? [] : ["ethtool"])];
const TWO_PAIRS = { netdev: ["queues=2"], nic: ["mq=on"], processors: 2 };

async function ok(guest: QemuGuest, command: string): Promise<string> {
  const { code, output } = await guest.run(command);
  assert.equal(code, 0, `${command}: ${output}`);
  return output;
}

for (const ring of ["split", "packed"]) {
  peerTest(
    `QEMU ${ring} rings: two queue pairs, their number changed while they run`,
    missing,
    async () => {
      await using bed = await Bed.make(2);
      const nic = [...TWO_PAIRS.nic, ...(ring === "packed" ? ["packed=on"] : [])];
      const guests = await bed.linux([{ ...TWO_PAIRS, nic }, { nic: nic.slice(1) }], [
        "/usr/sbin/ethtool",
      ]);
      const [many, one] = guests as [QemuGuest, QemuGuest];
      const pairs = async (): Promise<number> => (await bed.process.port("vm1")).queuePairs;
      await until("both pairs are in use", async () => await pairs() === 2);
      await sendFile(one, many, 16);
      await sendFile(many, one, 16);
      // Refused connections from ever new ports, one frame each, until both receive queues had some.
      let received: readonly number[] = [];
      await until("both receive queues have had frames", async () => {
        await one.run(
          `for i in $(seq 40); do nc -w 2 ${addressOf(1)} 9 < /dev/null 2> /dev/null; done`,
        );
        received = (await bed.process.vrings("vm1")).filter((v) => v.index % 2 === 0)
          .map((v) => v.counters["frames"] ?? 0);
        return received.length === 2 && received.every((frames) => frames > 5);
      });
      console.log(`    frames of the receive queues: ${received}`);
      const enough = await pingMeanwhile(one, addressOf(1));
      for (const count of [1, 2, 1, 2]) {
        await ok(many, `ethtool -L eth0 combined ${count}`);
        await until(`${count} queue pairs are in use`, async () => await pairs() === count);
        await pingAll(many, addressOf(2), 50);
      }
      const { sent, back } = await enough();
      console.log(`    ${back} of ${sent} pings came back over four changes`);
      assert(back > 100 && sent - back <= 4, `${back} of ${sent} pings`);
      await sendFile(one, many, 8);
    },
  );
}

peerTest("QEMU plugs memory in while traffic flows, and takes it out again", missing, async () => {
  await using bed = await Bed.make(2);
  const guests = await bed.linux([{ memorySlots: "slots=4,maxmem=1G" }, {}]);
  const [grown, other] = guests as [QemuGuest, QemuGuest];
  const regions = async (): Promise<number> => (await bed.process.port("vm1")).memory.length;
  const before = await regions();
  const enough = await pingMeanwhile(other, addressOf(1));
  await grown.run("echo online > /sys/devices/system/memory/auto_online_blocks");
  for (const name of ["d1", "d2"]) {
    const backend = {
      "qom-type": "memory-backend-memfd",
      id: `m${name}`,
      size: 128 << 20,
      share: true,
    };
    await grown.qmp("object-add", backend);
    await grown.qmp("device_add", { driver: "pc-dimm", id: name, memdev: `m${name}` });
  }
  await until("the regions are there", async () => await regions() === before + 2);
  await until("the guest has the memory", async () => {
    const { output } = await grown.run("grep MemTotal /proc/meminfo");
    return Number(/\d+/.exec(output)?.[0]) > 300_000;
  });
  // More than the guest had at first: buffers come from the new memory too.
  await ok(
    grown,
    "mkdir /tmp/big; mount -t tmpfs -o size=300m big /tmp/big; dd if=/dev/zero of=/tmp/big/fill bs=1M count=200 2>/dev/null",
  );
  await sendFile(other, grown, 16);
  await ok(grown, "rm /tmp/big/fill");
  await sendFile(grown, other, 16);
  const { sent, back } = await enough();
  console.log(`    ${back} of ${sent} pings came back meanwhile`);
  assert(back > 50 && back === sent, `${back} of ${sent} pings`);
});
