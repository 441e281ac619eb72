/**
 * DPDK's virtio-user as the side that listens: the switch connects, and connects again after either
 * of them was killed.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasTestpmd, Testpmd, type TestpmdOptions } from "../../lib/demo/testpmd.ts";
import { peerTest } from "../harness/peers.ts";
import { Bed } from "../harness/bed.ts";
import { until } from "../harness/until.ts";
import { assertPerfect, linksUp, SEED, travel } from "../harness/testpmd_journey.ts";

const missing = hasTestpmd() ? [] : ["dpdk-dev"];
/** testpmd looks at each of its pages whenever it connects. */
const SMALL = { memoryMib: 48, mbufs: 2048, hugepages: false } as const;
/** Frames that must come through after each change. */
const FRAMES = 20_000;

peerTest(
  "testpmd listens: every byte right, and the switch killed under load",
  missing,
  async (t) => {
    for (const packed of [false, true]) {
      await t.step(packed ? "packed" : "split", async () => {
        await using bed = await Bed.make(["mode=connect", "mode=connect"]);
        // Each journey is a testpmd of its own.
        for (let round = 1; round <= 2; round++) {
          const port = { packed, server: true };
          const options = { port, count: 2000, seed: SEED + round };
          const { report, log } = await travel(bed.process, bed.folder, options);
          assertPerfect(report, log);
          assert.equal((await bed.process.port("vm1")).connects, round);
        }
        const start = (name: string, options: Partial<TestpmdOptions>): Promise<Testpmd> =>
          Testpmd.start({
            ...SMALL,
            ports: [{ socket: bed.file(`${name}.sock`), packed, server: true }],
            ...options,
          });
        const [sender, receiver] = await Promise.all([
          start("vm1", { forward: "txonly" }),
          start("vm2", { forward: "rxonly" }),
        ]);
        await using _sender = sender;
        await using _receiver = receiver;
        await linksUp(bed.process);
        for (const testpmd of [receiver, sender]) await testpmd.commands("start");
        const received = async (): Promise<number> => (await receiver.stats())[0]?.rxPackets ?? 0;
        for (let round = 0; round < 3; round++) {
          const seen = await received();
          await until("frames", async () => await received() > seen + FRAMES);
          if (round === 2) break;
          await bed.kill();
          await bed.start();
          await linksUp(bed.process);
        }
      });
    }
  },
);
