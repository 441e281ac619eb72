// HOT
/**
 * When a port's room is shared among senders, and what of a burst is a sender's share: fair_share.ts.
 *
 * @module
 */
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port, Sink } from "../ports/port.ts";
import { FairShare } from "./fair_share.ts";

/** Frames for a port found no room in it. */
// cold
export function beginSharing(port: Port): void {
  if (port.fairShare === null) {
    // One for good: a port that overflows now and then would make garbage each time.
    port.ownShare ??= new FairShare();
    port.ownShare.begin();
    port.fairShare = port.ownShare;
  }
  port.fairShare.dropped();
}

/** How many of the frames listed for a sink of a port that shares are its sender's share. */
export function senderShare(
  path: Datapath,
  port: Port,
  sink: Sink,
  list: Uint16Array,
  start: number,
  count: number,
  from: Port,
): number {
  const { fairShare } = port;
  if (fairShare === null || sink.room === undefined) return count;
  if (fairShare.isCalm) {
    port.fairShare = null;
    return count;
  }
  const room = sink.room(fairShare.roomMost(count));
  const share = fairShare.admits(from.index, room, list, start, count);
  if (share === count) return count;
  const counter = port.counterBase + PORT.txDroppedShare;
  path.counters[counter] = (path.counters[counter] ?? 0) + count - share;
  fairShare.dropped();
  return share;
}
