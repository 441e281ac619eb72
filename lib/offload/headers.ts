// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The headers of a frame: where IP begins, where TCP or UDP does, where all of them end. Read from a
 * private copy, so that nothing changes between this look and what is done by it: Ethernet, up to two
 * VLAN tags (802.1Q, 802.1ad), IPv4 with options (RFC 791), IPv6 with extension headers (RFC 8200),
 * TCP and UDP.
 *
 * @module
 */
import { assert } from "../base/assert.ts";

/** Most bytes that headers have: room for extension headers beyond the longest of all others. */
export const HEADERS_BYTES_MAX = 512;

/** Found, by the numbers below. One for the thread. */
export const found: Int32Array<ArrayBuffer> = new Int32Array(8);
/** Where the IP header begins; of a frame of another kind, what is behind Ethernet's and tags. */
export const NETWORK = 0;
/** 4 or 6; 0: neither. */
export const VERSION = 1;
/** Protocol of what is behind IP's headers, or -1: a fragment, which has no whole header there. */
export const PROTOCOL = 2;
/** Where that begins. */
export const TRANSPORT = 3;
/** Behind the header of TCP or UDP; of others, `TRANSPORT`. */
export const HEADERS_END = 4;
/** Behind the last byte of the IP packet, as it says itself. */
export const PACKET_END = 5;
/** 1: the address at which it is to arrive may not be the one in the IP header (source routes). */
export const ROUTED = 6;

/** {@linkcode findHeaders}: all was found. */
export const HEADERS_FOUND = 0;
/** {@linkcode findHeaders}: they go on behind the bytes that are there. */
export const HEADERS_MORE = 1;
/** {@linkcode findHeaders}: they are no headers, or longer than the frame. */
export const HEADERS_BAD = 2;

/** IP protocol numbers. */
export const PROTOCOL_TCP = 6;
/** See {@linkcode PROTOCOL_TCP}. */
export const PROTOCOL_UDP = 17;
/** A part of a datagram. */
const PROTOCOL_FRAGMENT = -1;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_8021Q = 0x8100;
const ETHERTYPE_8021AD = 0x88a8;
const ETHERTYPE_OFFSET = 12;
const ETHERNET_BYTES = 14;
const VLAN_BYTES = 4;
const VLAN_TAGS_MAX = 2;

const IPV4_BYTES = 20;
const IPV4_TOTAL_LENGTH = 2;
const IPV4_FRAGMENT = 6;
/** More fragments follow, or this is not the first. */
const IPV4_FRAGMENT_MASK = 0x3fff;
const IPV4_PROTOCOL = 9;
const IPV4_OPTION_END = 0;
const IPV4_OPTION_NOP = 1;
const IPV4_LOOSE_ROUTE = 131;
const IPV4_STRICT_ROUTE = 137;

const IPV6_BYTES = 40;
const IPV6_PAYLOAD_LENGTH = 4;
const IPV6_NEXT_HEADER = 6;
const IPV6_HOP_BY_HOP = 0;
const IPV6_ROUTING = 43;
const IPV6_FRAGMENT = 44;
const IPV6_DESTINATION = 60;
const IPV6_SEGMENTS_LEFT = 3;
/** Extension headers that are gone through. */
const EXTENSIONS_MAX = 8;

/** Bytes of UDP's header, and where its length and its checksum stand. */
export const UDP_BYTES = 8;
/** See {@linkcode UDP_BYTES}. */
export const UDP_LENGTH = 4;
/** See {@linkcode UDP_BYTES}. */
export const UDP_CHECKSUM = 6;
/** Where TCP's sequence number, length of the header, flags and checksum stand. */
export const TCP_SEQUENCE = 4;
const TCP_DATA_OFFSET = 12;
/** See {@linkcode TCP_SEQUENCE}. */
export const TCP_FLAGS = 13;
/** See {@linkcode TCP_SEQUENCE}. */
export const TCP_CHECKSUM = 16;
const TCP_BYTES = 20;

assert(HEADERS_BYTES_MAX > ETHERNET_BYTES + 2 * VLAN_BYTES + 60 + 60, "longest IPv4 and TCP fit");

/**
 * Finds the headers of a frame, as {@linkcode found} tells.
 * @param at where its copy begins in `view` @param have bytes copied @param bytes of the frame
 * @returns HEADERS_FOUND, HEADERS_MORE or HEADERS_BAD
 */
export function findHeaders(view: DataView, at: number, have: number, bytes: number): number {
  if (have < ETHERNET_BYTES) return HEADERS_BAD;
  let type = view.getUint16(at + ETHERTYPE_OFFSET);
  let network = ETHERNET_BYTES;
  for (let tags = 0; isTag(type); tags++) {
    if (tags === VLAN_TAGS_MAX) break;
    network += VLAN_BYTES;
    if (network > have) return missing(network, bytes);
    type = view.getUint16(at + network - 2);
  }
  found[NETWORK] = network;
  found[ROUTED] = 0;
  if (type === ETHERTYPE_IPV4) return findIpv4(view, at, have, bytes);
  if (type === ETHERTYPE_IPV6) return findIpv6(view, at, have, bytes);
  found[VERSION] = 0;
  found[PROTOCOL] = PROTOCOL_FRAGMENT;
  found[TRANSPORT] = network;
  found[HEADERS_END] = network;
  found[PACKET_END] = bytes;
  return HEADERS_FOUND;
}

function isTag(type: number): boolean {
  return type === ETHERTYPE_8021Q || type === ETHERTYPE_8021AD;
}

/** Bytes up to `end` are needed, and are not copied. */
function missing(end: number, bytes: number): number {
  return end > bytes || end > HEADERS_BYTES_MAX ? HEADERS_BAD : HEADERS_MORE;
}

function findIpv4(view: DataView, at: number, have: number, bytes: number): number {
  const network = found[NETWORK]!;
  if (network + IPV4_BYTES > have) return missing(network + IPV4_BYTES, bytes);
  const ip = at + network;
  const first = view.getUint8(ip);
  const transport = network + 4 * (first & 0xf);
  if (first >>> 4 !== 4 || transport < network + IPV4_BYTES) return HEADERS_BAD;
  // Options that are not copied yet are read as what is there: findTransport then asks for more.
  const end = network + view.getUint16(ip + IPV4_TOTAL_LENGTH);
  found[VERSION] = 4;
  found[PACKET_END] = end;
  found[TRANSPORT] = transport;
  if (transport > network + IPV4_BYTES) found[ROUTED] = sourceRoute(view, ip, at + transport);
  const fragment = view.getUint16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK;
  return findTransport(view, at, have, bytes, fragment ? -1 : view.getUint8(ip + IPV4_PROTOCOL));
}

/** @returns 1 if one of the options is a source route, or they cannot be told apart */
function sourceRoute(view: DataView, ip: number, end: number): number {
  let option = ip + IPV4_BYTES;
  while (option < end) {
    const kind = view.getUint8(option);
    if (kind === IPV4_OPTION_END) return 0;
    if (kind === IPV4_OPTION_NOP) {
      option++;
      continue;
    }
    const length = option + 1 < end ? view.getUint8(option + 1) : 0;
    if (kind === IPV4_LOOSE_ROUTE || kind === IPV4_STRICT_ROUTE || length < 2) return 1;
    option += length;
  }
  return 0;
}

function findIpv6(view: DataView, at: number, have: number, bytes: number): number {
  const network = found[NETWORK]!;
  if (network + IPV6_BYTES > have) return missing(network + IPV6_BYTES, bytes);
  const ip = at + network;
  if (view.getUint8(ip) >>> 4 !== 6) return HEADERS_BAD;
  let next = view.getUint8(ip + IPV6_NEXT_HEADER);
  let transport = network + IPV6_BYTES;
  for (let count = 0; isExtension(next); count++) {
    if (count === EXTENSIONS_MAX) return HEADERS_BAD;
    if (transport + 8 > have) return missing(transport + 8, bytes);
    if (next === IPV6_FRAGMENT) {
      next = PROTOCOL_FRAGMENT;
      break;
    }
    const header = at + transport;
    if (next === IPV6_ROUTING && view.getUint8(header + IPV6_SEGMENTS_LEFT) > 0) found[ROUTED] = 1;
    // Whether all of it is copied is asked before anything behind it is read.
    transport += 8 + 8 * view.getUint8(header + 1);
    next = view.getUint8(header);
  }
  found[VERSION] = 6;
  found[PACKET_END] = network + IPV6_BYTES + view.getUint16(ip + IPV6_PAYLOAD_LENGTH);
  found[TRANSPORT] = transport;
  return findTransport(view, at, have, bytes, next);
}

function isExtension(next: number): boolean {
  return next === IPV6_HOP_BY_HOP || next === IPV6_ROUTING || next === IPV6_FRAGMENT ||
    next === IPV6_DESTINATION;
}

/** All but the end of the headers is found. */
function findTransport(
  view: DataView,
  at: number,
  have: number,
  bytes: number,
  protocol: number,
): number {
  const transport = found[TRANSPORT]!;
  found[PROTOCOL] = protocol;
  let end = transport;
  if (protocol === PROTOCOL_UDP) end += UDP_BYTES;
  else if (protocol === PROTOCOL_TCP) {
    if (transport + TCP_BYTES > have) return missing(transport + TCP_BYTES, bytes);
    const header = 4 * (view.getUint8(at + transport + TCP_DATA_OFFSET) >>> 4);
    if (header < TCP_BYTES) return HEADERS_BAD;
    end += header;
  }
  if (end > have) return missing(end, bytes);
  found[HEADERS_END] = end;
  return HEADERS_FOUND;
}
