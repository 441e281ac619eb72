/**
 * Frames on a verified journey: from a capture file through testpmd into one port of a switch, out
 * of the other port and back into a capture file, both ways at once, compared byte for byte.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { Testpmd, type TestpmdOptions, type VirtioUserPort } from "../../lib/demo/testpmd.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { compareFrames, type Comparison, decodePcap, encodePcap, randomFrames } from "./pcap.ts";
import type { SwitchProcess } from "./switch_process.ts";
import { until } from "./until.ts";

/** Seed of the random frames; $VUSWITCH_SEED runs a failed test again. */
export const SEED: number = Number(Deno.env.get("VUSWITCH_SEED") ?? 20261121);

/** How the frames travel. */
export interface JourneyOptions {
  /** What both virtio-user ports have in common. */
  readonly port: Omit<VirtioUserPort, "socket">;
  /** Frames each way. */
  readonly count: number;
  readonly sizeMin?: number;
  readonly sizeMax?: number;
  readonly seed: number;
  readonly testpmd?: Partial<TestpmdOptions>;
  /** Offloads the virtio-user ports need, such as `rx_offload scatter`. */
  readonly offloads?: readonly string[];
}

/** What came of it. */
export interface JourneyReport {
  /** From vm1 to vm2, and back. */
  readonly ways: readonly [Comparison, Comparison];
  /** Frames the switch says it dropped, by port and reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly dropped: number;
  /** Frames the switch counted in and out of both ports. */
  readonly switchRx: number;
  readonly switchTx: number;
}

/** Frames in flight one way; fewer than the receiver has buffers, so that none need be lost. */
const TX_DESCRIPTORS = 64;
const STALL_POLLS_MAX = 50;

/** A testpmd between two capture files and two ports of a switch. */
export class Journey implements AsyncDisposable {
  readonly testpmd: Testpmd;
  readonly #running: SwitchProcess;
  readonly #folder: string;
  readonly #sent: readonly [Uint8Array[], Uint8Array[]];

  private constructor(
    testpmd: Testpmd,
    running: SwitchProcess,
    folder: string,
    sent: readonly [Uint8Array[], Uint8Array[]],
  ) {
    this.testpmd = testpmd;
    this.#running = running;
    this.#folder = folder;
    this.#sent = sent;
  }

  /** Makes the frames and brings both ports up. The switch has ports vm1 and vm2 in `folder`. */
  static async prepare(
    running: SwitchProcess,
    folder: string,
    options: JourneyOptions,
  ): Promise<Journey> {
    const { count, seed, sizeMin = 60, sizeMax = 1514 } = options;
    const make = (side: 0 | 1): Uint8Array[] =>
      randomFrames({ count, sizeMin, sizeMax, seed: seed * 2 + side, side });
    const sent = [make(0), make(1)] as const;
    sent.forEach((frames, side) =>
      Deno.writeFileSync(`${folder}/in${side}.pcap`, encodePcap(frames))
    );
    const capture = (side: number): string =>
      `net_pcap${side},rx_pcap=${folder}/in${side}.pcap,tx_pcap=${folder}/out${side}.pcap`;
    const port = (name: string): VirtioUserPort => ({
      ...options.port,
      socket: `${folder}/${name}.sock`,
    });
    const testpmd = await Testpmd.start({
      // Paired topology: 0 and 1 exchange frames, and 2 and 3.
      ports: [capture(0), port("vm1"), port("vm2"), capture(1)],
      memoryMib: 256,
      hugepages: false,
      burst: 32,
      descriptors: { rx: options.port.queueSize ?? 256, tx: TX_DESCRIPTORS },
      ...options.testpmd,
      eal: ["--log-level=pmd.net.virtio.init:info", ...options.testpmd?.eal ?? []],
      // testpmd would throw away what it finds in its ports, that is: our frames.
      words: ["--no-flush-rx", ...options.testpmd?.words ?? []],
    });
    const journey = new Journey(testpmd, running, folder, sent);
    if (options.offloads) await journey.#setOffloads(options.offloads);
    return journey;
  }

  async #setOffloads(offloads: readonly string[]): Promise<void> {
    const words = [1, 2].flatMap((port) =>
      offloads.map((name) => `port config ${port} ${name} on`)
    );
    await this.testpmd.commands("port stop all", ...words, "port start all");
  }

  /** Sends all frames both ways and waits until they arrived or nothing moves any more. */
  async travel(): Promise<void> {
    await linksUp(this.#running);
    await this.testpmd.commands("set fwd io retry", "set burst tx delay 1 retry 1000000");
    const received = async (): Promise<number> => {
      const stats = await this.testpmd.stats();
      return (stats[1]?.rxPackets ?? 0) + (stats[2]?.rxPackets ?? 0);
    };
    const goal = await received() + this.#sent[0].length + this.#sent[1].length;
    await this.testpmd.commands("start");
    let last = -1;
    for (let stalled = 0; stalled < STALL_POLLS_MAX; stalled++) {
      const now = await received();
      if (now >= goal) break;
      if (now !== last) stalled = 0;
      last = now;
      await delay(50);
    }
    await this.testpmd.commands("stop");
  }

  /** Ends testpmd, so that its capture files are complete, and compares. */
  async compare(before: readonly PortStatus[]): Promise<JourneyReport> {
    const code = await this.testpmd.stop();
    if (code !== 0) throw new Error(`testpmd ended with code ${code}: ${this.testpmd.log}`);
    const { ports } = await this.#running.status();
    const received = [1, 0].map((side) =>
      decodePcap(Deno.readFileSync(`${this.#folder}/out${side}.pcap`))
    );
    const drops = dropsSince(before, ports);
    return {
      ways: [
        compareFrames(this.#sent[0], received[0] ?? []),
        compareFrames(this.#sent[1], received[1] ?? []),
      ],
      drops,
      dropped: Object.values(drops).reduce((sum, count) => sum + count, 0),
      switchRx: countSince(before, ports, "rxFrames"),
      switchTx: countSince(before, ports, "txFrames"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.testpmd.stop();
  }
}

/** Waits until every port of a switch is up. */
export async function linksUp(running: SwitchProcess): Promise<void> {
  await until("links to come up", async () => {
    const { ports } = await running.status();
    return ports.every((port) => port.link === "up");
  });
}

/** Growth of a counter, summed over all ports. */
export function countSince(
  before: readonly PortStatus[],
  after: readonly PortStatus[],
  counter: string,
): number {
  const sum = (ports: readonly PortStatus[]): number =>
    ports.reduce((total, port) => total + (port.counters[counter] ?? Number.NaN), 0);
  return sum(after) - sum(before);
}

/** Frames dropped since `before`, by port and reason; only what is not 0. */
export function dropsSince(
  before: readonly PortStatus[],
  after: readonly PortStatus[],
): Record<string, number> {
  const drops: Record<string, number> = {};
  after.forEach((port, index) => {
    for (const [name, value] of Object.entries(port.counters)) {
      if (!/Dropped/.test(name)) continue;
      const more = value - (before[index]?.counters[name] ?? 0);
      if (more !== 0) drops[`${port.name} ${name}`] = more;
    }
  });
  return drops;
}

/** A whole journey. @returns the report and what testpmd printed */
export async function travel(
  running: SwitchProcess,
  folder: string,
  options: JourneyOptions,
): Promise<{ report: JourneyReport; log: string }> {
  const before = (await running.status()).ports;
  await using journey = await Journey.prepare(running, folder, options);
  await journey.travel();
  return { report: await journey.compare(before), log: journey.testpmd.log };
}

/** Nothing corrupted, doubled, out of order or lost, and the switch counted the same. */
export function assertPerfect(report: JourneyReport, log: string): void {
  for (const way of report.ways) {
    const words = `seed ${SEED}, drops ${JSON.stringify(report.drops)}`;
    const perfect = { received: way.sent, lost: 0, corrupted: 0, repeated: 0, reordered: 0 };
    assert.deepEqual({ ...way }, { sent: way.sent, ...perfect }, `${words}\n${log}`);
  }
  const sent = report.ways[0].sent + report.ways[1].sent;
  assert.deepEqual(report.drops, {});
  assert.deepEqual([report.switchRx, report.switchTx], [sent, sent]);
}
