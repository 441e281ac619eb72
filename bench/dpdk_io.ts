/**
 * DPDK's own vhost library forwarding from one port to the other without looking at addresses: no
 * switch, a reference for what its two copies cost.
 *
 * @module
 */
import { hasTestpmd, Testpmd } from "../lib/demo/testpmd.ts";
import { GENERATOR_CPU } from "./load.ts";
import type { Rival, RivalKind } from "./rival.ts";

/** A testpmd with two net_vhost ports in `io` mode. */
export const dpdkIo: RivalKind = {
  name: "DPDK io",
  missing: hasTestpmd() ? [] : ["dpdk-dev"],
  async start(folder, cpu, hugepages): Promise<Rival> {
    const sockets: [string, string] = [`${folder}/vm1.sock`, `${folder}/vm2.sock`];
    const testpmd = await Testpmd.start({
      ports: sockets.map((path, i) => `net_vhost${i},iface=${path}`),
      memoryMib: 512,
      hugepages,
      cpus: { main: GENERATOR_CPU, forward: [cpu] },
      forward: "io",
      burst: 64,
      words: ["--auto-start"],
    });
    return { sockets, [Symbol.asyncDispose]: () => testpmd.kill() };
  },
};
