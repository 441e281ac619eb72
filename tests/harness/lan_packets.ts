/**
 * Messages of a LAN's own protocols, written byte by byte from their standards, and what may stand
 * between Ethernet's header and them. Nothing of lib/ is used.
 *
 * @module
 */

/** Bytes, or a list of them. */
export type Bytes = Uint8Array | readonly number[];

const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];

/** Bytes in a row. */
export function row(...parts: readonly Bytes[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** The bytes of a MAC address. */
export function mac(text: string): number[] {
  return text.split(":").map((byte) => parseInt(byte, 16));
}

/** The bytes of an IP address; `::` stands for zeros, once. */
export function ip(text: string): number[] {
  if (!text.includes(":")) return text.split(".").map(Number);
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").flatMap((group) => u16(parseInt(group, 16)));
  const [front = "", back = ""] = text.split("::");
  const [first, last] = [groups(front), groups(back)];
  return [...first, ...new Array<number>(16 - first.length - last.length).fill(0), ...last];
}

/** Who sends, unless a test says otherwise, and what follows from it (RFC 4291, Appendix A). */
export const OWN_MAC = "52:54:00:00:00:0a";
export const OWN_LINK_LOCAL = "fe80::5054:ff:fe00:a";
export const ALL_NODES = "33:33:00:00:00:01";
export const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** What stands in front of the EtherType. */
export interface Link {
  readonly to?: string;
  readonly from?: string;
  /** EtherTypes and control information of tags, outermost first. */
  readonly tags?: readonly (readonly [type: number, tci: number])[];
  /** In 802.3 with LLC and SNAP (RFC 1042). */
  readonly snap?: boolean;
}

/** A frame. @param type EtherType of the body */
export function ethernet(type: number, body: Bytes, link: Link = {}): Uint8Array {
  const { to = BROADCAST, from = OWN_MAC, tags = [], snap = false } = link;
  const marks = tags.flatMap(([tpid, tci]) => [...u16(tpid), ...u16(tci)]);
  const inner = snap
    ? row(u16(8 + body.length), [0xaa, 0xaa, 3, 0, 0, 0], u16(type), body)
    : row(u16(type), body);
  return row(mac(to), mac(from), marks, inner);
}

/** ARP or RARP, RFC 826 and RFC 903. */
export function arp(
  operation: number,
  sender: string,
  target: string,
  link: Link = {},
  type = 0x0806,
): Uint8Array {
  const from = mac(link.from ?? OWN_MAC);
  const body = row([0, 1, 8, 0, 6, 4], u16(operation), from, ip(sender), mac("0:0:0:0:0:0"));
  return ethernet(type, row(body, ip(target), new Uint8Array(18)), link);
}

/** Of an IPv4 header what a test wants otherwise. */
export interface Ipv4 {
  readonly options?: Bytes;
  /** Flags and offset in 8 bytes, as they stand there. */
  readonly fragment?: number;
  readonly to?: string;
  /** Instead of the right one. */
  readonly totalLength?: number;
}

/** RFC 791. The checksum is left out: nobody here looks at it. */
export function ipv4(from: string, protocol: number, body: Bytes, given: Ipv4 = {}): Uint8Array {
  const { options = [], fragment = 0, to = "255.255.255.255" } = given;
  const bytes = 20 + options.length;
  return row(
    [0x40 | (bytes / 4), 0, ...u16(given.totalLength ?? bytes + body.length), 0, 1],
    [...u16(fragment), 64, protocol, 0, 0, ...ip(from), ...ip(to)],
    options,
    body,
  );
}

/** RFC 768. */
export function udp(from: number, to: number, body: Bytes = new Uint8Array(8)): Uint8Array {
  return row(u16(from), u16(to), u16(8 + body.length), [0, 0], body);
}

/** Of an IPv6 header what a test wants otherwise. */
export interface Ipv6 {
  readonly to?: string;
  readonly hops?: number;
  /** Instead of the right one. */
  readonly payloadLength?: number;
}

/** RFC 8200. */
export function ipv6(from: string, next: number, body: Bytes, given: Ipv6 = {}): Uint8Array {
  const { to = "ff02::1", hops = 255 } = given;
  return row(
    [0x60, 0, 0, 0, ...u16(given.payloadLength ?? body.length), next, hops],
    ip(from),
    ip(to),
    body,
  );
}

/** An extension header of padding, 8 bytes long or more. @param next what is behind it */
export function padding(next: number, bytes = 8): Uint8Array {
  return row([next, bytes / 8 - 1, 1, bytes - 4], new Uint8Array(bytes - 4));
}

/** A fragment header. @param offset in 8 bytes */
export function fragment(next: number, offset: number, more: boolean): Uint8Array {
  return row([next, 0], u16((offset << 3) | (more ? 1 : 0)), [0, 0, 0x12, 0x34]);
}

/** RFC 4861 §4.2, with a prefix of its own. */
export const ROUTER_ADVERTISEMENT: Uint8Array = row(
  [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0],
  [3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0, ...ip("2001:db8:bad::")],
);
/** RFC 4861 §4.1. */
export const ROUTER_SOLICITATION: Uint8Array = row([133, 0, 0, 0, 0, 0, 0, 0]);
/** RFC 4443 §4.1. */
export const ECHO_REQUEST6: Uint8Array = row([128, 0, 0, 0, 0, 1, 0, 1], new Uint8Array(16));

/** RFC 4861 §4.3 and §4.4, and §4.5 with a target that is its destination as well. */
export function neighbour(type: 135 | 136 | 137, target: string): Uint8Array {
  const rest = type === 137 ? ip(target) : [type === 136 ? 2 : 1, 1, ...mac(OWN_MAC)];
  return row([type, 0, 0, 0, type === 136 ? 0x20 : 0, 0, 0, 0], ip(target), rest);
}
