/**
 * Captures that run: each a ring on every data plane whose ports it takes, and a stream of pcapng that
 * somebody reads. Whoever reads slowly loses frames, and slows nobody; how many is in the stream.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { concat } from "@std/bytes/concat";
import {
  allocateFile,
  closeFd,
  createMemoryFile,
  SystemError,
  viewMemory,
} from "../../../ffi/mod.ts";
import { VERSION } from "../../version.ts";
import { CAPTURES_MAX } from "../../switch/capture/ring.ts";
import { isRefusal } from "../../vhost/reasons.ts";
import type { MappedRegion } from "../front_end/guest_memory.ts";
import type { Placed, PortPlane } from "../planes.ts";
import { ControlError } from "../types.ts";
import {
  interfaceBlock,
  type InterfaceCounts,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from "./pcapng.ts";
import { RingReader } from "./ring_reader.ts";
import type { CaptureWanted } from "./wanted.ts";

/** How often an empty ring is looked at, ms. */
const LOOK_MS = 20;
/** Packets in one piece of the stream. */
const PACKETS_MAX = 256;

/** A port that is captured. */
interface CapturedPort extends Placed {
  /** As its operator calls it. */
  readonly name: string;
}

interface Ring {
  readonly plane: PortPlane;
  readonly region: MappedRegion;
  readonly memory: ArrayBuffer;
  readonly reader: RingReader;
}

/** The captures of a switch. Control thread only. */
export class Captures {
  readonly #running = new Map<number, RunningCapture>();

  /** Captures that run. */
  get count(): number {
    return this.#running.size;
  }

  /**
   * Begins to capture. @param named ports behind a name that was asked for, such as a listener's
   * @param placed where one is @returns pcapng: cancel it, or read it to its end, which comes when
   * `signal` says so @throws {ControlError} too many run, or there is no port, or no memory
   */
  start(
    wanted: CaptureWanted,
    named: (name: string) => readonly string[],
    placed: (name: string) => Placed,
    signal: AbortSignal | null = null,
  ): ReadableStream<Uint8Array> {
    const names = new Set(wanted.ports.flatMap(named));
    const ports = Array.from(names, (name) => {
      const { plane, number } = placed(name);
      return { name, plane, number };
    });
    if (ports.length === 0) {
      throw new ControlError("not-found", `No port of ${wanted.ports.join()} is there to capture`);
    }
    const number = Array.from({ length: CAPTURES_MAX }, (_, i) => i)
      .find((i) => !this.#running.has(i));
    if (number === undefined) {
      throw new ControlError(
        "conflict",
        `${CAPTURES_MAX} captures run already, which is the most`,
        "end one of them",
      );
    }
    const capture = new RunningCapture(number, wanted, ports, () => {
      this.#running.delete(number);
    });
    this.#running.set(number, capture);
    signal?.addEventListener("abort", () => capture.end());
    return capture.stream();
  }

  /** A port is gone: who captured it alone has all there will be. */
  portRemoved(name: string): void {
    for (const capture of this.#running.values()) capture.portRemoved(name);
  }

  /** Ends all of them; nothing of them is mapped any more. Streams end with what was read. */
  close(): void {
    for (const capture of [...this.#running.values()]) capture.release();
  }
}

class RunningCapture {
  readonly #number: number;
  readonly #wanted: CaptureWanted;
  readonly #ports: readonly CapturedPort[];
  readonly #left: Set<string>;
  readonly #rings: Ring[] = [];
  readonly #released: () => void;
  readonly #startMs = Date.now();
  #counts: InterfaceCounts[] | null = null;
  #packets = 0;
  #ending = false;
  /** The statistics are in the stream. */
  #isSaid = false;

  constructor(
    number: number,
    wanted: CaptureWanted,
    ports: readonly CapturedPort[],
    released: () => void,
  ) {
    this.#number = number;
    this.#wanted = wanted;
    this.#ports = ports;
    this.#left = new Set(ports.map(({ name }) => name));
    this.#released = released;
    try {
      for (const plane of new Set(ports.map((port) => port.plane))) this.#begin(plane);
      for (const [as, { plane, number: port }] of ports.entries()) {
        plane.thread.commands.capturePort({ capture: number, port, as });
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #begin(plane: PortPlane): void {
    const { ringBytes, snap, drops, program } = this.#wanted;
    const region = mapRing(plane, ringBytes);
    const { address, mapping } = region.placed;
    const memory = viewMemory(address, ringBytes);
    this.#rings.push({ plane, region, memory, reader: new RingReader(memory) });
    plane.thread.commands.startCapture({
      ...{ capture: this.#number, mapping, address, sizeBytes: ringBytes },
      ...{ snap, drops, filter: program },
    });
  }

  /** The stream, of which there is one. */
  stream(): ReadableStream<Uint8Array> {
    const { filter, snap } = this.#wanted;
    const head = [
      sectionBlock(`vuswitch ${VERSION}`, "inbound: from whoever is behind the port"),
      ...this.#ports.map(({ name }) => interfaceBlock(name, snap, filter)),
    ];
    return new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(concat(head)),
      pull: async (controller) => {
        const blocks = await this.#next();
        if (blocks.length > 0) controller.enqueue(concat(blocks));
        else controller.close();
      },
      cancel: () => this.release(),
    }, { highWaterMark: 1 });
  }

  /** What comes next, with the last packets the statistics; nothing: that was all. */
  async #next(): Promise<Uint8Array[]> {
    while (this.#counts === null) {
      const isLast = this.#ending;
      const blocks = this.#take();
      if (blocks.length > 0) return blocks;
      if (isLast || this.#isFull) break;
      await delay(LOOK_MS);
    }
    return this.#finish();
  }

  get #isFull(): boolean {
    return this.#wanted.count > 0 && this.#packets >= this.#wanted.count;
  }

  #take(): Uint8Array[] {
    const blocks: Uint8Array[] = [];
    for (const { reader } of this.#rings) {
      const most = this.#wanted.count === 0 ? PACKETS_MAX : this.#wanted.count - this.#packets;
      const packets = reader.take(Math.min(PACKETS_MAX, most));
      this.#packets += packets.length;
      blocks.push(...packets.map(packetBlock));
    }
    return blocks;
  }

  #finish(): Uint8Array[] {
    this.release();
    if (this.#isSaid) return [];
    this.#isSaid = true;
    const end = Date.now();
    return (this.#counts ?? []).map((counts, i) => statisticsBlock(i, this.#startMs, end, counts));
  }

  /** What is captured by now is all there will be. */
  end(): void {
    this.#ending = true;
  }

  portRemoved(name: string): void {
    this.#left.delete(name);
    if (this.#left.size === 0) this.end();
  }

  /** Ends it on the data planes, and gives its memory back. */
  release(): void {
    if (this.#counts !== null) return;
    this.#counts = this.#ports.map(({ plane }, i) =>
      this.#rings.find((ring) => ring.plane === plane)?.reader.counts(i) ??
        { seen: 0, matched: 0, lost: 0 }
    );
    for (const { plane, region, memory } of this.#rings) {
      plane.thread.commands.stopCapture({ capture: this.#number });
      memory.transfer(0);
      plane.pool.release(region);
    }
    this.#released();
  }
}

/** Memory that both threads have, and that is there for good. @throws {ControlError} */
function mapRing({ pool }: PortPlane, sizeBytes: number): MappedRegion {
  const failed = (why: string): ControlError =>
    new ControlError("failed", `Cannot make a ring of ${sizeBytes} bytes: ${why}`, "--ring SIZE");
  let fd = -1;
  try {
    fd = createMemoryFile("vuswitch-capture", sizeBytes);
    if (!allocateFile(fd, 0, sizeBytes)) throw failed("there is no memory for it");
    const region = pool.acquireOwn(fd, sizeBytes);
    if (isRefusal(region)) throw failed(region.detail);
    return region;
  } catch (error) {
    if (error instanceof SystemError) throw failed(error.message);
    throw error;
  } finally {
    if (fd >= 0) closeFd(fd);
  }
}
