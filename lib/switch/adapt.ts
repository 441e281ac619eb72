// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames that ask for offloads, for a sink that may not take all of them: as they are where it does,
 * otherwise the same frames with their checksums completed, or cut (lib/offload/make.ts). They stay in
 * order. Whoever delivers a burst with offloads does it by this, and no sink sees what it does not
 * accept.
 *
 * @module
 */
import { BURST_FRAMES, frameBytes, frameSegment, frameSegmentEnd } from "../virtio/burst.ts";
import {
  beginCut,
  hasSegment,
  makeAnew,
  makeCompleted,
  makeSegment,
  mayMake,
} from "../offload/make.ts";
import { frameGsoSize, frameHeaders, frameOffloads, OFFLOAD_CUTS } from "../virtio/offloads.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Sink } from "./ports/port.ts";

/**
 * Frames made of one burst at most, for all its receivers: 1 ms, of crumbs behind the longest headers.
 * Four frames of 64 KiB, as many as a burst holds, make 180 for a receiver; a flood to more than 20, or a
 * sender that wants crumbs, ends here.
 */
export const MADE_MAX = 4096;
/** What a frame made costs, in descriptors of chains that are read (vhost_port.ts). */
const STEPS_A_FRAME = 20;
/**
 * Segments of this payload cost whoever cuts them behind us no more than their bytes do. A kernel takes
 * 0.35 us for each, as long as two frames made, and does it within our call.
 */
const CRUMB_BYTES = 512;

/** Frames made of the burst at hand, or as many as it cost. */
const work = { made: 0 };
/** Frames to be delivered together, and how many. */
const batch = new Uint16Array(BURST_FRAMES);
const filled = { count: 0 };

/** Segments of a general burst that sinks were handed, each time. */
const handed = { segments: 0 };

/** A visit begins: nothing is handed to anybody. */
export function beginHanding(): void {
  handed.segments = 0;
}

/** Frames of a general burst are handed to one sink, which goes through all their segments. */
export function noteHanded(list: Uint16Array, start: number, count: number): void {
  for (let i = start; i < start + count; i++) {
    handed.segments += frameSegmentEnd[list[i]!]! - frameSegment[list[i]!]!;
  }
}

/** What sinks went through in this visit, as descriptors of chains that its sender is charged for. */
export function handedSteps(): number {
  return handed.segments;
}

/** A burst with offloads begins. */
export function beginAdapting(): void {
  work.made = 0;
}

/** What was made of the burst at hand, as descriptors of chains that its sender is charged for. */
export function adaptingSteps(): number {
  return work.made * STEPS_A_FRAME;
}

/** Delivers frames of the opened burst, as {@linkcode Sink.deliver} does, in a form the sink takes. */
export function deliverAdapted(
  path: Datapath,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
): void {
  const refused = ~sink.accepts;
  const { counters } = path;
  const base = sink.port.counterBase;
  for (let i = start; i < start + count; i++) {
    const frame = list[i]!;
    const asks = frameOffloads[frame]!;
    const whole = (asks & refused) === 0;
    const crumbs = whole && (asks & OFFLOAD_CUTS) !== 0 ? crumbsOf(frame) : 0;
    if ((!whole || crumbs > 0) && work.made >= MADE_MAX) {
      counters[base + PORT.txDroppedUncut]!++;
      continue;
    }
    if (!hasRoom()) flush(path, sink);
    if (whole) {
      work.made += crumbs;
      batch[filled.count++] = frame;
    } else if ((asks & OFFLOAD_CUTS) !== 0) {
      putCut(path, sink, frame);
      counters[base + PORT.txCut]!++;
    } else {
      work.made++;
      batch[filled.count++] = makeCompleted(frame);
      counters[base + PORT.txCompleted]!++;
    }
  }
  flush(path, sink);
}

/** What it costs to cut a large frame behind us beyond what its bytes do, as frames made. */
function crumbsOf(frame: number): number {
  const payload = frameBytes[frame]! - frameHeaders[frame]!;
  const size = frameGsoSize[frame]!;
  return size >= CRUMB_BYTES ? 0 : Math.ceil(2 * (payload / size - payload / CRUMB_BYTES));
}

/** Puts the segments of a large frame into the batch. */
function putCut(path: Datapath, sink: Sink, frame: number): void {
  beginCut(frame);
  while (hasSegment()) {
    if (!hasRoom()) flush(path, sink);
    work.made++;
    batch[filled.count++] = makeSegment(sink.accepts);
  }
}

/** Whether the batch takes another frame, and that may be one that is made. */
function hasRoom(): boolean {
  return filled.count < BURST_FRAMES && mayMake();
}

/** Delivers the batch; what was made for it is not needed any more. */
function flush(path: Datapath, sink: Sink): void {
  const { count } = filled;
  filled.count = 0;
  if (count > 0) sink.deliver(path, batch, 0, count);
  makeAnew();
}
