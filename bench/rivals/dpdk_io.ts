/**
 * DPDK's own vhost library forwarding from one port to the other without looking at addresses: no
 * switch, a reference for what its two copies cost.
 *
 * @module
 */
import { hasTestpmd, Testpmd } from "../../lib/demo/testpmd.ts";
import { recordWork, TestpmdWork } from "../load/testpmd_work.ts";
import type { Rival, RivalKind } from "./rival.ts";

const HEADROOM = 256;
const MBUF_BYTES_MIN = 2176;

/** A testpmd with two net_vhost ports in `io` mode. */
export const dpdkIo: RivalKind = {
  name: "DPDK io",
  missing: hasTestpmd() ? [] : ["dpdk-dev"],
  async start({ folder, cpu, hugepages, frameBytes }): Promise<Rival> {
    const sockets = [`${folder}/vm1.sock`, `${folder}/vm2.sock`];
    const testpmd = await Testpmd.start({
      ports: sockets.map((path, i) => `net_vhost${i},iface=${path}`),
      memoryMib: 512,
      hugepages,
      // Its prompt waits; wherever the system lets it.
      cpus: { main: cpu, forward: [cpu] },
      forward: "io",
      burst: 64,
      mbufSize: Math.max(MBUF_BYTES_MIN, frameBytes + HEADROOM),
      ...(frameBytes > 1514 ? { frameSizeMax: frameBytes + 4 } : {}),
    });
    await recordWork(testpmd);
    await testpmd.commands("start");
    const work = new TestpmdWork(testpmd);
    return {
      sockets,
      pids: [testpmd.pid],
      clearWork: () => work.clear(),
      readWork: () => work.read(),
      [Symbol.asyncDispose]: () => testpmd.kill(),
    };
  },
};
