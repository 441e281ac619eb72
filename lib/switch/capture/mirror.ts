// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Mirrors: frames from and to some ports go to another one as well, each once, however many copies of
 * it there are. That port gets nothing else and says nothing. What goes there
 *
 * - was forwarded, or would have been if there had been another port: what is dropped for any other
 *   reason is not mirrored. A frame to a port is mirrored whether or not that port had room;
 * - goes last, so that no copy costs a frame its place, and by the mirror port's own rules: its MTU, its
 *   room, and as soon as any port says something of VLANs only frames of its own ones, tagged as it gets
 *   them. Isolation and rates are not asked.
 *
 * Data-plane thread only.
 *
 * @module
 */
import { MIRRORS_MAX } from "../../base/limits.ts";
import { BURST_FRAMES } from "../../virtio/burst.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port } from "../ports/port.ts";
import { append } from "../spread.ts";
import { isPlainLink, readVlan } from "../vlan/ways.ts";

/** {@linkcode mirrorTargets}: there is no such mirror. */
export const NO_TARGET: number = -1;

/** The mirrors that each frame of the burst at hand goes to, a bit each. */
const marks = new Int32Array(BURST_FRAMES);
/** Whether any frame has one, as bits. */
const marked = { any: 0 };

/** The next burst is at hand. */
export function beginMirroring(): void {
  if (marked.any !== 0) marks.fill(0);
  marked.any = 0;
}

/** A frame goes to these mirrors. */
export function markFrame(frame: number, mirrors: number): void {
  marks[frame] = marks[frame]! | mirrors;
  marked.any |= mirrors;
}

/** What stands listed for a mirror port by switching does not go there. */
export function clearListed(path: Datapath, destination: number, port: Port): void {
  path.counters[port.counterBase + PORT.txDroppedMirror]! += path.listCount[destination]!;
  path.listCount[destination] = 0;
}

/** Frames listed for a port go to these mirrors. */
export function markListed(path: Datapath, destination: number, mirrors: number): void {
  const start = destination * BURST_FRAMES;
  const end = start + path.listCount[destination]!;
  for (let i = start; i < end; i++) markFrame(path.list[i]!, mirrors);
}

/** Lists frames of a burst of `count` from `from` for their mirrors, whose lists are empty. */
export function listMirrored(path: Datapath, from: Port, count: number): void {
  if (marked.any === 0) return;
  // Such frames are in no VLAN, and so in that which their tags say.
  const bare = path.hasVlans && from.linkedTo >= 0 && isPlainLink(from, path.ports[from.linkedTo]);
  for (let frame = 0; frame < count; frame++) {
    const mirrors = marks[frame]!;
    if (mirrors === 0) continue;
    if (bare) readVlan(frame);
    listOne(path, frame, mirrors);
  }
}

function listOne(path: Datapath, frame: number, mirrors: number): void {
  for (let mirror = 0; mirror < MIRRORS_MAX; mirror++) {
    if ((mirrors & (1 << mirror)) === 0) continue;
    const target = path.mirrorTargets[mirror]!;
    if (target === NO_TARGET || isListed(path, target, frame)) continue;
    append(path, target, frame);
  }
}

/** Two mirrors may have one port. */
function isListed(path: Datapath, target: number, frame: number): boolean {
  const count = path.listCount[target]!;
  return count > 0 && path.list[target * BURST_FRAMES + count - 1] === frame;
}
