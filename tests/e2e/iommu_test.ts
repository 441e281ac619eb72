/**
 * Linux guests behind an IOMMU: their rings and buffers are translated page by page, by QEMU.
 *
 * Strict, lazy and pass-through differ in what a guest unmaps. Strict is the hardest for a switch:
 * each buffer is unmapped after use, so that nearly every frame meets a miss.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, pingAll, sendFile, stopGuests } from "../harness/guests.ts";
import { peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";

const WORDS = [
  ...["-machine", "kernel-irqchip=split"],
  ...["-device", "intel-iommu,intremap=on,device-iotlb=on"],
  // Only behind a port has the NIC the ATS capability, without which QEMU tells of no unmapping.
  ...["-device", "pcie-root-port,id=rp0"],
];
const NIC = ["bus=rp0", "iommu_platform=on", "ats=on"];
const KERNEL_WORDS = ["intel_iommu=on", "iommu.strict=1"];
const DEVICE = "/sys/bus/pci/devices/0000:01:00.0";

/** Modes by the kernel's names for them, and MiB sent in each direction. */
const MODES = [
  { mode: "strict", kernel: "DMA", mib: [16, 2] },
  { mode: "lazy", kernel: "DMA-FQ", mib: [2, 2] },
  { mode: "pass-through", kernel: "identity", mib: [4, 4] },
] as const;

/** Gives a guest's NIC another kind of I/O address space, its driver loaded anew. */
async function switchMode(guest: QemuGuest, kernel: string): Promise<void> {
  const { code, output } = await guest.run(
    [
      "set -e; ip link set eth0 down; cd /sys/bus/pci/drivers/virtio-pci",
      "echo 0000:01:00.0 > unbind",
      `echo ${kernel} > ${DEVICE}/iommu_group/type`,
      "echo 0000:01:00.0 > bind",
      `ip addr add ${guest.options.address} dev eth0; ip link set eth0 up`,
    ].join("; "),
  );
  assert.equal(code, 0, output);
}

peerTest(
  "QEMU behind an IOMMU, split and packed: strict, lazy and pass-through",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(["offer=iommu", "offer=iommu"]);
    const choice = { words: WORDS, kernelWords: KERNEL_WORDS };
    const guests = await bed.linux([
      { ...choice, nic: NIC },
      { ...choice, nic: [...NIC, "packed=on"] },
    ]);
    const [split, packed] = guests as [QemuGuest, QemuGuest];
    const counted = async (name: string): Promise<number> => {
      const { counters } = await bed.process.port("vm1");
      return counters[name] ?? Number.NaN;
    };
    const linked = async (): Promise<boolean> =>
      (await Promise.all(["vm1", "vm2"].map((name) => bed.process.port(name))))
        .every(({ link }) => link === "up");
    try {
      for (const { mode, kernel, mib: [there, back] } of MODES) {
        const frames = async (): Promise<number> =>
          await counted("txFrames") + await counted("rxFrames");
        const before = { misses: await counted("iotlbMisses"), frames: await frames() };
        if (mode !== "strict") await Promise.all(guests.map((guest) => switchMode(guest, kernel)));
        await until("both links are up", linked);
        for (const guest of guests) {
          const { output } = await guest.run(`cat ${DEVICE}/iommu_group/type`);
          assert.equal(output, kernel, "the mode is in force");
        }
        // The first ones find neighbours and addresses, as on any network.
        await split.run(`ping -c 2 ${addressOf(2)}`);
        const times = [
          await pingAll(split, addressOf(2), 100),
          await pingAll(packed, addressOf(1), 100),
        ];
        const speeds = [
          await sendFile(split, packed, there),
          await sendFile(packed, split, back),
        ];
        const misses = await counted("iotlbMisses") - before.misses;
        const rates = speeds.map((speed) => `${(8.39 * speed).toFixed(1)} Mbit/s`).join(", ");
        console.log(`    ${mode}: 200 pings (${times.join(", ")} ms), TCP ${rates}`);
        console.log(
          `    ${mode}: ${misses} misses, ${await frames() - before.frames} frames of vm1`,
        );
        assert(misses > 0, "addresses were translated");
      }
      for (const guest of guests) {
        const { output } = await guest.run("dmesg | grep -c 'fault addr'");
        console.log(`    ${output} faults in the log of ${guest.options.name}`);
      }
      for (const name of ["vm1", "vm2"]) {
        const { counters } = await bed.process.port(name);
        console.log(`    ${counters["txDroppedUntranslated"]} frames for ${name} waited in vain`);
        assert.equal(counters["txDroppedRingBroken"], 0);
      }
    } finally {
      await stopGuests(guests);
    }
    assert.equal(await bed.process.stop(), 0, bed.process.log);
    assert.doesNotMatch(bed.process.log, /ring-broken|refused/);
  },
);
