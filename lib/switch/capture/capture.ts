// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Captures: who wants to see which frames of which ports, and writing them down. Each has a ring of its
 * own (ring.ts); a port that somebody watches has a {@linkcode PortTap}.
 *
 * A frame is seen as it is on the wire of the port: with its tags there, and as large as it goes there.
 * Data-plane thread only.
 *
 * @module
 */
import { burstHasOffloads, frameBytes } from "../../virtio/burst.ts";
import { VIRTIO_NET_HDR_MRG_RXBUF_BYTES, writeBareHeader } from "../../virtio/net_header.ts";
import { frameOffloads, NO_OFFLOADS, writeFrameOffloads } from "../../virtio/offloads.ts";
import { copyShort } from "../../virtio/memory/window.ts";
import { PORT, PORT_COUNTERS } from "../counters.ts";
import { readFields } from "./fields.ts";
import { passes } from "./filter.ts";
import { gatherFrame, wireView } from "./kept.ts";
import { type CaptureRing, RECORD, RECORD_BYTES } from "./ring.ts";

/** Instead of a counter of PORT: it was not dropped. */
export const NOT_DROPPED: number = -1;

/** What a capture takes, and where to. */
export interface Capture {
  /** Where frames go. */
  readonly ring: CaptureRing;
  /** See filter.ts. */
  readonly filter: Int32Array;
  /** Bytes of each frame at most. */
  readonly snap: number;
  /** Frames that are dropped as well. */
  readonly drops: boolean;
}

/** A capture of one port. */
interface PortCapture {
  readonly capture: Capture;
  /** The port's number among those of the capture. */
  readonly interface: number;
}

// cold
function droppedRows(way: string): Int32Array {
  const rows = PORT_COUNTERS.filter((name) => name.startsWith(`${way}Dropped`));
  return Int32Array.from(rows, (name) => PORT[name]);
}

/** Counters of frames that a port sent and that were dropped. */
export const RX_DROPS: Int32Array = droppedRows("rx");
/** Counters of frames for a port that were dropped. */
export const TX_DROPS: Int32Array = droppedRows("tx");

/** Who watches one port. */
export class PortTap {
  #captures: readonly PortCapture[] = [];
  /** Somebody wants to see dropped frames. */
  hasDrops = false;
  /** Mirrors that get what comes from the port, a bit each. */
  mirrorsIn = 0;
  /** Mirrors that get what goes to it. */
  mirrorsOut = 0;

  /** Nobody watches. */
  get isEmpty(): boolean {
    return !this.hasCaptures && (this.mirrorsIn | this.mirrorsOut) === 0;
  }

  /** Somebody captures. */
  get hasCaptures(): boolean {
    return this.#captures.length > 0;
  }

  /** One more capture. @param number of the port among those of the capture */
  // cold
  add(capture: Capture, number: number): void {
    this.#set([...this.#captures, { capture, interface: number }]);
  }

  /** One less. */
  // cold
  remove(capture: Capture): void {
    this.#set(this.#captures.filter((each) => each.capture !== capture));
  }

  // cold
  #set(captures: readonly PortCapture[]): void {
    this.#captures = captures;
    this.hasDrops = captures.some(({ capture }) => capture.drops);
  }

  /**
   * Writes down a frame that was gathered. @param frame its number, below 0 bytes: it is none
   * @param reason counter of PORT, or NOT_DROPPED @param bytes as gathered
   */
  write(frame: number, direction: number, reason: number, bytes: number, whenMs: number): void {
    readFields(wireView, 0, bytes);
    for (let i = 0; i < this.#captures.length; i++) {
      const { capture, interface: number } = this.#captures[i]!;
      if (reason !== NOT_DROPPED && !capture.drops) continue;
      const { ring } = capture;
      ring.count(number, 0);
      if (!passes(capture.filter)) continue;
      ring.count(number, 1);
      const captured = bytes < capture.snap ? bytes : capture.snap;
      const at = ring.reserve(captured);
      if (at < 0) {
        ring.count(number, 2);
        continue;
      }
      writeRecord(ring, at, number, direction, reason, captured, bytes, whenMs);
      writeHeader(ring, at, frame);
      ring.publish(at);
    }
  }

  /** Gathers a frame as it is now, and writes it down. */
  see(frame: number, direction: number, reason: number, whenMs: number): void {
    const bytes = frameBytes[frame]!;
    if (bytes > 0) gatherFrame(frame);
    this.write(frame, direction, reason, bytes > 0 ? bytes : 0, whenMs);
  }
}

function writeRecord(
  ring: CaptureRing,
  at: number,
  number: number,
  direction: number,
  reason: number,
  captured: number,
  bytes: number,
  whenMs: number,
): void {
  const { view } = ring;
  view.setUint16(at + RECORD.interface, number, true);
  view.setUint8(at + RECORD.direction, direction);
  view.setFloat64(at + RECORD.when, whenMs, true);
  view.setUint32(at + RECORD.captured, captured, true);
  view.setUint32(at + RECORD.original, bytes, true);
  view.setInt32(at + RECORD.reason, reason, true);
  view.setUint32(at + RECORD.lost, ring.lost(number), true);
  copyShort(view, at + RECORD_BYTES, wireView, 0, captured);
}

/** What a frame asks for, as whoever is behind the port says it or is told. */
function writeHeader({ view }: CaptureRing, at: number, frame: number): void {
  const asks = burstHasOffloads() && frameBytes[frame]! >= 0 &&
    frameOffloads[frame] !== NO_OFFLOADS;
  view.setUint32(at + RECORD.asks, asks ? 1 : 0, true);
  writeBareHeader(view, at + RECORD.header, VIRTIO_NET_HDR_MRG_RXBUF_BYTES, 1);
  if (asks) writeFrameOffloads(view, at + RECORD.header, frame);
}

/** The time, ms of the epoch with its fractions. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
