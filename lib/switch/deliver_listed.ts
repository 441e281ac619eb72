// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The frames of a burst that stand listed for one port, on their way into it: what may not go there is
 * taken off the list and counted, the rest is handed to the port's receivers.
 *
 * Data-plane thread only; nothing here allocates, throws or blocks per frame.
 *
 * @module
 */
import { BURST_FRAMES, burstHasOffloads, frameBytes, isPlainBurst } from "../virtio/burst.ts";
import { deliverAdapted, noteHanded } from "./adapt.ts";
import { handClosely } from "./closely.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import { flowHash } from "./flow.ts";
import { areIsolated, dropIsolated } from "./policy/isolation.ts";
import { limitTo } from "./policy/limits.ts";
import { beginSharing, senderShare } from "./policy/sharing.ts";
import type { Port, Sink } from "./ports/port.ts";
import { cutFits } from "./refuse.ts";
import { isPlainLink, keepInVlans } from "./vlan/ways.ts";

/**
 * Delivers the frames listed for one port, to the one receiver that most ports have.
 * @param from the port that they come from; null: they are the switch's own
 */
export function deliverListed(path: Datapath, destination: number, from: Port | null): void {
  const listed = path.listCount[destination]!;
  path.listCount[destination] = 0;
  const port = path.ports[destination]!;
  if (port !== null && from !== null && isApart(path, port, from, listed)) return;
  if (port === null || port.receivers.length === 0) {
    // An address learned on a port whose link went down a moment ago.
    if (port !== null) path.counters[port.counterBase + PORT.txDroppedLinkDown]! += listed;
    return;
  }
  const start = destination * BURST_FRAMES;
  let count = path.hasVlans && !isPlainLink(from, port)
    ? keepInVlans(path, port, start, listed)
    : keepFitting(path, port, start, listed);
  if (port.rateTo !== null) count = limitTo(path, port, port.rateTo, start, count, from);
  if (count === 0) return;
  const without = path.counters[port.counterBase + PORT.txDroppedNoBuffer];
  if (port.receivers.length === 1) {
    handShared(path, port.receivers[0]!, path.list, start, count, from);
  } else shareOut(path, port, start, count, from);
  if (path.counters[port.counterBase + PORT.txDroppedNoBuffer] !== without) beginSharing(port);
}

/**
 * Whether frames stand listed for a port that gets none of their port's: one of its isolation group,
 * or of two uplinks that are not linked the other one. They are dropped then.
 */
function isApart(path: Datapath, to: Port, from: Port, listed: number): boolean {
  if (areIsolated(from, to)) {
    dropIsolated(path, from, listed);
    return true;
  }
  if (!to.isUplink || !from.isUplink || from.linkedTo === to.index) return false;
  path.counters[from.counterBase + PORT.rxDroppedUplinks]! += listed;
  return true;
}

/** Frames for one sink, in a form that it takes: see {@linkcode Sink.deliver}. */
function hand(
  path: Datapath,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
): void {
  if (path.survey.isOn) path.survey.handed(sink.port, list, start, count);
  if (!isPlainBurst()) noteHanded(list, start, count);
  if (path.isWatched) handClosely(path, sink, list, start, count, handOn);
  else handOn(path, sink, list, start, count);
}

function handOn(
  path: Datapath,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
): void {
  if (burstHasOffloads()) deliverAdapted(path, sink, list, start, count);
  else sink.deliver(path, list, start, count);
}

/** Frames for a receiver: all, or if it has too little room those that are the sender's share. */
function handShared(
  path: Datapath,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
  from: Port | null,
): void {
  const { port } = sink;
  const admitted = port.fairShare === null || from === null
    ? count
    : senderShare(path, port, sink, list, start, count, from);
  if (admitted > 0) hand(path, sink, list, start, admitted);
}

/** Frames for a port with several receive queues: each queue those of its flows, in order. */
function shareOut(
  path: Datapath,
  port: Port,
  start: number,
  count: number,
  from: Port | null,
): void {
  const { list, share, shareOf } = path;
  const queues = port.receivers.length;
  for (let i = 0; i < count; i++) shareOf[i] = (flowHash(list[start + i]!) >>> 0) % queues;
  for (let queue = 0; queue < queues; queue++) {
    let part = 0;
    for (let i = 0; i < count; i++) {
      if (shareOf[i] === queue) share[part++] = list[start + i]!;
    }
    if (part > 0) handShared(path, port.receivers[queue]!, share, 0, part, from);
  }
}

/** Leaves only frames the port's MTU allows in its list. @returns how many are left */
function keepFitting(path: Datapath, port: Port, start: number, listed: number): number {
  const most = port.frameBytesMax;
  const list = path.list;
  let kept = 0;
  for (let i = start; i < start + listed; i++) {
    const frame = list[i]!;
    if (frameBytes[frame]! <= most || cutFits(frame, most)) list[start + kept++] = frame;
  }
  if (kept < listed) path.counters[port.counterBase + PORT.txDroppedOversize]! += listed - kept;
  return kept;
}
