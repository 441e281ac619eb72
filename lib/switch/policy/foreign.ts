// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames whose source is the address of another port, or none of a locked port's own: they go nowhere.
 * One that announces the address may be the first word of a guest that has moved here, see claims.ts.
 *
 * @module
 */
import { frameHead, HEAD_WORDS } from "../../virtio/burst.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port } from "../ports/port.ts";
import { vlanKey } from "../vlan/key.ts";

/** EtherTypes as they stand in a head's last word, low half. */
const ARP = 0x0608;
const RARP = 0x3580;
const VLAN = 0x0081;
const VLAN_SERVICE = 0xa888;
const IPV6 = 0xdd86;
const TYPE_MASK = 0xffff;
/** 33-33-00-00-00-01, all nodes: where a neighbour says where it is (RFC 4861 §7.2.6). */
const ALL_NODES_WORD = 0x00003333;
const ALL_NODES_REST = 0x0100;

/**
 * Whether frame `frame` of the opened burst says to everybody where its source is: an ARP or RARP
 * broadcast, what a neighbour tells all nodes, or a broadcast with a tag, behind which nobody looks.
 */
export function announces(frame: number): boolean {
  const at = frame * HEAD_WORDS;
  const word0 = frameHead[at]!;
  const rest = frameHead[at + 1]! & 0xffff;
  const type = frameHead[at + 3]! & TYPE_MASK;
  if (word0 === ALL_NODES_WORD && rest === ALL_NODES_REST) return type === IPV6;
  if (word0 !== -1 || rest !== 0xffff) return false;
  return type === ARP || type === RARP || type === VLAN || type === VLAN_SERVICE;
}

/**
 * Drops a frame with a foreign source.
 * @param vlanBits the VLAN as keys of the FDB have it; 0: there are none
 */
export function dropForeign(path: Datapath, port: Port, frame: number, vlanBits: number): void {
  const { fdb, counters, now } = path;
  const at = frame * HEAD_WORDS;
  const low = (frameHead[at + 1]! >>> 16) | (frameHead[at + 2]! << 16);
  const high = frameHead[at + 2]! >>> 16;
  const mayBe = fdb.mayBe(low, high, port.index);
  counters[port.counterBase + (mayBe ? PORT.rxDroppedInUse : PORT.rxDroppedSpoofed)]!++;
  const key = vlanKey(fdb, low, high, vlanBits, now);
  if (mayBe && announces(frame)) fdb.announce(low, key, port.index, now);
  const owner = fdb.lookup(low, key, now);
  path.host.macForeign?.(low, key, owner < 0 ? port.index : owner, port.index);
}

/** Whether a frame of a port that learns nothing may have its source; otherwise drops it. */
export function maySend(path: Datapath, port: Port, frame: number): boolean {
  const at = frame * HEAD_WORDS;
  const low = (frameHead[at + 1]! >>> 16) | (frameHead[at + 2]! << 16);
  if (path.fdb.mayBe(low, frameHead[at + 2]! >>> 16, port.index)) return true;
  dropForeign(path, port, frame, 0);
  return false;
}
