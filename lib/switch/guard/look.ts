// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * What is in a frame, for those who judge it: behind Ethernet's header and whatever hides there, which
 * network protocol, and behind its headers which of ICMP, UDP or others.
 *
 * A sender may change a frame's bytes at any time. So what is looked at is a private copy, made once,
 * and {@linkcode keepLooked} has the same copy delivered: a frame that is let pass is the one that was
 * judged, to the last byte that the judgement rests on. Of the frame's own memory no byte is read twice.
 *
 * Whoever wants to pass something by a guard hides it from the guard and not from its receiver. What
 * receivers look through is looked through here, and what cannot be told is LOOK_HIDDEN:
 *
 * | between Ethernet's header and the message     | here                                              |
 * | ---------------------------------------------- | ------------------------------------------------- |
 * | tags 0x8100, 0x88a8, 0x9100; VLAN 0 stacked    | two are passed, of any VLAN; three are hidden     |
 * | 802.3 with LLC and SNAP (RFC 1042)             | passed, once                                      |
 * | IPv4 options                                   | passed                                            |
 * | IPv6 extension headers (RFC 8200, RFC 7045)    | passed, up to EXTENSIONS_MAX                      |
 * | fragments (RFC 7112, RFC 7113)                 | a first one shows its message or is hidden; later |
 * |                                                | ones are nothing without it                       |
 * | bytes behind the end of the packet             | not there: its receiver does not see them         |
 * | encryption (ESP)                               | not looked through: keys are needed               |
 *
 * Data-plane thread only; allocates nothing, and never reads outside of a frame.
 *
 * @module
 */
import {
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  isPlainBurst,
  spaceSegments,
} from "../../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../../virtio/memory/guest_memory.ts";
import { HEADERS_BYTES_MAX } from "../../offload/headers.ts";
import {
  copyMoreHeaders,
  HEADERS_WINDOW,
  headersOffset,
  headersView,
  keepHeaders,
} from "../../offload/private.ts";

/** {@linkcode look}: nothing that anybody judges. */
export const LOOK_OTHER = 0;
/** {@linkcode look}: ARP or RARP, whose message begins at NETWORK. */
export const LOOK_ARP = 1;
/** {@linkcode look}: IPv4. */
export const LOOK_IPV4 = 4;
/** {@linkcode look}: IPv6. */
export const LOOK_IPV6 = 6;
/** {@linkcode look}: it cannot be told, and no honest sender makes it so. */
export const LOOK_HIDDEN: number = -1;

/** What was found, by the numbers below. One for the thread. */
export const looked: Int32Array<ArrayBuffer> = new Int32Array(8);
/** Where the network protocol's header begins, in the frame. */
export const NETWORK = 0;
/** What is behind IP's headers; PROTOCOL_NONE: a later fragment, or nothing that can be seen. */
export const PROTOCOL = 1;
/** Where that begins. */
export const TRANSPORT = 2;
/** 1: the packet is a fragment. */
export const FRAGMENT = 3;
/** EtherType of what was found. */
export const TYPE = 4;
/** Where the frame's copy begins in headersView. */
export const BASE = 5;
/** Bytes copied. */
const HAVE = 6;
/** Behind the last byte that its receiver looks at. */
const LIMIT = 7;

/** See {@linkcode PROTOCOL}. */
export const PROTOCOL_NONE: number = -1;
/** IP protocol numbers. */
export const PROTOCOL_ICMP = 1;
/** See {@linkcode PROTOCOL_ICMP}. */
export const PROTOCOL_IGMP = 2;
/** See {@linkcode PROTOCOL_ICMP}. */
export const PROTOCOL_UDP = 17;
/** See {@linkcode PROTOCOL_ICMP}. */
export const PROTOCOL_ICMPV6 = 58;
/** See {@linkcode PROTOCOL_ICMP}. */
export const PROTOCOL_PIM = 103;

/** EtherTypes. */
export const ETHERTYPE_ARP = 0x0806;
/** See {@linkcode ETHERTYPE_ARP}. */
export const ETHERTYPE_RARP = 0x8035;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** Below, it is a length (802.3 §3.2.6), or no value that means anything. */
const ETHERTYPE_MIN = 0x0600;
const ETHERTYPE_OFFSET = 12;
const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const TAGS_MAX = 2;
/** LLC's header, SNAP's behind it: AA AA 03, three bytes of whose type it is, the EtherType. */
const SNAP_BYTES = 8;
const SNAP_SAP = 0xaa;

const IPV4_BYTES = 20;
const IPV4_TOTAL_LENGTH = 2;
const IPV4_FRAGMENT = 6;
const IPV4_MORE = 0x2000;
const IPV4_OFFSET_MASK = 0x1fff;
const IPV4_PROTOCOL = 9;

const IPV6_BYTES = 40;
const IPV6_PAYLOAD_LENGTH = 4;
const IPV6_NEXT_HEADER = 6;
const IPV6_FRAGMENT = 44;
const IPV6_AUTHENTICATION = 51;
/** Extension headers that are gone through: more than any honest sender has. */
const EXTENSIONS_MAX = 16;
/** Bytes copied at first: both tags, IPv6's header; and IPv4's up to the ports. */
const FIRST_BYTES = 64;

/**
 * Finds out what frame `frame` of the opened burst is; it has a length above 0.
 * @returns LOOK_OTHER, LOOK_ARP, LOOK_IPV4, LOOK_IPV6 or LOOK_HIDDEN
 */
export function look(frame: number): number {
  begin(frame);
  const base = looked[BASE]!;
  let type = headersView.getUint16(base + ETHERTYPE_OFFSET);
  let network = ETHERNET_BYTES;
  let tags = 0;
  let snapped = false;
  for (;;) {
    if (isTag(type)) {
      if (++tags > TAGS_MAX || !need(frame, network + TAG_BYTES)) return LOOK_HIDDEN;
      type = headersView.getUint16(base + network + 2);
      network += TAG_BYTES;
    } else if (type < ETHERTYPE_MIN) {
      // Two bytes say whether there is more to it; a frame without them has nothing behind.
      if (!need(frame, network + 2) || !isSnap(base + network)) return LOOK_OTHER;
      if (snapped || !need(frame, network + SNAP_BYTES)) return LOOK_HIDDEN;
      snapped = true;
      type = headersView.getUint16(base + network + 6);
      network += SNAP_BYTES;
    } else break;
  }
  looked[NETWORK] = network;
  looked[TYPE] = type;
  looked[FRAGMENT] = 0;
  if (type === ETHERTYPE_IPV4) return lookIpv4(frame, network);
  if (type === ETHERTYPE_IPV6) return lookIpv6(frame, network);
  return type === ETHERTYPE_ARP || type === ETHERTYPE_RARP ? LOOK_ARP : LOOK_OTHER;
}

/** The private copy begins with the head; what is a copy already goes on as one. */
function begin(frame: number): void {
  const base = headersOffset(frame);
  const bytes = frameBytes[frame]!;
  for (let word = 0; word < HEAD_WORDS; word++) {
    headersView.setInt32(base + 4 * word, frameHead[frame * HEAD_WORDS + word]!, true);
  }
  looked[BASE] = base;
  looked[LIMIT] = bytes;
  looked[HAVE] = HEAD_BYTES + keptBytes(frame);
}

/** Bytes behind the head that come from the private copy already. */
function keptBytes(frame: number): number {
  const segment = frameSegment[frame]!;
  if (segment >= frameSegmentEnd[frame]! || segmentWindow[segment] !== HEADERS_WINDOW) return 0;
  return segmentOffset[segment] === headersOffset(frame) + HEAD_BYTES ? segmentBytes[segment]! : 0;
}

/** Has the copy reach to `end`. @returns false: the frame, or the packet, ends before, or it is too far */
export function need(frame: number, end: number): boolean {
  if (end > looked[LIMIT]! || end > HEADERS_BYTES_MAX) return false;
  const have = looked[HAVE]!;
  if (end <= have) return true;
  const bytes = frameBytes[frame]!;
  const wanted = end > FIRST_BYTES ? end : FIRST_BYTES;
  const more = wanted < bytes ? wanted : bytes;
  copyMoreHeaders(frame, have, more);
  looked[HAVE] = more;
  return true;
}

/** What was looked at of the frame is what is delivered. */
export function keepLooked(frame: number): void {
  const have = looked[HAVE]!;
  if (have <= HEAD_BYTES || have <= HEAD_BYTES + keptBytes(frame)) return;
  if (isPlainBurst()) spaceSegments();
  keepHeaders(frame, have);
}

function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

/** Whether SNAP's header may be in LLC's. */
function isSnap(at: number): boolean {
  return (headersView.getUint8(at) & 0xfe) === SNAP_SAP ||
    (headersView.getUint8(at + 1) & 0xfe) === SNAP_SAP;
}

/** The packet ends there, at most: what a frame has behind is padding. @returns false: it is no packet */
function endAt(end: number, least: number): boolean {
  if (end < least) return false;
  if (end < looked[LIMIT]!) looked[LIMIT] = end;
  return true;
}

function lookIpv4(frame: number, network: number): number {
  if (!need(frame, network + IPV4_BYTES)) return LOOK_HIDDEN;
  const ip = looked[BASE]! + network;
  const first = headersView.getUint8(ip);
  const transport = network + 4 * (first & 0xf);
  if (first >>> 4 !== 4 || transport < network + IPV4_BYTES) return LOOK_HIDDEN;
  if (!endAt(network + headersView.getUint16(ip + IPV4_TOTAL_LENGTH), transport)) {
    return LOOK_HIDDEN;
  }
  if (!need(frame, transport)) return LOOK_HIDDEN;
  const fragment = headersView.getUint16(ip + IPV4_FRAGMENT);
  const later = (fragment & IPV4_OFFSET_MASK) !== 0;
  looked[FRAGMENT] = later || (fragment & IPV4_MORE) !== 0 ? 1 : 0;
  looked[PROTOCOL] = later ? PROTOCOL_NONE : headersView.getUint8(ip + IPV4_PROTOCOL);
  looked[TRANSPORT] = transport;
  return LOOK_IPV4;
}

function lookIpv6(frame: number, network: number): number {
  if (!need(frame, network + IPV6_BYTES)) return LOOK_HIDDEN;
  const base = looked[BASE]!;
  const ip = base + network;
  if (headersView.getUint8(ip) >>> 4 !== 6) return LOOK_HIDDEN;
  let transport = network + IPV6_BYTES;
  endAt(transport + headersView.getUint16(ip + IPV6_PAYLOAD_LENGTH), transport);
  let next = headersView.getUint8(ip + IPV6_NEXT_HEADER);
  for (let count = 0; isExtension(next); count++) {
    if (count === EXTENSIONS_MAX || !need(frame, transport + 8)) return LOOK_HIDDEN;
    const header = base + transport;
    if (next === IPV6_FRAGMENT) {
      looked[FRAGMENT] = 1;
      if (headersView.getUint16(header + 2) >>> 3 !== 0) {
        next = PROTOCOL_NONE;
        break;
      }
      transport += 8;
    } else if (next === IPV6_AUTHENTICATION) {
      transport += 4 * (headersView.getUint8(header + 1) + 2);
    } else transport += 8 + 8 * headersView.getUint8(header + 1);
    next = headersView.getUint8(header);
    if (!need(frame, transport)) return LOOK_HIDDEN;
  }
  looked[PROTOCOL] = next;
  looked[TRANSPORT] = transport;
  return LOOK_IPV6;
}

/**
 * Whether an IPv6 header is one behind which others follow: hop-by-hop, routing, fragment,
 * authentication, destination options, mobility, HIP, shim6, and two for experiments (RFC 7045).
 */
function isExtension(next: number): boolean {
  return next === 0 || next === 43 || next === IPV6_FRAGMENT || next === IPV6_AUTHENTICATION ||
    next === 60 || next === 135 || next === 139 || next === 140 || next === 253 || next === 254;
}
