/**
 * The load: one dpdk-testpmd with two virtio-user ports on one processor. A fixed number of frames
 * goes round and round each way, so that none is lost where a switch keeps its queues short, and
 * the switch is never without work.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { Testpmd, type TestpmdStats } from "../lib/demo/testpmd.ts";

/** One kind of load. The same for every switch. */
export interface Load {
  readonly ring: "split" | "packed";
  /** Frame size without FCS, bytes. */
  readonly bytes: number;
  /** Memory of the generator, MiB. */
  readonly memoryMib: number;
  readonly hugepages: boolean;
}

/** How long to look. */
export interface Window {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** What one run gave. */
export interface Figure {
  /** Millions of frames a second that arrived, both ports together, by the generator's clock. */
  readonly mpps: number;
  /** Frames the switch lost since the load began; each makes the load lighter. */
  readonly lost: number;
  /** The receive path the generator's driver chose. */
  readonly path: string;
  /** Where the generator's frame buffers start, bytes from the start of its memory. */
  readonly bufferOffset: number;
}

/** Processor of the generator. */
export const GENERATOR_CPU = 0;
const MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"] as const;
const RING_SIZE = 1024;
/** Frames that go round each way: as many as a ring holds. */
const FRAMES_ROUND = RING_SIZE;
const START_MS_MAX = 20_000;
/** Looks without a new frame, 20 ms apart, after which the rings are taken to be empty. */
const QUIET_LOOKS = 5;

function hex(text: string | undefined): number {
  return Number.parseInt(text ?? "", 16);
}

/**
 * Distance of the lowest frame buffer from the lowest byte of the generator's shared memory. Its
 * memory starts at DPDK's base address, which `/proc` shows as its first shared mapping.
 */
async function bufferOffset(testpmd: Testpmd): Promise<number> {
  const zones = await testpmd.command("dump_memzone");
  const buffers = [...zones.matchAll(/name:<MP_mb_pool_0[^>]*>, len:0x\w+, virt:0x(\w+)/g)]
    .map((match) => hex(match[1]));
  const maps = await Deno.readTextFile(`/proc/${testpmd.pid}/maps`);
  const ranges = [...maps.matchAll(/^(\w+)-(\w+) rw-s .*$/gm)]
    .map((match) => [hex(match[1]), hex(match[2])] as const);
  const lowest = Math.min(...buffers);
  const home = ranges.find(([start, end]) => start <= lowest && lowest < end);
  if (home === undefined) throw new Error("Cannot find the generator's buffers in its memory");
  // Pages of one file follow each other, each a mapping of its own.
  let start = home[0];
  for (const range of [...ranges].sort((a, b) => b[0] - a[0])) {
    if (range[1] === start) start = range[0];
  }
  return lowest - start;
}

/** Loads a switch through its two sockets, `burst` frames at once. @throws if no frame comes through */
export async function drive(
  sockets: readonly [string, string],
  load: Load,
  window: Window,
  burst: number,
): Promise<Figure> {
  await using testpmd = await Testpmd.start({
    ports: sockets.map((socket, i) => ({
      socket,
      mac: MACS[i] as string,
      queueSize: RING_SIZE,
      packed: load.ring === "packed",
    })),
    memoryMib: load.memoryMib,
    hugepages: load.hugepages,
    cpus: { main: GENERATOR_CPU, forward: [GENERATOR_CPU] },
    forward: "io",
    burst,
    mbufs: 16384,
    eal: ["--log-level=pmd.net.virtio.init:info"],
    // Addresses a switch can learn: frames of port 0 go to the station at port 1, and back.
    words: [`--eth-peer=0,${MACS[1]}`, `--eth-peer=1,${MACS[0]}`],
  });
  const offset = await bufferOffset(testpmd);
  await testpmd.commands(`set txpkts ${load.bytes}`);
  await awaitSwitch(testpmd, burst);
  const lostBefore = sum(await testpmd.stats(), missingFrames);
  await testpmd.commands(`start tx_first ${Math.max(1, Math.floor(FRAMES_ROUND / burst))}`);
  await delay(window.warmUpMs);
  await testpmd.stats();
  await delay(window.measureMs);
  const mpps = sum(await testpmd.stats(), (port) => port.rxPps) / 1e6;
  await testpmd.commands("stop");
  await drain(testpmd);
  return {
    mpps,
    lost: sum(await testpmd.stats(), missingFrames) - lostBefore,
    path: /using (.*Rx path) on port 0/.exec(testpmd.log)?.[1] ?? "unknown",
    bufferOffset: offset,
  };
}

/** A switch may need a moment to take up its ports, and loses what came before. */
async function awaitSwitch(testpmd: Testpmd, burst: number): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  for (;;) {
    await testpmd.commands("start tx_first 1");
    await delay(100);
    await testpmd.commands("stop");
    const received = (await testpmd.stats()).map((port) => port.rxPackets);
    await drain(testpmd);
    if (received.every((count) => count > burst)) return;
    if (performance.now() > deadline) {
      throw new Error(`The generator receives nothing from the switch: ${testpmd.log}`);
    }
  }
}

/** Takes all frames out of the rings: until none came for a while. */
async function drain(testpmd: Testpmd): Promise<void> {
  await testpmd.commands("set fwd rxonly", "start");
  let quiet = 0;
  for (let last = -1; quiet < QUIET_LOOKS;) {
    await delay(20);
    const now = sum(await testpmd.stats(), (port) => port.rxPackets);
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
  await testpmd.commands("stop", "set fwd io");
}

function missingFrames(port: TestpmdStats): number {
  return port.txPackets - port.rxPackets;
}

function sum(ports: readonly TestpmdStats[], value: (port: TestpmdStats) => number): number {
  return ports.reduce((total, port) => total + value(port), 0);
}
