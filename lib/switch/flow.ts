// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Which receive queue a frame goes to, on a port that has several: a hash of its flow, so that the
 * frames of one flow stay in order. IPv4 and IPv6 addresses with TCP, UDP and SCTP ports, behind at
 * most one VLAN tag; anything else by its MAC addresses.
 *
 * The headers are read from the sender's memory: a sender that changes them meanwhile reorders its
 * own flow and nobody else's.
 *
 * @module
 */
import {
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
} from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { windowView } from "../virtio/memory/window.ts";
import { TAG_WINDOW } from "./vlan/tags.ts";

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERNET_BYTES = 14;
const VLAN_BYTES = 4;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const PORTS_BYTES = 4;
/** More fragments follow, or this is not the first: no port numbers in the others. */
const IPV4_FRAGMENT = 0x3fff;

/** Multiplier of a well-known multiplicative hash (2^32 divided by the golden ratio). */
const MIX = 0x9e3779b1 | 0;

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, MIX);
  return mixed ^ (mixed >>> 15);
}

/** Whether a protocol's header starts with source and destination port: TCP, UDP, SCTP. */
function hasPorts(protocol: number): boolean {
  return protocol === 6 || protocol === 17 || protocol === 132;
}

/** A hash of the flow that frame `frame` of the opened burst belongs to, any 32-bit value. */
export function flowHash(frame: number): number {
  const head = frame * HEAD_WORDS;
  const macs = mix(mix(frameHead[head]!, frameHead[head + 1]!), frameHead[head + 2]!);
  let segment = frameSegment[frame]!;
  if (segment >= frameSegmentEnd[frame]!) return macs;
  let word3 = frameHead[head + 3]!;
  // Behind a tag that was pushed here, the frame is as it came.
  if (segmentWindow[segment] === TAG_WINDOW) {
    word3 = windowView[TAG_WINDOW]!.getInt32(segmentOffset[segment]!, true);
    if (++segment >= frameSegmentEnd[frame]!) return macs;
  }
  const view = windowView[segmentWindow[segment]!]!;
  const bytes = segmentBytes[segment]!;
  // Offset in the view of the frame's byte 0, which is in the private copy of the head.
  const start = segmentOffset[segment]! - HEAD_BYTES;
  let type = ((word3 & 0xff) << 8) | ((word3 >>> 8) & 0xff);
  let header = ETHERNET_BYTES;
  if (type === ETHERTYPE_VLAN) {
    header += VLAN_BYTES;
    if (bytes < header - HEAD_BYTES) return macs;
    type = view.getUint16(start + HEAD_BYTES, false);
  }
  const room = bytes + HEAD_BYTES;
  if (type === ETHERTYPE_IPV4) return hashIpv4(view, start, header, room, macs);
  if (type === ETHERTYPE_IPV6) return hashIpv6(view, start, header, room, macs);
  return macs;
}

/** `start + header` is where the IP header begins; only bytes from HEAD_BYTES on are read. */
function hashIpv4(
  view: DataView,
  start: number,
  header: number,
  room: number,
  macs: number,
): number {
  if (room < header + IPV4_BYTES) return macs;
  const ip = start + header;
  const hash = mix(mix(MIX, view.getInt32(ip + 12, true)), view.getInt32(ip + 16, true));
  const protocol = view.getUint8(ip + 9);
  // Options are rare, and the length of the header stands in the head's copy: without ports then.
  if (!hasPorts(protocol) || (view.getUint16(ip + 6, false) & IPV4_FRAGMENT) !== 0) return hash;
  if (room < header + IPV4_BYTES + PORTS_BYTES) return hash;
  return mix(hash, view.getInt32(ip + IPV4_BYTES, true));
}

function hashIpv6(
  view: DataView,
  start: number,
  header: number,
  room: number,
  macs: number,
): number {
  if (room < header + IPV6_BYTES) return macs;
  const ip = start + header;
  let hash = MIX;
  for (let at = 8; at < IPV6_BYTES; at += 4) hash = mix(hash, view.getInt32(ip + at, true));
  if (!hasPorts(view.getUint8(ip + 6)) || room < header + IPV6_BYTES + PORTS_BYTES) return hash;
  return mix(hash, view.getInt32(ip + IPV6_BYTES, true));
}
