// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * What stands in the headers of one frame, as far as filters ask and lines for people tell: addresses,
 * tags, EtherType, IP addresses, protocol, ports. One frame at a time, in numbers of this module.
 *
 * It looks behind VLAN tags (802.1Q, 802.1ad), behind IPv6's extension headers, and into ARP. What is
 * cut off or damaged is not there: it matches nothing. Any thread, each its own.
 *
 * @module
 */

/** Addresses of bytes 0-3 and 4-5 of the frame's destination and source, little-endian. */
export const FIELD_TO_LOW = 0;
/** See above. */
export const FIELD_TO_HIGH = 1;
/** See above. */
export const FIELD_FROM_LOW = 2;
/** See above. */
export const FIELD_FROM_HIGH = 3;
/** EtherType behind all tags; -1: the frame ends before it. */
export const FIELD_TYPE = 4;
/** Tags there are, of those below 4. */
export const FIELD_TAGS = 5;
/** VLAN of the first tag, three more behind it. */
export const FIELD_VID = 6;
/** IP version: 4, 6, or 0: it is no IP. */
export const FIELD_IP = 10;
/** IP protocol number, of whatever is behind extension headers; -1: none is known. */
export const FIELD_PROTOCOL = 11;
/** Version of the addresses that follow: 4 with ARP as well; 0: there are none. */
export const FIELD_HOSTS = 12;
/** Source, a word of version 4 or four of version 6, most significant first. */
export const FIELD_SOURCE = 13;
/** Destination, likewise. */
export const FIELD_DESTINATION = 17;
/** Source port of TCP, UDP or SCTP; -1: there is none, or it is in another fragment. */
export const FIELD_SOURCE_PORT = 21;
/** Destination port, likewise. */
export const FIELD_DESTINATION_PORT = 22;
const FIELDS = 23;

/** The fields of the frame that was read last. */
export const fields: Int32Array<ArrayBuffer> = new Int32Array(FIELDS);

/** Tags that are looked behind. */
const TAGS_MAX = 4;
/** Extension headers of IPv6 that are looked behind. */
const EXTENSIONS_MAX = 8;

const TYPE_IPV4 = 0x0800;
const TYPE_ARP = 0x0806;
const TYPE_IPV6 = 0x86dd;
const TYPE_VLAN = 0x8100;
const TYPE_SERVICE_VLAN = 0x88a8;

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_SCTP = 132;
const EXTENSION_HOP_BY_HOP = 0;
const EXTENSION_ROUTING = 43;
const EXTENSION_FRAGMENT = 44;
const EXTENSION_AUTHENTICATION = 51;
const EXTENSION_DESTINATION = 60;

/** Reads the fields of a frame. @param offset its first byte @param bytes of it in `view` */
export function readFields(view: DataView, offset: number, bytes: number): void {
  fields.fill(0);
  fields[FIELD_TYPE] = -1;
  fields[FIELD_PROTOCOL] = -1;
  fields[FIELD_SOURCE_PORT] = -1;
  fields[FIELD_DESTINATION_PORT] = -1;
  if (bytes < 14) return;
  fields[FIELD_TO_LOW] = view.getInt32(offset, true);
  fields[FIELD_TO_HIGH] = view.getUint16(offset + 4, true);
  fields[FIELD_FROM_LOW] = view.getInt32(offset + 6, true);
  fields[FIELD_FROM_HIGH] = view.getUint16(offset + 10, true);
  let at = 12;
  let type = view.getUint16(offset + at);
  while (type === TYPE_VLAN || type === TYPE_SERVICE_VLAN) {
    const tags = fields[FIELD_TAGS]!;
    if (tags === TAGS_MAX || at + 6 > bytes) return;
    fields[FIELD_VID + tags] = view.getUint16(offset + at + 2) & 0xfff;
    fields[FIELD_TAGS] = tags + 1;
    at += 4;
    type = view.getUint16(offset + at);
  }
  fields[FIELD_TYPE] = type;
  at += 2;
  if (type === TYPE_IPV4) readIpv4(view, offset + at, bytes - at);
  else if (type === TYPE_IPV6) readIpv6(view, offset + at, bytes - at);
  else if (type === TYPE_ARP) readArp(view, offset + at, bytes - at);
}

/** RFC 791 §3.1. */
function readIpv4(view: DataView, offset: number, bytes: number): void {
  if (bytes < 20 || view.getUint8(offset) >>> 4 !== 4) return;
  const headerBytes = 4 * (view.getUint8(offset) & 0xf);
  if (headerBytes < 20) return;
  fields[FIELD_IP] = 4;
  fields[FIELD_HOSTS] = 4;
  fields[FIELD_PROTOCOL] = view.getUint8(offset + 9);
  fields[FIELD_SOURCE] = view.getInt32(offset + 12);
  fields[FIELD_DESTINATION] = view.getInt32(offset + 16);
  const isFirst = (view.getUint16(offset + 6) & 0x1fff) === 0;
  if (isFirst) readPorts(view, offset + headerBytes, bytes - headerBytes);
}

/** RFC 8200 §3, §4. */
function readIpv6(view: DataView, offset: number, bytes: number): void {
  if (bytes < 40 || view.getUint8(offset) >>> 4 !== 6) return;
  fields[FIELD_IP] = 6;
  fields[FIELD_HOSTS] = 6;
  for (let word = 0; word < 4; word++) {
    fields[FIELD_SOURCE + word] = view.getInt32(offset + 8 + 4 * word);
    fields[FIELD_DESTINATION + word] = view.getInt32(offset + 24 + 4 * word);
  }
  let next = view.getUint8(offset + 6);
  let at = 40;
  let isFirst = true;
  for (let extension = 0; extension < EXTENSIONS_MAX && isExtension(next); extension++) {
    if (at + 8 > bytes) return;
    const length = view.getUint8(offset + at + 1);
    if (next === EXTENSION_FRAGMENT) {
      isFirst = (view.getUint16(offset + at + 2) & 0xfff8) === 0;
      next = view.getUint8(offset + at);
      at += 8;
      // What a later fragment begins with is no header.
      if (!isFirst) break;
      continue;
    }
    const isAuthentication = next === EXTENSION_AUTHENTICATION;
    next = view.getUint8(offset + at);
    at += isAuthentication ? 4 * (length + 2) : 8 * (length + 1);
  }
  if (isExtension(next)) return;
  fields[FIELD_PROTOCOL] = next;
  if (isFirst) readPorts(view, offset + at, bytes - at);
}

function isExtension(next: number): boolean {
  return next === EXTENSION_HOP_BY_HOP || next === EXTENSION_ROUTING ||
    next === EXTENSION_FRAGMENT || next === EXTENSION_AUTHENTICATION ||
    next === EXTENSION_DESTINATION;
}

function readPorts(view: DataView, offset: number, bytes: number): void {
  const protocol = fields[FIELD_PROTOCOL]!;
  const has = protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP || protocol === PROTOCOL_SCTP;
  if (!has || bytes < 4) return;
  fields[FIELD_SOURCE_PORT] = view.getUint16(offset);
  fields[FIELD_DESTINATION_PORT] = view.getUint16(offset + 2);
}

/** RFC 826, for IPv4 over Ethernet alone. */
function readArp(view: DataView, offset: number, bytes: number): void {
  if (bytes < 28 || view.getInt32(offset) !== 0x00010800) return;
  if (view.getUint16(offset + 4) !== 0x0604) return;
  fields[FIELD_HOSTS] = 4;
  fields[FIELD_SOURCE] = view.getInt32(offset + 14);
  fields[FIELD_DESTINATION] = view.getInt32(offset + 24);
}
