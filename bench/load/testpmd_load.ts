/**
 * The load: one dpdk-testpmd with two virtio-user ports on one processor. A fixed number of frames
 * goes round and round each way, so that none is lost where a switch keeps its queues short, and
 * the switch is never without work.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import {
  Testpmd,
  type TestpmdOptions,
  type TestpmdStats,
  type VirtioUserPort,
} from "../../lib/demo/testpmd.ts";
import { CoreMeter, judge } from "../busy.ts";
import type { Rival } from "../rivals/rival.ts";
import { digits } from "../statistics.ts";
import type { Bench, Sample } from "../suite.ts";
import { recordWork, TestpmdWork } from "./testpmd_work.ts";

/** One kind of load. The same for every switch. */
export interface Load {
  readonly ring: "split" | "packed";
  /** Frame size without FCS, bytes. */
  readonly bytes: number;
  /** Memory of the generator, MiB. */
  readonly memoryMib: number;
  /** The generator's vectorized receive and transmit paths. */
  readonly vectorized: boolean;
}

/** What one run gave. */
export interface Figure extends Sample {
  /** Where the generator's frame buffers start, bytes from the start of its memory. */
  readonly bufferOffset: number;
}

const MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"] as const;
const RING_SIZE = 1024;
const WARM_UP_MS = 1000;
/** Largest frame of a buffer as testpmd makes it, bytes without FCS. */
const PLAIN_BYTES_MAX = 1514;
const HEADROOM = 256;
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

/** The two ports, as the vectorized paths need them where they are wanted. */
function virtioPorts(sockets: readonly string[], load: Load): VirtioUserPort[] {
  const packed = load.ring === "packed";
  // DPDK takes its vectorized paths without mergeable buffers; packed rings in order besides.
  const vectorized = { vectorized: true, mrgRxbuf: false, inOrder: packed };
  return sockets.slice(0, 2).map((socket, i) => ({
    socket,
    mac: MACS[i] as string,
    queueSize: RING_SIZE,
    packed,
    ...(load.vectorized ? vectorized : {}),
  }));
}

function generatorOptions(rival: Rival, load: Load, bench: Bench): TestpmdOptions {
  const { ownPorts } = rival;
  const cpu = bench.cpus.generator;
  const macs = ownPorts?.macs ?? MACS;
  return {
    ports: ownPorts?.vdevs ?? virtioPorts(rival.sockets, load),
    ...(ownPorts ? { within: ownPorts.within } : {}),
    ...(load.vectorized ? { simdBits: 512 } : {}),
    memoryMib: load.memoryMib,
    hugepages: bench.hugepages,
    cpus: { main: cpu, forward: [cpu] },
    forward: "io",
    burst: bench.burst,
    mbufs: 16384,
    ...(load.bytes > PLAIN_BYTES_MAX
      ? { mbufSize: load.bytes + HEADROOM, frameSizeMax: load.bytes + 4 }
      : {}),
    eal: ["--log-level=pmd.net.virtio.init:info"],
    // Addresses a switch can learn: frames of port 0 go to the station at port 1, and back.
    words: [`--eth-peer=0,${macs[1]}`, `--eth-peer=1,${macs[0]}`],
  };
}

/** The path the generator's driver chose, in few words. */
function pathOf(log: string): string {
  return /using (.*) [Rr]x path on port 0/.exec(log)?.[1] ?? "";
}

/** Loads a switch through its two first ports. @throws if no frame comes through */
export async function drive(rival: Rival, load: Load, bench: Bench): Promise<Figure> {
  await using testpmd = await Testpmd.start(generatorOptions(rival, load, bench));
  await rival.ownPorts?.ready();
  const offset = rival.ownPorts ? 0 : await bufferOffset(testpmd);
  await recordWork(testpmd);
  await testpmd.commands(`set txpkts ${load.bytes}`);
  await awaitSwitch(testpmd, bench.burst);
  const lostBefore = sum(await testpmd.stats(), missingFrames);
  await testpmd.commands(`start tx_first ${Math.max(1, Math.floor(FRAMES_ROUND / bench.burst))}`);
  await delay(WARM_UP_MS);
  const work = new TestpmdWork(testpmd);
  await rival.clearWork();
  await work.clear();
  await testpmd.stats();
  const [generator, theSwitch] = [
    new CoreMeter(bench.cpus.generator, [testpmd.pid]),
    new CoreMeter(bench.cpus.switch, rival.pids),
  ];
  await delay(bench.seconds * 1000);
  const mpps = sum(await testpmd.stats(), (port) => port.rxPps) / 1e6;
  const generatorCore = generator.read(await work.read());
  const switchCore = theSwitch.read(await rival.readWork());
  await testpmd.commands("stop");
  await drain(testpmd);
  const lost = sum(await testpmd.stats(), missingFrames) - lostBefore;
  const path = pathOf(testpmd.log);
  if (load.vectorized && !/vector/.test(path)) {
    throw new Error(`the generator took its ${path || "unknown"} path: no vectorized one here`);
  }
  return {
    value: digits(mpps),
    more: { gbps: digits(mpps * load.bytes * 8 / 1000), lostFrames: lost },
    quantilesUs: null,
    switchCore: rival.pids.length === 0 ? null : switchCore,
    generatorCore,
    note: [path, judge(generatorCore, switchCore)].filter((words) => words !== "").join(", "),
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
