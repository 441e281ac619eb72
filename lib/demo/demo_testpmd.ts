/**
 * The demo with DPDK's testpmd: two virtio-user ports that send each other frames as fast as they
 * can.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { DemoIo } from "./demo_qemu.ts";
import { hasTestpmd, Testpmd } from "./testpmd.ts";

const SECONDS = 2;

/** Exchanges frames on two sockets of a switch. @returns whether some arrived on both sides */
export async function testpmdDemo(
  io: DemoIo,
  sockets: { readonly a: string; readonly b: string },
): Promise<boolean> {
  if (!hasTestpmd()) {
    io.print("no dpdk-testpmd here: apt-get install dpdk-dev");
    return false;
  }
  io.print("starting dpdk-testpmd with two virtio-user ports (no huge pages, no root needed)");
  const macs = ["02:00:00:00:00:01", "02:00:00:00:00:02"] as const;
  await using testpmd = await Testpmd.start({
    ports: [
      { socket: sockets.a, mac: macs[0], queueSize: 1024 },
      { socket: sockets.b, mac: macs[1], queueSize: 1024 },
    ],
    memoryMib: 256,
    hugepages: false,
    burst: 64,
    words: [`--eth-peer=0,${macs[1]}`, `--eth-peer=1,${macs[0]}`],
  });
  io.print("testpmd> start tx_first 8");
  await testpmd.commands("set fwd io", "start tx_first 8");
  await testpmd.stats();
  await delay(SECONDS * 1000);
  const stats = await testpmd.stats();
  await testpmd.commands("stop");
  for (const port of stats) {
    const rate = (port.rxPps / 1e6).toFixed(2);
    io.print(
      `port ${port.port} (${macs[port.port]}): received ${port.rxPackets}, ` +
        `sent ${port.txPackets}, ${rate} million frames a second in`,
    );
  }
  return stats.length === 2 && stats.every((port) => port.rxPackets > 0);
}
