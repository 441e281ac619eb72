// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * IGMP and MLD snooping (RFC 4541): frames to a group go to ports behind which somebody is in it, and to
 * those with a router, instead of to all.
 *
 * What is known comes from what passes: reports say who is in which group (IGMPv1-3, RFC 1112, 2236 and
 * 3376; MLDv1-2, RFC 2710 and 3810), queries and PIM where routers are. A group is an address of
 * Ethernet in a VLAN; that some of IP's share one (RFC 1112 §6.4) means a frame too many, never one too
 * few.
 *
 * - A VLAN without a querier is not snooped, for nobody would go on saying what groups it is in: frames
 *   go to all until whoever heard the first query had its time to answer, and when queries cease.
 * - 224.0.0.x, and IPv6 groups of no wider scope than the link, go to all: neighbours find one another
 *   by them, and many never report them.
 * - A group that nobody is in goes to all as well, unless `strict` is said: then to routers.
 * - Reports go to routers alone: whoever hears another one's does not make its own (RFC 2236 §3).
 * - Tags that are not the frame's VLAN, SNAP, what is no IP: to all.
 *
 * Who learns from a forged word? A report concerns its own port alone. A query makes its port a
 * router's: `guard=ra` (lib/switch/guard/) is for those that are none. Data-plane thread only.
 *
 * @module
 */
import { headersView } from "../../offload/private.ts";
import type { Datapath } from "../datapath.ts";
import {
  BASE,
  look,
  LOOK_IPV4,
  LOOK_IPV6,
  looked,
  need,
  NETWORK,
  PROTOCOL,
  PROTOCOL_ICMPV6,
  PROTOCOL_IGMP,
  PROTOCOL_PIM,
  TRANSPORT,
} from "../guard/look.ts";
import type { Port } from "../ports/port.ts";
import { frameTagged, TAG_BYTES } from "../vlan/tags.ts";
import { VID_MAX } from "../vlan/port_vlans.ts";
import { PortGroups, ROUTER_LOW } from "./port_groups.ts";

/** To all ports that may have it. */
export const AIM_ALL = 0;
/** To those behind which somebody is in the group, and to routers. */
export const AIM_MEMBERS = 1;
/** To routers. */
export const AIM_ROUTERS = 2;

/** A member is one for so long after its last report, seconds (RFC 3376 §8.4). */
const MEMBER_SECONDS = 260;
/** A querier, and a router, is one for so long after its last word (RFC 3376 §8.5). */
const QUERIER_SECONDS = 255;
/** Others behind a port have so long after one has left (RFC 3376 §8.8, and a second's rounding). */
const LEAVE_SECONDS = 3;

const VIDS = VID_MAX + 1;
const ETHERNET_BYTES = 14;
/** First bytes of groups of IPv4 and IPv6, as a head's word has them. */
const GROUP_V4 = 0x005e0001;
const GROUP_V4_MASK = 0x80ffffff | 0;
const GROUP_V6 = 0x00003333;
const GROUP_V6_MASK = 0xffff;

const IPV4_SOURCE = 12;
const IPV4_TARGET = 16;
const IPV6_SOURCE = 8;
const IPV6_TARGET = 24;
/** 224.0.0.x without its last byte. */
const LOCAL_V4 = 0xe00000;
/** ff02 and narrower scopes. */
const LINK_SCOPE = 2;

const IGMP_BYTES = 8;
const IGMP_GROUP = 4;
const IGMP_QUERY = 0x11;
const IGMP_REPORT_V1 = 0x12;
const IGMP_REPORT_V2 = 0x16;
const IGMP_LEAVE = 0x17;
const IGMP_REPORT_V3 = 0x22;
const MLD_BYTES = 24;
const MLD_GROUP = 8;
const MLD_QUERY = 130;
const MLD_REPORT = 131;
const MLD_DONE = 132;
const MLD_REPORT_V2 = 143;
/** Of reports with records: how many, and where they begin. */
const RECORD_COUNT = 6;
const RECORDS = 8;
const IS_IN = 1;
const IS_EX = 2;
const TO_IN = 3;
const TO_EX = 4;
const ALLOW = 5;

/** Snooping of a switch. */
export class Snooping {
  /** Frames to groups that nobody is in go to routers alone. */
  readonly strict: boolean;
  /** Until when there is a querier, and from when on those who heard it have answered: of each VLAN,
   * IPv4's and then IPv6's, seconds. */
  readonly until: Float64Array<ArrayBuffer> = new Float64Array(2 * VIDS);
  /** See {@linkcode until}. */
  readonly from: Float64Array<ArrayBuffer> = new Float64Array(2 * VIDS);
  /** For tables of ports. */
  readonly seed: number;

  /** Nothing is known. @param seed secret */
  constructor(strict: boolean, seed: number) {
    this.strict = strict;
    this.seed = seed;
  }

  /** Whether a VLAN is snooped. @param index its number, of IPv6 VIDS more */
  isOn(index: number, now: number): boolean {
    return this.until[index]! > now && this.from[index]! <= now;
  }

  /** A querier has asked who is there. @param seconds that they have to answer */
  asked(index: number, seconds: number, now: number): void {
    if (this.until[index]! <= now) this.from[index] = now + 1 + Math.ceil(seconds);
    this.until[index] = now + QUERIER_SECONDS;
  }
}

/** Groups of a port that reports some. */
// cold: a table is made once for each port.
function groupsOf(snooping: Snooping, port: Port): PortGroups {
  return port.groups ??= new PortGroups(snooping.seed);
}

/**
 * Where a frame to a group goes, and learns from it.
 * @param vid its VLAN; 0: there are none
 */
export function aim(
  path: Datapath,
  snooping: Snooping,
  port: Port,
  frame: number,
  word0: number,
  word1: number,
  vid: number,
): number {
  const isV4 = (word0 & GROUP_V4_MASK) === GROUP_V4;
  if (!isV4 && (word0 & GROUP_V6_MASK) !== GROUP_V6) return AIM_ALL;
  if (look(frame) !== (isV4 ? LOOK_IPV4 : LOOK_IPV6)) return AIM_ALL;
  const network = ETHERNET_BYTES + (vid !== 0 && frameTagged[frame] === 1 ? TAG_BYTES : 0);
  if (looked[NETWORK] !== network) return AIM_ALL;
  const { now } = path;
  const protocol = looked[PROTOCOL]!;
  const ip = looked[BASE]! + network;
  const index = isV4 ? vid : VIDS + vid;
  if (protocol === PROTOCOL_PIM) {
    const groups = groupsOf(snooping, port);
    groups.join(ROUTER_LOW, vid << 16, now + QUERIER_SECONDS, now);
  } else if (isV4 && protocol === PROTOCOL_IGMP) {
    return learnIgmp(snooping, port, frame, ip, vid, now);
  } else if (!isV4 && protocol === PROTOCOL_ICMPV6) {
    const aimed = learnMld(snooping, port, frame, ip, vid, now);
    if (aimed >= 0) return aimed;
  }
  const local = isV4
    ? headersView.getUint32(ip + IPV4_TARGET) >>> 8 === LOCAL_V4
    : (headersView.getUint8(ip + IPV6_TARGET + 1) & 0xf) <= LINK_SCOPE;
  if (local || !snooping.isOn(index, now)) return AIM_ALL;
  const high = (word1 & 0xffff) | (vid << 16);
  if (snooping.strict) return AIM_MEMBERS;
  for (let i = 0; i < path.deliverableCount; i++) {
    const { groups } = path.ports[path.deliverable[i]!]!;
    if (groups !== null && groups.has(word0, high, now)) return AIM_MEMBERS;
  }
  return AIM_ALL;
}

/** Whether a port gets a frame to a group that does not go to all. */
export function wants(
  to: Port,
  aimed: number,
  word0: number,
  word1: number,
  vid: number,
  now: number,
): boolean {
  const { groups } = to;
  if (groups === null) return false;
  if (groups.hasRouter(vid << 16, now)) return true;
  if (aimed !== AIM_MEMBERS) return false;
  return groups.hasMore(now) || groups.has(word0, (word1 & 0xffff) | (vid << 16), now);
}

/** @returns where a message of IGMP goes */
function learnIgmp(
  snooping: Snooping,
  port: Port,
  frame: number,
  ip: number,
  vid: number,
  now: number,
): number {
  const transport = looked[TRANSPORT]!;
  if (!need(frame, transport + IGMP_BYTES)) return AIM_ALL;
  const at = looked[BASE]! + transport;
  const type = headersView.getUint8(at);
  const group = headersView.getUint32(at + IGMP_GROUP);
  if (type === IGMP_QUERY) {
    // From nobody it is a proxy's (RFC 4541 §2.1.1).
    if (headersView.getInt32(ip + IPV4_SOURCE) === 0) return AIM_ALL;
    groupsOf(snooping, port).join(ROUTER_LOW, vid << 16, now + QUERIER_SECONDS, now);
    if (group === 0) snooping.asked(vid, igmpSeconds(headersView.getUint8(at + 1)), now);
    return AIM_ALL;
  }
  if (type === IGMP_REPORT_V1 || type === IGMP_REPORT_V2) joinV4(snooping, port, group, vid, now);
  else if (type === IGMP_LEAVE) leaveV4(port, group, vid, now);
  else if (type === IGMP_REPORT_V3) learnRecords(snooping, port, frame, vid, 4, now);
  else return AIM_ALL;
  return snooping.isOn(vid, now) ? AIM_ROUTERS : AIM_ALL;
}

/** @returns where a message of MLD goes; -1: it is none */
function learnMld(
  snooping: Snooping,
  port: Port,
  frame: number,
  ip: number,
  vid: number,
  now: number,
): number {
  const transport = looked[TRANSPORT]!;
  if (!need(frame, transport + RECORDS)) return AIM_ALL;
  const at = looked[BASE]! + transport;
  const type = headersView.getUint8(at);
  if (type === MLD_REPORT_V2) learnRecords(snooping, port, frame, vid, 16, now);
  else {
    if (type !== MLD_QUERY && type !== MLD_REPORT && type !== MLD_DONE) return -1;
    if (!need(frame, transport + MLD_BYTES)) return AIM_ALL;
    if (type === MLD_QUERY) {
      if (isZero(ip + IPV6_SOURCE)) return AIM_ALL;
      groupsOf(snooping, port).join(ROUTER_LOW, vid << 16, now + QUERIER_SECONDS, now);
      const seconds = mldSeconds(headersView.getUint16(at + IGMP_GROUP));
      if (isZero(at + MLD_GROUP)) snooping.asked(VIDS + vid, seconds, now);
      return AIM_ALL;
    }
    if (type === MLD_REPORT) joinV6(snooping, port, at + MLD_GROUP, vid, now);
    else leaveV6(port, at + MLD_GROUP, vid, now);
  }
  return snooping.isOn(VIDS + vid, now) ? AIM_ROUTERS : AIM_ALL;
}

/**
 * Records of a report, as many as fit what is looked at: whoever has more gets everything.
 * @param bytes of a group's address, and of each source's
 */
function learnRecords(
  snooping: Snooping,
  port: Port,
  frame: number,
  vid: number,
  bytes: number,
  now: number,
): void {
  const base = looked[BASE]!;
  const transport = looked[TRANSPORT]!;
  const records = headersView.getUint16(base + transport + RECORD_COUNT);
  let place = transport + RECORDS;
  for (let i = 0; i < records; i++) {
    if (!need(frame, place + 4 + bytes)) {
      groupsOf(snooping, port).joinAll(now + MEMBER_SECONDS);
      return;
    }
    const at = base + place;
    const type = headersView.getUint8(at);
    const sources = headersView.getUint16(at + 2);
    const joins = type === IS_EX || type === TO_EX ||
      (sources > 0 && (type === IS_IN || type === TO_IN || type === ALLOW));
    const leaves = type === TO_IN && sources === 0;
    if (bytes === 4) {
      const group = headersView.getUint32(at + 4);
      if (joins) joinV4(snooping, port, group, vid, now);
      else if (leaves) leaveV4(port, group, vid, now);
    } else if (joins) joinV6(snooping, port, at + 4, vid, now);
    else if (leaves) leaveV6(port, at + 4, vid, now);
    place += 4 + bytes + bytes * sources + 4 * headersView.getUint8(at + 1);
  }
}

function joinV4(snooping: Snooping, port: Port, group: number, vid: number, now: number): void {
  if (group >>> 28 !== 0xe || group >>> 8 === LOCAL_V4) return;
  groupsOf(snooping, port).join(lowV4(group), highV4(group, vid), now + MEMBER_SECONDS, now);
}

function leaveV4({ groups }: Port, group: number, vid: number, now: number): void {
  if (groups !== null) groups.leave(lowV4(group), highV4(group, vid), now + LEAVE_SECONDS);
}

function lowV4(group: number): number {
  return GROUP_V4 | ((group & 0x7f0000) << 8);
}

function highV4(group: number, vid: number): number {
  return ((group >>> 8) & 0xff) | ((group & 0xff) << 8) | (vid << 16);
}

/** @param at where the group stands in headersView */
function joinV6(snooping: Snooping, port: Port, at: number, vid: number, now: number): void {
  if (headersView.getUint8(at) !== 0xff) return;
  if ((headersView.getUint8(at + 1) & 0xf) <= LINK_SCOPE) return;
  const until = now + MEMBER_SECONDS;
  groupsOf(snooping, port).join(lowV6(at), highV6(at, vid), until, now);
}

function leaveV6({ groups }: Port, at: number, vid: number, now: number): void {
  if (groups !== null) groups.leave(lowV6(at), highV6(at, vid), now + LEAVE_SECONDS);
}

function lowV6(at: number): number {
  return GROUP_V6 | (headersView.getUint16(at + 12, true) << 16);
}

function highV6(at: number, vid: number): number {
  return headersView.getUint16(at + 14, true) | (vid << 16);
}

function isZero(at: number): boolean {
  return (headersView.getInt32(at) | headersView.getInt32(at + 4) | headersView.getInt32(at + 8) |
    headersView.getInt32(at + 12)) === 0;
}

/** How long members of IGMP have to answer (RFC 3376 §4.1.1); version 1 says nothing: 10 s. */
function igmpSeconds(code: number): number {
  if (code === 0) return 10;
  return (code < 128 ? code : ((code & 0xf) | 0x10) << (((code >>> 4) & 7) + 3)) / 10;
}

/** The same of MLD (RFC 3810 §5.1.3). */
function mldSeconds(code: number): number {
  return (code < 0x8000 ? code : ((code & 0xfff) | 0x1000) << (((code >>> 12) & 7) + 3)) / 1000;
}
