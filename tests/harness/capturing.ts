/**
 * Captures of a datapath in plain memory, for tests of what is seen.
 *
 * @module
 */
import { compileFilter } from "../../lib/control/capture/expression.ts";
import type { Packet } from "../../lib/control/capture/pcapng.ts";
import { RingReader } from "../../lib/control/capture/ring_reader.ts";
import { type Capture, PortTap } from "../../lib/switch/capture/capture.ts";
import { CaptureRing, RING_BYTES_MIN } from "../../lib/switch/capture/ring.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import type { Port } from "../../lib/switch/ports/port.ts";
import { FRAME_BYTES_MAX } from "../../lib/virtio/burst.ts";

/** What a test may want otherwise. */
export interface CapturingOptions {
  readonly filter?: string;
  readonly drops?: boolean;
  readonly snap?: number;
  readonly ringBytes?: number;
}

/** A capture of some ports, numbered in order. */
export class Capturing {
  readonly reader: RingReader;
  readonly #capture: Capture;
  readonly #path: Datapath;
  readonly #ports: readonly Port[];

  /** Begins. */
  constructor(path: Datapath, ports: readonly Port[], options: CapturingOptions = {}) {
    const { filter = "", drops = false, snap = FRAME_BYTES_MAX } = options;
    const memory = new ArrayBuffer(options.ringBytes ?? RING_BYTES_MIN * 4);
    const ring = new CaptureRing(memory, 0, memory.byteLength);
    this.reader = new RingReader(memory);
    this.#capture = { ring, snap, drops, filter: Int32Array.from(compileFilter(filter)) };
    this.#path = path;
    this.#ports = ports;
    for (const [number, port] of ports.entries()) {
      port.tap ??= new PortTap();
      port.tap.add(this.#capture, number);
    }
    path.refresh();
  }

  /** What was captured since this was asked last. */
  take(): Packet[] {
    return this.reader.take(Infinity);
  }

  /** Ends. */
  stop(): void {
    for (const port of this.#ports) {
      port.tap?.remove(this.#capture);
      if (port.tap?.isEmpty) port.tap = null;
    }
    this.#path.refresh();
  }
}
