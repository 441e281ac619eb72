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
import { FDB_FULL, FDB_IN_USE } from "./fdb.ts";
import { aim, AIM_ALL, wants } from "./multicast/snooping.ts";
import { dropForeign } from "./policy/foreign.ts";
import { areIsolated, NOT_ISOLATED } from "./policy/isolation.ts";
import { BROADCAST, MULTICAST, UNKNOWN } from "./policy/storm.ts";
import type { Port } from "./ports/port.ts";
import { vlanKey } from "./vlan/key.ts";

/** Instead of a port: nowhere, its source is nobody's address. */
export const DROP: number = -2;
/** Instead of a port: its destination is one of those in reserved.ts. */
export const RESERVED: number = -3;
/** Instead of a port: its source was not learned, for a limit. It leaves by no uplink. */
export const REFUSED: number = -4;
/** Instead of a port: nowhere, its source is the address of another port; see policy/foreign.ts. */
export const FOREIGN: number = -5;

/** The first word of reserved addresses, a group's. */
const RESERVED_WORD = 0x00c28001;

/** Lists a frame for a port. */
export function append(path: Datapath, destination: number, frame: number): void {
  const listed = path.listCount[destination]!;
  if (listed === 0) path.touched[path.touchedCount++] = destination;
  path.list[destination * BURST_FRAMES + listed] = frame;
  path.listCount[destination] = listed + 1;
}

/**
 * A frame that does not simply go to one port: dropped with a reason, or flooded.
 * @param vid the VLAN that it is in, of which all ports are that get it; 0: there are none
 */
export function spread(
  path: Datapath,
  port: Port,
  destination: number,
  frame: number,
  word0: number,
  word1: number,
  word2: number,
  vid: number,
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
    spreadReserved(path, port, frame, word1, word2, vid);
    return;
  }
  if (destination === FOREIGN) {
    dropForeign(path, port, frame, vid << 16);
    return;
  }
  if (destination === REFUSED) {
    spreadRefused(path, port, frame, word0, word1, vid);
    return;
  }
  if ((word0 & 1) !== 0) countGroup(path, port, word0, word1);
  if (port.storm !== null && isStorm(path, port, word0, word1)) return;
  const copies = flood(path, port, frame, word0, word1, port.isUplink, vid);
  counters[base + (copies === 0 ? PORT.rxDroppedNoPort : PORT.rxFloodedFrames)]!++;
}

/** Counts a frame to a group. */
export function countGroup({ counters }: Datapath, port: Port, word0: number, word1: number): void {
  const broadcast = word0 === -1 && (word1 & 0xffff) === 0xffff;
  const counter = broadcast ? PORT.rxBroadcastFrames : PORT.rxMulticastFrames;
  counters[port.counterBase + counter]!++;
}

/** Whether a frame to many is one too many of its kind: then it is dropped. See policy/storm.ts. */
function isStorm(path: Datapath, port: Port, word0: number, word1: number): boolean {
  // It goes to one other port at most.
  if (path.deliverableCount <= 2) return false;
  const broadcast = word0 === -1 && (word1 & 0xffff) === 0xffff;
  const kind = (word0 & 1) === 0 ? UNKNOWN : broadcast ? BROADCAST : MULTICAST;
  if (port.storm!.admits(kind)) return false;
  path.counters[port.counterBase + PORT.rxDroppedBroadcastStorm + kind]!++;
  path.host.storm?.(port.index, kind);
  return true;
}

/** Whether a port may get a frame of another. @param vid its VLAN; 0: there are none */
function mayGet(path: Datapath, from: Port, port: number, vid: number): boolean {
  if (vid === 0 && from.isolation === NOT_ISOLATED) return true;
  const to = path.ports[port]!;
  return (vid === 0 || to.vlans.has(vid)) && !areIsolated(from, to);
}

/** Lists a frame for all other ports that want it, or no uplinks. @returns for how many */
function flood(
  path: Datapath,
  port: Port,
  frame: number,
  word0: number,
  word1: number,
  localOnly: boolean,
  vid: number,
): number {
  const unknown = path.unknownToUplinks && (word0 & 1) === 0;
  const end = localOnly ? path.localCount : path.deliverableCount;
  const { snooping, now } = path;
  const aimed = snooping === null || (word0 & 1) === 0
    ? AIM_ALL
    : aim(path, snooping, port, frame, word0, word1, vid);
  let copies = 0;
  for (let i = unknown ? path.localCount : 0; i < end; i++) {
    const other = path.deliverable[i]!;
    if (other === port.index || !mayGet(path, port, other, vid)) continue;
    if (aimed !== AIM_ALL && !wants(path.ports[other]!, aimed, word0, word1, vid, now)) continue;
    append(path, other, frame);
    copies++;
  }
  return copies;
}

/** A frame whose source was not learned: to local ports as any other, to no uplink. */
function spreadRefused(
  path: Datapath,
  port: Port,
  frame: number,
  word0: number,
  word1: number,
  vid: number,
): void {
  const { counters } = path;
  const base = port.counterBase;
  const group = (word0 & 1) !== 0;
  const high = vlanKey(path.fdb, word0, word1 & 0xffff, vid << 16, path.now);
  const known = group ? -1 : path.fdb.lookup(word0, high, path.now);
  if (known === port.index) counters[base + PORT.rxDroppedSamePort]!++;
  else if (known >= 0 && path.ports[known]!.isUplink) counters[base + PORT.rxDroppedLimit]!++;
  else if (known >= 0) append(path, known, frame);
  else {
    if (group) countGroup(path, port, word0, word1);
    if (port.storm !== null && isStorm(path, port, word0, word1)) return;
    if (flood(path, port, frame, word0, word1, true, vid) > 0) {
      counters[base + PORT.rxFloodedFrames]!++;
    } else if (path.uplinkCount > 0) counters[base + PORT.rxDroppedLimit]!++;
    else counters[base + PORT.rxDroppedNoPort]!++;
  }
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
  vid: number,
): void {
  const { counters } = path;
  const base = port.counterBase;
  const bit = port.reservedMask & (1 << ((word1 >>> 8) & 0xf));
  const end = port.isUplink ? path.localCount : path.deliverableCount;
  let copies = 0;
  for (let i = 0; bit !== 0 && i < end; i++) {
    if (passesReserved(path, port, path.deliverable[i]!, bit, vid)) copies++;
  }
  if (copies === 0) {
    counters[base + PORT.rxDroppedReserved]!++;
    return;
  }
  const low = (word1 >>> 16) | (word2 << 16);
  const high = vlanKey(path.fdb, low, word2 >>> 16, vid << 16, path.now);
  const learned = path.fdb.learn(low, high, port.index, path.now);
  if (learned >= FDB_IN_USE) {
    dropForeign(path, port, frame, vid << 16);
    return;
  }
  counters[base + PORT.rxMulticastFrames]!++;
  if (port.storm !== null && isStorm(path, port, RESERVED_WORD, 0)) return;
  counters[base + PORT.rxFloodedFrames]!++;
  const last = learned >= FDB_FULL ? path.localCount : end;
  for (let i = 0; i < last; i++) {
    const other = path.deliverable[i]!;
    if (passesReserved(path, port, other, bit, vid)) append(path, other, frame);
  }
}

/** Whether a frame to a reserved address passes from one port to another. */
function passesReserved(
  path: Datapath,
  port: Port,
  other: number,
  bit: number,
  vid: number,
): boolean {
  if (other === port.index || !mayGet(path, port, other, vid)) return false;
  return (path.ports[other]!.reservedMask & bit) !== 0;
}
