/**
 * Life with DPDK's virtio-user front-ends: full load both ways, overload, ports that stop, restart
 * and change, a crash, huge pages.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasTestpmd, Testpmd, type TestpmdOptions } from "../../lib/demo/testpmd.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { Bed } from "../harness/bed.ts";
import { freeHugePagesMib, HugePages } from "../harness/hugepages.ts";
import { PEERS_REQUIRED, peerTest } from "../harness/peers.ts";
import type { SwitchProcess } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { assertPerfect, Journey, linksUp, SEED, travel } from "../harness/testpmd_journey.ts";

const missing = hasTestpmd() ? [] : ["dpdk-dev"];
const PLAIN = { memoryMib: 256, hugepages: false } as const;

/** Drops the switch counted on frames that left towards this port. */
function txDropped(port: PortStatus): number {
  return Object.entries(port.counters)
    .filter(([name]) => name.startsWith("txDropped"))
    .reduce((sum, [, count]) => sum + count, 0);
}

async function portsOf(running: SwitchProcess): Promise<[PortStatus, PortStatus]> {
  const [first, second] = (await running.status()).ports;
  assert(first && second);
  return [first, second];
}

peerTest("testpmd: full load both ways, every frame accounted for", missing, async (t) => {
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      await using bed = await Bed.make(2);
      await using testpmd = await Testpmd.start({
        ...PLAIN,
        ports: ["vm1", "vm2"].map((name) => ({
          socket: bed.file(`${name}.sock`),
          queueSize: 1024,
          packed,
        })),
      });
      await linksUp(bed.process);
      await testpmd.commands("set fwd io", "start tx_first 8");
      await until("frames both ways", async () => {
        const stats = await testpmd.stats();
        return stats.every((port) => port.rxPackets > 500_000);
      });
      await testpmd.commands("stop");
      const [a, b] = await testpmd.stats();
      assert(a && b);
      await until("the switch to take what was sent", async () => {
        const [first, second] = await portsOf(bed.process);
        return first.counters["rxFrames"] === a.txPackets &&
          second.counters["rxFrames"] === b.txPackets;
      });
      const [first, second] = await portsOf(bed.process);
      // What left vm1 arrived at vm2 or was dropped there; the last ones still wait in its ring.
      for (const [from, to, receiver] of [[first, second, b], [second, first, a]] as const) {
        const delivered = to.counters["txFrames"] ?? 0;
        assert.equal(delivered + txDropped(to), from.counters["rxFrames"]);
        assert(receiver.rxPackets <= delivered && delivered - receiver.rxPackets <= 1024);
      }
    });
  }
});

peerTest("testpmd: one sends chains of four, another receives", missing, async (t) => {
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      await using bed = await Bed.make(2);
      const start = (name: string, forward: string): Promise<Testpmd> =>
        Testpmd.start({
          ...PLAIN,
          ports: [{ socket: bed.file(`${name}.sock`), queueSize: 1024, packed }],
          forward,
        });
      await using receiver = await start("vm2", "rxonly");
      await using sender = await start("vm1", "txonly");
      await linksUp(bed.process);
      await sender.commands(
        "port stop 0",
        "port config 0 tx_offload multi_segs on",
        "port start 0",
        "set txpkts 64,200,1000,200",
      );
      await receiver.commands("start");
      await sender.commands("start");
      await until("frames", async () => ((await receiver.stats())[0]?.rxPackets ?? 0) > 100_000);
      await sender.commands("stop");
      const sent = (await sender.stats())[0]?.txPackets;
      await until("the switch to take what was sent", async () => {
        const [first] = await portsOf(bed.process);
        return first.counters["rxFrames"] === sent;
      });
      const [, second] = await portsOf(bed.process);
      const delivered = second.counters["txFrames"] ?? 0;
      assert.equal(delivered + txDropped(second), sent);
      await until(
        "the receiver to see them",
        async () => (await receiver.stats())[0]?.rxPackets === delivered,
      );
      assert.equal((await receiver.stats())[0]?.rxBytes, delivered * (64 + 200 + 1000 + 200));
    });
  }
});

peerTest("testpmd: a receiver overrun loses exactly what the switch counts", missing, async (t) => {
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      await using bed = await Bed.make(2);
      // A frame needs up to 24 of the 256 buffers, and testpmd takes 32 buffers in a turn in which
      // it sends 32 frames.
      const { report, log } = await travel(bed.process, bed.folder, {
        port: { packed },
        count: 3000,
        sizeMax: 9014,
        seed: SEED,
        offloads: ["rx_offload scatter", "tx_offload multi_segs"],
        testpmd: { frameSizeMax: 9018, mbufSize: 512 },
      });
      const lost = report.ways[0].lost + report.ways[1].lost;
      for (const way of report.ways) {
        const { corrupted, repeated, reordered } = way;
        assert.deepEqual({ corrupted, repeated, reordered }, {
          corrupted: 0,
          repeated: 0,
          reordered: 0,
        }, log);
        assert.equal(way.received + way.lost, way.sent);
      }
      assert(lost > 0, "the receiver kept up: this test tests nothing");
      assert.equal(lost, report.dropped, JSON.stringify(report.drops));
      assert.equal(report.switchTx, report.ways[0].received + report.ways[1].received);
    });
  }
});

peerTest("testpmd: ports stop, start, detach and attach", missing, async (t) => {
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      await using bed = await Bed.make(2);
      const port = { packed };
      await using journey = await Journey.prepare(bed.process, bed.folder, {
        port,
        count: 3000,
        seed: SEED,
      });
      await journey.travel();
      for (let round = 0; round < 3; round++) {
        await journey.testpmd.commands("port stop all", "port start all");
        // The capture files start over with their ports.
        await journey.travel();
      }
      await journey.testpmd.commands("port stop all");
      const before = (await bed.process.status()).ports;
      for (const [number, name] of [[1, "vm1"], [2, "vm2"]] as const) {
        await journey.testpmd.commands(`port detach ${number}`);
        // The other kind of virtqueue this time.
        const word = `path=${bed.file(name)}.sock,packed_vq=${packed ? 0 : 1},queue_size=512`;
        await journey.testpmd.commands(`port attach net_virtio_user${number},${word}`);
      }
      // Attached ports came last in the order that decides who exchanges frames with whom.
      await journey.testpmd.commands("port start all", "set portlist 0,1,2,3");
      await journey.travel();
      const report = await journey.compare(before);
      assertPerfect(report, journey.testpmd.log);
      assert.equal((await portsOf(bed.process))[0].connects, 2);
    });
  }
});

peerTest(
  "testpmd: killed under load, its neighbour stays, a new one goes on",
  missing,
  async (t) => {
    for (const packed of [false, true]) {
      await t.step(packed ? "packed" : "split", async () => {
        await using bed = await Bed.make(2);
        const start = (name: string, options: Partial<TestpmdOptions>): Promise<Testpmd> =>
          Testpmd.start({
            ...PLAIN,
            ports: [{ socket: bed.file(`${name}.sock`), packed }],
            ...options,
          });
        const neighbour = await start("vm2", { forward: "rxonly" });
        await using _stop = neighbour;
        await neighbour.commands("start");
        for (let round = 0; round < 3; round++) {
          const sender = await start("vm1", { forward: "txonly" });
          await linksUp(bed.process);
          const seen = (await neighbour.stats())[0]?.rxPackets ?? 0;
          await sender.commands("start");
          await until(
            `frames in round ${round}`,
            async () => ((await neighbour.stats())[0]?.rxPackets ?? 0) > seen + 20_000,
          );
          await sender.kill();
          await until(
            "the switch to notice",
            async () => (await bed.process.port("vm1")).link === "wait",
          );
          assert.equal((await bed.process.port("vm2")).link, "up");
        }
        await neighbour.stop();
        await until(
          "the last link to end",
          async () => (await bed.process.port("vm2")).link === "wait",
        );
        // Both sockets again, and every byte right.
        const { report, log } = await travel(bed.process, bed.folder, {
          port: { packed },
          count: 3000,
          seed: SEED,
        });
        assertPerfect(report, log);
        assert.deepEqual((await bed.process.port("vm2")).errors, {});
      });
    }
  },
);

peerTest("testpmd: guest memory in huge pages", missing, async (t) => {
  using pages = HugePages.reserve(320);
  if (pages === null) {
    const words = `the system spares no huge pages (${freeHugePagesMib()} MiB free)`;
    assert(!PEERS_REQUIRED, words);
    console.error(`    SKIPPED: ${words}; as root: sysctl vm.nr_hugepages=160`);
    return;
  }
  await using bed = await Bed.make(2);
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      const { report, log } = await travel(bed.process, bed.folder, {
        port: { packed },
        count: 5000,
        seed: SEED,
        testpmd: { hugepages: true },
      });
      assertPerfect(report, log);
    });
  }
});

peerTest("testpmd: the demo's two ports exchange frames", missing, async () => {
  await using bed = await Bed.make(2);
  const { testpmdDemo } = await import("../../lib/demo/demo_testpmd.ts");
  const lines: string[] = [];
  const io = { print: (line: string): number => lines.push(line) };
  const sockets = { a: bed.file("vm1.sock"), b: bed.file("vm2.sock") };
  assert(await testpmdDemo(io, sockets), lines.join("\n"));
});
