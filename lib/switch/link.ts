// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Ports that are linked: every frame of one goes to the other, group and reserved addresses
 * included, as on a cable. Nothing is learned and nothing looked up.
 *
 * @module
 */
import { BURST_FRAMES, frameBytes, frameHead, HEAD_WORDS } from "../virtio/burst.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import { maySend } from "./policy/foreign.ts";
import type { Port } from "./ports/port.ts";
import { refuses } from "./refuse.ts";

/** Lists frames `first` to `end` of a linked port for its peer; without a peer, drops them. */
export function listLinked(path: Datapath, port: Port, first: number, end: number): void {
  const { list, counters } = path;
  const base = port.counterBase;
  const frameMax = port.frameBytesMax;
  const to = port.linkedTo;
  const before = to < 0 ? 0 : path.listCount[to]!;
  const start = to < 0 ? 0 : to * BURST_FRAMES + before;
  let good = 0;
  let bytes = 0;
  for (let frame = first; frame < end; frame++) {
    const size = frameBytes[frame]!;
    if ((size < 0 || size > frameMax) && refuses(path, port, frame)) continue;
    if (port.isLocked && !maySend(path, port, frame)) continue;
    const word0 = frameHead[frame * HEAD_WORDS]!;
    if ((word0 & 1) !== 0) {
      const broadcast = word0 === -1 && (frameHead[frame * HEAD_WORDS + 1]! & 0xffff) === 0xffff;
      counters[base + (broadcast ? PORT.rxBroadcastFrames : PORT.rxMulticastFrames)]!++;
    }
    bytes += size;
    list[start + good++] = frame;
  }
  counters[base + PORT.rxFrames]! += good;
  counters[base + PORT.rxBytes]! += bytes;
  if (good === 0) return;
  if (to < 0) {
    counters[base + PORT.rxDroppedNoPort]! += good;
    return;
  }
  if (before === 0) path.touched[path.touchedCount++] = to;
  path.listCount[to] = before + good;
}
