// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A burst's way through a switch of which a port is watched: each frame from a watched port is judged by
 * itself, and each frame for one delivered by itself, so that what became of it is known. Which counter
 * of dropped frames grew says why: whatever drops a frame counts it, and needs to know nothing of this.
 *
 * Which way a burst goes is asked once (datapath.ts); where nobody watches nothing of this runs.
 *
 * @module
 */
import { BURST_FRAMES, frameBytes } from "../../virtio/burst.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { deliverListed } from "../deliver_listed.ts";
import type { Port, Sink } from "../ports/port.ts";
import { NOT_DROPPED, type PortTap, RX_DROPS, TX_DROPS, wallMs } from "./capture.ts";
import { beginKeeping, gatherFrame, keepFrame } from "./kept.ts";
import { beginMirroring, clearListed, listMirrored, markFrame, markListed } from "./mirror.ts";
import { DIRECTION_IN, DIRECTION_OUT } from "./ring.ts";

/** What the counters were before a frame. */
const rxBefore = new Float64Array(RX_DROPS.length);
const txBefore = new Float64Array(TX_DROPS.length);

/** Frames listed for a watched port while they are delivered one by one. */
const listed = new Uint16Array(BURST_FRAMES);

/** Whether the sink of a watched port has seen the frame at hand. */
const seen = { frame: false };

/** Sorts frames `first` to `end` of the burst by destination, as the datapath does. */
export type Sort = (path: Datapath, port: Port, first: number, end: number) => void;

function note(path: Datapath, base: number, drops: Int32Array, before: Float64Array): void {
  for (let i = 0; i < drops.length; i++) before[i] = path.counters[base + drops[i]!]!;
}

/** @returns the counter that has grown, or NOT_DROPPED */
function grown(path: Datapath, base: number, drops: Int32Array, before: Float64Array): number {
  for (let i = 0; i < drops.length; i++) {
    if (path.counters[base + drops[i]!] !== before[i]) return drops[i]!;
  }
  return NOT_DROPPED;
}

/** Decides where the first `count` frames of the opened burst go and delivers them. */
export function forwardTapped(path: Datapath, port: Port, count: number, sort: Sort): void {
  if (port.isMirror) {
    path.counters[port.counterBase + PORT.rxDroppedMirror]! += count;
    return;
  }
  beginKeeping();
  beginMirroring();
  if (port.tap === null) sort(path, port, 0, count);
  else sortEach(path, port, port.tap, count, sort);
  for (let i = 0; i < path.touchedCount; i++) {
    const destination = path.touched[i]!;
    const to = path.ports[destination] ?? null;
    if (to !== null && to.isMirror) clearListed(path, destination, to);
    else if (to !== null && to.tap !== null && to.tap.mirrorsOut !== 0) {
      markListed(path, destination, to.tap.mirrorsOut);
    }
  }
  deliverTouched(path, port);
  listMirrored(path, port, count);
  deliverTouched(path, null);
}

function deliverTouched(path: Datapath, from: Port | null): void {
  for (let i = 0; i < path.touchedCount; i++) {
    const destination = path.touched[i]!;
    if (path.listCount[destination] === 0) continue;
    const tap = path.ports[destination]?.tap ?? null;
    if (tap === null || !tap.hasCaptures) deliverListed(path, destination, from);
    else deliverEach(path, destination, from, tap);
  }
  path.touchedCount = 0;
}

function sortEach(path: Datapath, port: Port, tap: PortTap, count: number, sort: Sort): void {
  const base = port.counterBase;
  const whenMs = wallMs();
  for (let frame = 0; frame < count; frame++) {
    // As it came: a tag may be written into it when it is judged.
    const bytes = frameBytes[frame]!;
    if (tap.hasCaptures && bytes > 0) {
      keepFrame(frame);
      gatherFrame(frame);
    }
    note(path, base, RX_DROPS, rxBefore);
    sort(path, port, frame, frame + 1);
    const reason = grown(path, base, RX_DROPS, rxBefore);
    // Nobody is there but the mirror's port.
    if (reason === NOT_DROPPED || reason === PORT.rxDroppedNoPort) markFrame(frame, tap.mirrorsIn);
    if (tap.hasCaptures) tap.write(frame, DIRECTION_IN, reason, bytes > 0 ? bytes : 0, whenMs);
  }
}

/** Delivers the frames listed for a watched port; its sinks see what gets there: {@linkcode TapSink}. */
function deliverEach(
  path: Datapath,
  destination: number,
  from: Port | null,
  tap: PortTap,
): void {
  const port = path.ports[destination]!;
  const start = destination * BURST_FRAMES;
  const count = path.listCount[destination]!;
  for (let i = 0; i < count; i++) {
    listed[i] = path.list[start + i]!;
    keepFrame(listed[i]!);
  }
  if (!tap.hasDrops) {
    deliverListed(path, destination, from);
    return;
  }
  const base = port.counterBase;
  for (let i = 0; i < count; i++) {
    path.list[start] = listed[i]!;
    path.listCount[destination] = 1;
    note(path, base, TX_DROPS, txBefore);
    // What is between two ports alone is counted at the sender.
    const sender = from === null ? base : from.counterBase;
    note(path, sender, RX_DROPS, rxBefore);
    seen.frame = false;
    deliverListed(path, destination, from);
    if (seen.frame) continue;
    const reason = grown(path, base, TX_DROPS, txBefore);
    const why = reason === NOT_DROPPED ? grown(path, sender, RX_DROPS, rxBefore) : reason;
    tap.see(listed[i]!, DIRECTION_OUT, why, wallMs());
  }
}

/** What the frame at hand was, while one of a batch is delivered. */
const one = new Uint16Array(1);
const sinkBefore = new Float64Array(TX_DROPS.length);

/** In front of a sink of a watched port: what gets there is seen, and what does not. */
export class TapSink implements Sink {
  readonly port: Port;
  readonly #sink: Sink;
  readonly #tap: PortTap;
  /** As the sink's: some have none. */
  readonly room?: (most: number) => number;

  /** Sees what goes to `sink`. */
  constructor(sink: Sink, tap: PortTap) {
    this.port = sink.port;
    this.#sink = sink;
    this.#tap = tap;
    if (sink.room !== undefined) this.room = (most) => sink.room?.(most) ?? most;
  }

  get accepts(): number {
    return this.#sink.accepts;
  }

  deliver(path: Datapath, list: Uint16Array, start: number, count: number): void {
    const base = this.port.counterBase;
    const whenMs = wallMs();
    seen.frame = true;
    for (let i = start; i < start + count; i++) {
      const frame = list[i]!;
      // In front of the delivery: a burst may be another one afterwards.
      const bytes = frameBytes[frame]!;
      gatherFrame(frame);
      note(path, base, TX_DROPS, sinkBefore);
      one[0] = frame;
      this.#sink.deliver(path, one, 0, 1);
      const reason = grown(path, base, TX_DROPS, sinkBefore);
      this.#tap.write(frame, DIRECTION_OUT, reason, bytes, whenMs);
    }
  }
}

/** Puts taps in front of the sinks of a port, found anew. */
// cold
export function tapReceivers(port: Port): void {
  if (port.tap === null || !port.tap.hasCaptures) return;
  for (let i = 0; i < port.receivers.length; i++) {
    port.receivers[i] = new TapSink(port.receivers[i]!, port.tap);
  }
}
