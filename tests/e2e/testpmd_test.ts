/**
 * DPDK's virtio-user driver as an independent front-end, on every path it has through split and
 * packed virtqueues; payloads are verified from capture file to capture file.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasTestpmd, Testpmd, type VirtioUserPort } from "../../lib/demo/testpmd.ts";
import { Bed } from "../harness/bed.ts";
import { peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";
import { assertPerfect, type JourneyOptions, SEED, travel } from "../harness/testpmd_journey.ts";

const missing = hasTestpmd() ? [] : ["dpdk-dev"];
const hasAvx512 = /\bavx512f\b/.test(Deno.readTextFileSync("/proc/cpuinfo"));

interface RingPath {
  readonly name: string;
  readonly port: Omit<VirtioUserPort, "socket">;
  /** What the driver must say it uses. */
  readonly says: string;
}

/** The ten ring paths of DPDK's loopback_multi_paths plan. */
function ringPaths(): RingPath[] {
  const paths: RingPath[] = [];
  for (const packed of [false, true]) {
    const ring = packed ? "packed ring " : "";
    const standard = `${ring}standard Rx path`;
    const mergeable = `${ring}mergeable buffer Rx path`;
    const add = (
      name: string,
      says: string,
      mrgRxbuf: boolean,
      inOrder: boolean,
      vectorized = false,
    ): number =>
      paths.push({
        name: `${packed ? "packed" : "split"} ${name}`,
        port: { packed, mrgRxbuf, inOrder, vectorized },
        says,
      });
    add("mergeable", mergeable, true, false);
    add("non-mergeable", standard, false, false);
    // Packed virtqueues need no path of their own for IN_ORDER.
    add("in-order mergeable", packed ? mergeable : "inorder Rx path", true, true);
    add("in-order non-mergeable", packed ? standard : "inorder Rx path", false, true);
    // virtio_dev_configure() of DPDK: packed needs IN_ORDER and AVX-512, split must not be in order.
    add(
      "vectorized",
      packed && !hasAvx512 ? standard : `${ring}vectorized Rx path`,
      false,
      packed,
      true,
    );
  }
  return paths;
}

peerTest("testpmd: ten ring paths carry random frames unchanged", missing, async (t) => {
  await using bed = await Bed.make(2);
  for (const [index, path] of ringPaths().entries()) {
    await t.step(path.name, async () => {
      if (path.port.vectorized && path.says.endsWith("standard Rx path")) {
        console.error("    no AVX-512 in this processor: DPDK falls back to the standard path");
      }
      const { report, log } = await travel(bed.process, bed.folder, {
        port: path.port,
        count: 10_000,
        seed: SEED + index,
        testpmd: { simdBits: 512 },
      });
      assert(log.includes(`using ${path.says} on port 1`), `not the ${path.says}: ${log}`);
      assertPerfect(report, log);
    });
  }
});

const MERGEABLE = [
  { packed: false, inOrder: false },
  { packed: false, inOrder: true },
  { packed: true, inOrder: false },
  { packed: true, inOrder: true },
] as const;

function ringName(port: { readonly packed?: boolean; readonly inOrder?: boolean }): string {
  return `${port.packed ? "packed" : "split"}${port.inOrder ? " in-order" : ""}`;
}

peerTest("testpmd: chains, small buffers and jumbo frames", missing, async (t) => {
  await using bed = await Bed.make(2);
  const offloads = ["rx_offload scatter", "tx_offload multi_segs"];
  // testpmd takes 32 buffers, not frames, in a turn in which it sends 32 frames: fewer frames than
  // could fill the ring, so that none is lost.
  const variants: [string, Partial<JourneyOptions>][] = [
    ["chains of small buffers", { count: 1500, testpmd: { mbufSize: 512 } }],
    ["jumbo frames", { count: 1500, sizeMax: 9014, testpmd: { frameSizeMax: 9018 } }],
  ];
  for (const [name, variant] of variants) {
    for (const port of MERGEABLE) {
      await t.step(`${name}, ${ringName(port)}`, async () => {
        const { report, log } = await travel(bed.process, bed.folder, {
          port: { ...port, queueSize: 4096 },
          count: 0,
          seed: SEED,
          offloads,
          ...variant,
        });
        assertPerfect(report, log);
      });
    }
  }
});

peerTest("testpmd: virtqueues of many sizes", missing, async (t) => {
  await using bed = await Bed.make(2);
  const sizes: [number, boolean][] = [
    [128, false],
    [1024, false],
    [32768, false],
    [128, true],
    [1024, true],
    // Only packed virtqueues may have any size (virtio-v1.3 §2.8.10.1).
    [1000, true],
    [257, true],
    [32768, true],
  ];
  for (const [queueSize, packed] of sizes) {
    await t.step(`${packed ? "packed" : "split"} ${queueSize}`, async () => {
      const { report, log } = await travel(bed.process, bed.folder, {
        port: { queueSize, packed },
        // At least twice around.
        count: Math.max(4000, queueSize * 2 + 100),
        sizeMax: queueSize > 10_000 ? 128 : 1514,
        seed: SEED + queueSize,
        testpmd: { mbufs: queueSize * 2 + 16384, memoryMib: 512 },
      });
      assertPerfect(report, log);
    });
  }
});

peerTest("testpmd: four queue pairs, flows spread over all of them", missing, async (t) => {
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      await using bed = await Bed.make(2);
      const port = (name: string): VirtioUserPort => ({
        ...{ packed, queues: 4, queueSize: 256, socket: `${bed.folder}/${name}.sock` },
      });
      await using testpmd = await Testpmd.start({
        ...{ ports: [port("vm1"), port("vm2")], memoryMib: 256, hugepages: false, queues: 4 },
        ...{ forward: "txonly", words: ["--txonly-multi-flow"] },
      });
      await until(
        "four pairs are up",
        async () => (await bed.process.port("vm1")).queuePairs === 4,
      );
      await testpmd.commands("start");
      const frames = async (odd: number): Promise<number[]> =>
        (await bed.process.vrings("vm1")).filter((vring) => vring.index % 2 === odd)
          .map((vring) => vring.counters["frames"] ?? 0);
      for (const odd of [0, 1]) {
        await until(`all queues ${odd} move frames`, async () => {
          const counts = await frames(odd);
          return counts.length === 4 && counts.every((count) => count > 100);
        });
      }
      await testpmd.commands("stop");
      assert.equal(await testpmd.stop(), 0);
    });
  }
});
