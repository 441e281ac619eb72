// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames of the burst that do not simply go to one port: listed for many, or dropped with a reason.
 *
 * @module
 */
import { BURST_FRAMES } from "../virtio/burst.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Port } from "./ports/port.ts";

/** Instead of a port: nowhere, its source is nobody's address. */
export const DROP: number = -2;
/** Instead of a port: its destination is one of those in reserved.ts. */
export const RESERVED: number = -3;

function append(path: Datapath, destination: number, frame: number): void {
  const listed = path.listCount[destination]!;
  if (listed === 0) path.touched[path.touchedCount++] = destination;
  path.list[destination * BURST_FRAMES + listed] = frame;
  path.listCount[destination] = listed + 1;
}

/** A frame that does not simply go to one port: dropped with a reason, or flooded. */
export function spread(
  path: Datapath,
  port: Port,
  destination: number,
  frame: number,
  word0: number,
  word1: number,
  word2: number,
): void {
  const counters = path.counters;
  const base = port.counterBase;
  if (destination === port.index) {
    counters[base + PORT.rxDroppedSamePort]!++;
    return;
  }
  if (destination === DROP) {
    counters[base + PORT.rxDroppedBadSource]!++;
    return;
  }
  if (destination === RESERVED) {
    spreadReserved(path, port, frame, word1, word2);
    return;
  }
  if ((word0 & 1) !== 0) {
    const broadcast = word0 === -1 && (word1 & 0xffff) === 0xffff;
    counters[base + (broadcast ? PORT.rxBroadcastFrames : PORT.rxMulticastFrames)]!++;
  }
  let copies = 0;
  for (let i = 0; i < path.deliverableCount; i++) {
    const other = path.deliverable[i]!;
    if (other === port.index) continue;
    append(path, other, frame);
    copies++;
  }
  counters[base + (copies === 0 ? PORT.rxDroppedNoPort : PORT.rxFloodedFrames)]!++;
}

/**
 * A frame to a reserved address: to all ports that let it pass, if its own does. The source is
 * learned if it goes anywhere, as of any other frame.
 */
function spreadReserved(
  path: Datapath,
  port: Port,
  frame: number,
  word1: number,
  word2: number,
): void {
  const { counters } = path;
  const base = port.counterBase;
  const bit = port.reservedMask & (1 << ((word1 >>> 8) & 0xf));
  let copies = 0;
  for (let i = 0; bit !== 0 && i < path.deliverableCount; i++) {
    const other = path.deliverable[i]!;
    if (other === port.index || (path.ports[other]!.reservedMask & bit) === 0) continue;
    append(path, other, frame);
    copies++;
  }
  if (copies === 0) {
    counters[base + PORT.rxDroppedReserved]!++;
    return;
  }
  path.fdb.learn((word1 >>> 16) | (word2 << 16), word2 >>> 16, port.index, path.now);
  counters[base + PORT.rxMulticastFrames]!++;
  counters[base + PORT.rxFloodedFrames]!++;
}
