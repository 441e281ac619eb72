// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Guards of a port: what whoever is behind it may not say, whatever its frames look like. Looked at
 * only for ports that have one, once a burst (datapath.ts), before anything is learned or delivered.
 *
 * - `dhcp`: the words of a DHCP server, IPv4 and IPv6.
 * - `ra`: the words of a router: ICMPv6 router advertisements and redirects, those of ICMP, and what
 *   asks for members of groups or speaks to other routers of them: IGMP and MLD queries, PIM.
 * - addresses: IP sources, what ARP and neighbour discovery claim, are of a set. An address that is not
 *   given yet (0.0.0.0, ::) may ask for one and look for others that have it, of the set.
 *
 * A frame that may hide what it is from this look (look.ts) is dropped as well. What passes is
 * delivered from the copy that was judged.
 *
 * @module
 */
import { FRAME_GUARDED, frameBytes } from "../../virtio/burst.ts";
import { headersView } from "../../offload/private.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Port } from "../ports/port.ts";
import { type AddressSet, isLinkLocalOf } from "./addresses.ts";
import {
  BASE,
  ETHERTYPE_ARP,
  FRAGMENT,
  keepLooked,
  look,
  LOOK_ARP,
  LOOK_HIDDEN,
  LOOK_IPV4,
  LOOK_OTHER,
  looked,
  need,
  NETWORK,
  PROTOCOL,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_IGMP,
  PROTOCOL_PIM,
  PROTOCOL_UDP,
  TRANSPORT,
  TYPE,
} from "./look.ts";

/** Why a guard drops a frame, by their places in this list; each has a counter. */
export const GUARD_REASONS = ["dhcp", "router", "ip", "hidden"] as const;
const PASSES = -1;
/** It speaks as a DHCP server. */
export const GUARD_DHCP = 0;
/** It speaks as a router. */
export const GUARD_ROUTER = 1;
/** An address is not of the port's. */
export const GUARD_IP = 2;
/** It cannot be told what it says. */
export const GUARD_HIDDEN = 3;

/** A port's guards. */
export interface Guard {
  /** DHCP servers' messages are dropped. */
  readonly dhcp: boolean;
  /** Routers' messages are dropped. */
  readonly ra: boolean;
  /** Addresses that it may have; null: any. */
  readonly addresses: AddressSet | null;
}

/** Where Ethernet's source stands. */
const SOURCE_MAC = 6;

const ARP_BYTES = 28;
const ARP_PROTOCOL = 2;
const ARP_LENGTHS = 4;
const ARP_OPERATION = 6;
const ARP_SENDER = 14;
const ARP_TARGET = 24;
/** Protocol IPv4, addresses of 6 and 4 bytes. */
const ARP_IPV4 = 0x0800;
const ARP_SIX_FOUR = 0x0604;
const ARP_REQUEST = 1;
const RARP_REQUEST = 3;

const IPV4_SOURCE = 12;
const IPV6_SOURCE = 8;
const ICMP_REDIRECT = 5;
const ICMP_ROUTER_ADVERTISEMENT = 9;
const IGMP_QUERY = 0x11;
const ICMPV6_MLD_QUERY = 130;
const ICMPV6_MLD_REPORT = 131;
const ICMPV6_MLD_DONE = 132;
const ICMPV6_ROUTER_SOLICITATION = 133;
const ICMPV6_ROUTER_ADVERTISEMENT = 134;
const ICMPV6_NEIGHBOUR_SOLICITATION = 135;
const ICMPV6_NEIGHBOUR_ADVERTISEMENT = 136;
const ICMPV6_REDIRECT = 137;
const ICMPV6_MLD2_REPORT = 143;
/** Where neighbour discovery has the address that it is about, and behind it. */
const ND_TARGET = 8;
const ND_BYTES = 24;
const UDP_PORTS_BYTES = 4;
const DHCP_SERVER = 67;
const DHCP_CLIENT = 68;
const DHCPV6_CLIENT = 546;
const DHCPV6_SERVER = 547;

/**
 * Judges frames `first` to `end` of the opened burst: those that must not pass are no frames from now
 * on.
 */
export function guardBurst(
  path: Datapath,
  port: Port,
  guard: Guard,
  first: number,
  end: number,
): void {
  for (let frame = first; frame < end; frame++) {
    // What is longer than the port allows is refused in its turn.
    if (frameBytes[frame]! < 0) continue;
    const reason = judge(guard, frame);
    if (reason === PASSES) keepLooked(frame);
    else drop(path, port, frame, reason);
  }
}

function drop({ counters, host }: Datapath, port: Port, frame: number, reason: number): void {
  frameBytes[frame] = FRAME_GUARDED;
  counters[port.counterBase + PORT.rxDroppedDhcp + reason]!++;
  host.guarded?.(port.index, reason);
}

/** @returns why a frame must not pass, or PASSES */
function judge(guard: Guard, frame: number): number {
  const kind = look(frame);
  if (kind === LOOK_OTHER) return PASSES;
  if (kind === LOOK_HIDDEN) return GUARD_HIDDEN;
  if (kind === LOOK_ARP) {
    return guard.addresses === null ? PASSES : judgeArp(guard.addresses, frame);
  }
  return kind === LOOK_IPV4 ? judgeIpv4(guard, frame) : judgeIpv6(guard, frame);
}

/** RFC 826, RFC 5227, RFC 903: who sends, or for whom it looks while it has no address. */
function judgeArp(addresses: AddressSet, frame: number): number {
  const network = looked[NETWORK]!;
  if (!need(frame, network + ARP_BYTES)) return GUARD_HIDDEN;
  const at = looked[BASE]! + network;
  if (headersView.getUint16(at + ARP_PROTOCOL) !== ARP_IPV4) return GUARD_IP;
  if (headersView.getUint16(at + ARP_LENGTHS) !== ARP_SIX_FOUR) return GUARD_IP;
  if (headersView.getInt32(at + ARP_SENDER) !== 0) {
    return addresses.hasV4(at + ARP_SENDER) ? PASSES : GUARD_IP;
  }
  const operation = headersView.getUint16(at + ARP_OPERATION);
  if (looked[TYPE] !== ETHERTYPE_ARP) return operation === RARP_REQUEST ? PASSES : GUARD_IP;
  return operation === ARP_REQUEST && addresses.hasV4(at + ARP_TARGET) ? PASSES : GUARD_IP;
}

function judgeIpv4(guard: Guard, frame: number): number {
  const protocol = looked[PROTOCOL]!;
  const transport = looked[TRANSPORT]!;
  const base = looked[BASE]!;
  let asks = false;
  if (protocol === PROTOCOL_UDP) {
    if (!need(frame, transport + UDP_PORTS_BYTES)) return GUARD_HIDDEN;
    const from = headersView.getUint16(base + transport);
    const to = headersView.getUint16(base + transport + 2);
    if (guard.dhcp && (from === DHCP_SERVER || to === DHCP_CLIENT)) return GUARD_DHCP;
    asks = from === DHCP_CLIENT && to === DHCP_SERVER;
  } else if (protocol === PROTOCOL_PIM && guard.ra) return GUARD_ROUTER;
  else if (protocol === PROTOCOL_IGMP && guard.ra) {
    if (!need(frame, transport + 1)) return GUARD_HIDDEN;
    if (headersView.getUint8(base + transport) === IGMP_QUERY) return GUARD_ROUTER;
  } else if (protocol === PROTOCOL_ICMP && guard.ra) {
    if (!need(frame, transport + 1)) return GUARD_HIDDEN;
    const type = headersView.getUint8(base + transport);
    if (type === ICMP_REDIRECT || type === ICMP_ROUTER_ADVERTISEMENT) return GUARD_ROUTER;
  }
  const { addresses } = guard;
  if (addresses === null) return PASSES;
  const source = base + looked[NETWORK]! + IPV4_SOURCE;
  if (addresses.hasV4(source)) return PASSES;
  // Without an address one asks for one (RFC 2131), and says what groups it is in (RFC 3376 §4.2.13).
  const may = asks || protocol === PROTOCOL_IGMP;
  return headersView.getInt32(source) === 0 && may ? PASSES : GUARD_IP;
}

function judgeIpv6(guard: Guard, frame: number): number {
  const protocol = looked[PROTOCOL]!;
  const transport = looked[TRANSPORT]!;
  const base = looked[BASE]!;
  let type = 0;
  if (protocol === PROTOCOL_UDP) {
    if (!need(frame, transport + UDP_PORTS_BYTES)) return GUARD_HIDDEN;
    const from = headersView.getUint16(base + transport);
    const to = headersView.getUint16(base + transport + 2);
    if (guard.dhcp && (from === DHCPV6_SERVER || to === DHCPV6_CLIENT)) return GUARD_DHCP;
  } else if (protocol === PROTOCOL_ICMPV6) {
    if (!need(frame, transport + 1)) return GUARD_HIDDEN;
    type = headersView.getUint8(base + transport);
    const router = type === ICMPV6_ROUTER_ADVERTISEMENT || type === ICMPV6_REDIRECT ||
      type === ICMPV6_MLD_QUERY;
    if (guard.ra && router) return GUARD_ROUTER;
  } else if (protocol === PROTOCOL_PIM && guard.ra) return GUARD_ROUTER;
  return guard.addresses === null ? PASSES : judgeIpv6Addresses(guard.addresses, frame, type);
}

/** @param type of ICMPv6; 0: something else */
function judgeIpv6Addresses(addresses: AddressSet, frame: number, type: number): number {
  const base = looked[BASE]!;
  const source = base + looked[NETWORK]! + IPV6_SOURCE;
  const none = isUnspecified(source);
  if (!none && !isOwn(addresses, source)) return GUARD_IP;
  const solicits = type === ICMPV6_NEIGHBOUR_SOLICITATION;
  if (solicits || type === ICMPV6_NEIGHBOUR_ADVERTISEMENT) {
    // Nobody takes neighbour discovery from fragments (RFC 6980).
    if (looked[FRAGMENT] !== 0) return GUARD_HIDDEN;
    if (none || !solicits) {
      const transport = looked[TRANSPORT]!;
      if (!need(frame, transport + ND_BYTES)) return GUARD_HIDDEN;
      return isOwn(addresses, base + transport + ND_TARGET) ? PASSES : GUARD_IP;
    }
  }
  if (!none) return PASSES;
  const may = type === ICMPV6_ROUTER_SOLICITATION || type === ICMPV6_MLD_REPORT ||
    type === ICMPV6_MLD_DONE || type === ICMPV6_MLD2_REPORT;
  return may ? PASSES : GUARD_IP;
}

function isOwn(addresses: AddressSet, at: number): boolean {
  return isLinkLocalOf(at, looked[BASE]! + SOURCE_MAC) || addresses.hasV6(at);
}

function isUnspecified(at: number): boolean {
  return (headersView.getInt32(at) | headersView.getInt32(at + 4) | headersView.getInt32(at + 8) |
    headersView.getInt32(at + 12)) === 0;
}
