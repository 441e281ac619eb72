// deno-lint-ignore-file no-non-null-assertion
/**
 * Visits that are watched part by part, because something takes long (lib/worker/time_watch.ts), and
 * cut: frames whose bytes do not come are dropped, and so are those for a receiver whose memory does
 * not. Before anything is delivered, all of the sender's bytes are read once, so that a page that is
 * slow to come is the sender's time and not the receiver's.
 *
 * Data-plane thread only; allocates nothing.
 *
 * @module
 */
import { FRAME_SLOW, frameBytes, frameSegment, frameSegmentEnd } from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { windowView } from "../virtio/memory/window.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Port, Sink } from "./ports/port.ts";

/** What a visit may take for the memory of a port that is known for taking long, ms. */
export const KNOWN_MS_MAX = 4;
/** The same for any other one, which may have met a lock that somebody else held, ms. */
export const VISIT_MS_MAX = 40;
/** Segments of a general burst from which on its bytes are read first, watched or not: each may be a
 * page. Frames of 64 KiB, as many as a burst holds, are 80. */
export const CRUMBS = 4096;
/** Between two looks at the clock: pages. */
const PAGES_A_LOOK = 64;
const PAGE_BYTES = 4096;
/** Frames that a receiver is handed at once. */
const FRAMES_A_PART = 8;

/** Says whose time a part of a visit was. */
export interface VisitWatch {
  /** A part begins. */
  begin(): void;
  /** Whether the part has taken a port's share of a visit, by evidence. */
  isOver(port: number): boolean;
  /** A port's share of a visit, ms. */
  shareMs(port: number): number;
  /** What was done since is about memory of a port, by its number. @returns ms that it is charged */
  endPart(port: number): number;
  /** It was a call of a port's. */
  endCall(port: number): void;
}

/** Watches nothing, where nobody does. */
export const UNWATCHED: VisitWatch = {
  begin: () => {},
  isOver: () => false,
  shareMs: () => VISIT_MS_MAX,
  endPart: () => 0,
  endCall: () => {},
};

/** A sink for one byte of each page: reading it has an effect as far as a compiler knows. */
const seen = new Uint8Array(1);

/** Whether the first `count` frames of a general burst have so many segments that each could be a page. */
export function isCrumbled(count: number): boolean {
  return frameSegmentEnd[count - 1]! - frameSegment[0]! > CRUMBS;
}

/** Reads a byte of each page of the opened burst. Frames whose pages do not come are marked. */
export function readBurst(watch: VisitWatch, port: number, count: number): void {
  let left = PAGES_A_LOOK;
  for (let frame = 0; frame < count; frame++) {
    if (frameBytes[frame]! < 0) continue;
    for (let segment = frameSegment[frame]!; segment < frameSegmentEnd[frame]!; segment++) {
      const view = windowView[segmentWindow[segment]!]!;
      const offset = segmentOffset[segment]!;
      const end = offset + segmentBytes[segment]!;
      for (let at = offset; at < end; at += PAGE_BYTES) {
        seen[0]! ^= view.getUint8(at);
        if (--left > 0) continue;
        left = PAGES_A_LOOK;
        if (!watch.isOver(port)) continue;
        frameBytes.fill(FRAME_SLOW, frame, count);
        return;
      }
    }
  }
}

/**
 * A burst was taken: reads it first if that may take long, and has its sender pay.
 * @param isWatched its taking counts as well
 */
export function readFirst(
  { watch }: Datapath,
  port: Port,
  count: number,
  isWatched: boolean,
): void {
  if (!isWatched) watch.begin();
  readBurst(watch, port.index, count);
  const tookMs = watch.endPart(port.index);
  if (tookMs > 0) port.owe(tookMs);
}

/** Hands frames to a sink some at a time; what it has no time for is dropped. See datapath.ts. */
export function handClosely(
  path: Datapath,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
  hand: (path: Datapath, sink: Sink, list: Uint16Array, start: number, count: number) => void,
): void {
  const { watch } = path;
  // What the switch did since belongs to nobody.
  watch.begin();
  const { index } = sink.port;
  let spentMs = 0;
  for (let done = 0; done < count; done += FRAMES_A_PART) {
    if (spentMs > 0 && spentMs >= watch.shareMs(index)) {
      path.counters[sink.port.counterBase + PORT.txDroppedSlow]! += count - done;
      return;
    }
    hand(path, sink, list, start + done, Math.min(FRAMES_A_PART, count - done));
    spentMs += watch.endPart(index);
  }
}
