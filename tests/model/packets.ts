/**
 * TCP and UDP packets as values, and what becomes of them on the wire: written plainly, byte by byte,
 * from the standards alone, so that the switch's own way of cutting and summing has something to be
 * compared with. Nothing of lib/ is used.
 *
 * @module
 */

/** A packet, all fields as they stand in its headers. */
export interface Packet {
  /** Tags, outermost first: type and control information. */
  readonly tags: readonly (readonly [type: number, control: number])[];
  readonly version: 4 | 6;
  /** IPv4 options, a multiple of 4 bytes; or bodies of IPv6 destination option headers. */
  readonly extra: readonly Uint8Array[];
  readonly identification: number;
  readonly protocol: "tcp" | "udp";
  readonly sequence: number;
  readonly flags: number;
  /** TCP options, a multiple of 4 bytes. */
  readonly tcpOptions: Uint8Array;
  readonly payload: Uint8Array;
  /** Last byte of the destination and the source MAC address. */
  readonly to: number;
  readonly from: number;
}

export const TCP_FIN = 1;
export const TCP_PSH = 8;
export const TCP_CWR = 0x80;

const BEHIND = { tcp: 6, udp: 17 } as const;

function concat(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

const u16 = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value)];

/** The sum of 16-bit words, with carries brought round, not complemented. */
export function wordSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

const complement = (sum: number): number => 0xffff - sum;

function addresses({ version }: Packet): Uint8Array {
  const size = version === 4 ? 4 : 16;
  return Uint8Array.from({ length: 2 * size }, (_, i) => (10 + i * 37) & 0xff);
}

/** IPv6 extension headers, each with the number of what is behind it. */
function extensions({ extra, protocol }: Packet): Uint8Array[] {
  return extra.map((body, i) => {
    const next = i + 1 < extra.length ? 60 : BEHIND[protocol];
    return concat([[next, (body.length + 2) / 8 - 1], body]);
  });
}

function network(packet: Packet, transportBytes: number): Uint8Array {
  const { version, extra, identification, protocol } = packet;
  if (version === 6) {
    const headers = concat(extensions(packet));
    const next = extra.length > 0 ? 60 : BEHIND[protocol];
    return concat([
      [0x60, 0x12, 0x34, 0x56, ...u16(headers.length + transportBytes), next, 64],
      ...[addresses(packet), headers],
    ]);
  }
  const options = concat(extra);
  const bytes = 20 + options.length;
  const header = concat([
    [0x40 | (bytes / 4), 0x02, ...u16(bytes + transportBytes), ...u16(identification), 0x40, 0],
    ...[[64, BEHIND[protocol], 0, 0], addresses(packet), options],
  ]);
  header.set(u16(complement(wordSum(header))), 10);
  return header;
}

function pseudoHeader(packet: Packet, transportBytes: number): Uint8Array {
  return concat([addresses(packet), u32(transportBytes), u32(BEHIND[packet.protocol])]);
}

/** How a frame's checksum stands: finished, or begun with the pseudo-header. */
export type Checksum = "full" | "begun";

/** The frame of a packet. */
export function frameOf(packet: Packet, checksum: Checksum): Uint8Array {
  const { protocol, payload, tcpOptions, to, from, tags, version } = packet;
  const bytes = 20 + tcpOptions.length;
  const header = protocol === "tcp"
    ? concat([
      [0x9c, 0x40, 0x14, 0x51, ...u32(packet.sequence), ...u32(0x01020304)],
      [(bytes / 4) << 4, packet.flags, 0x20, 0x00, 0, 0, 0, 0],
      tcpOptions,
    ])
    : Uint8Array.from([0x9c, 0x40, 0x14, 0x51, ...u16(8 + payload.length), 0, 0]);
  const transport = concat([header, payload]);
  const pseudo = pseudoHeader(packet, transport.length);
  const place = protocol === "tcp" ? 16 : 6;
  if (checksum === "begun") transport.set(u16(wordSum(pseudo)), place);
  else {
    const sum = complement(wordSum(concat([pseudo, transport])));
    transport.set(u16(sum === 0 && protocol === "udp" ? 0xffff : sum), place);
  }
  return concat([
    [2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from],
    ...tags.map(([type, control]) => [...u16(type), ...u16(control)]),
    ...[u16(version === 4 ? 0x0800 : 0x86dd), network(packet, transport.length), transport],
  ]);
}

/** Bytes in front of TCP or UDP. */
export function transportOf({ tags, version, extra }: Packet): number {
  const inner = extra.reduce((sum, each) => sum + each.length + (version === 6 ? 2 : 0), 0);
  return 14 + 4 * tags.length + (version === 4 ? 20 : 40) + inner;
}

/** Bytes of all headers. */
export function headersOf(packet: Packet): number {
  const { protocol, tcpOptions } = packet;
  return transportOf(packet) + (protocol === "tcp" ? 20 + tcpOptions.length : 8);
}

/** The packets that a large one is cut into. */
export function segmentsOf(packet: Packet, size: number): Packet[] {
  const { payload } = packet;
  const count = Math.max(1, Math.ceil(payload.length / size));
  return Array.from({ length: count }, (_, i) => {
    let { flags } = packet;
    if (i > 0) flags &= ~TCP_CWR;
    if (i < count - 1) flags &= ~(TCP_FIN | TCP_PSH);
    return {
      ...{ ...packet, flags },
      identification: (packet.identification + i) % 65536,
      sequence: (packet.sequence + i * size) % 2 ** 32,
      payload: payload.slice(i * size, (i + 1) * size),
    };
  });
}

/** A virtio-net header's first ten bytes. */
export function headerOf(fields: {
  readonly flags?: number;
  readonly type?: number;
  readonly hdrLen?: number;
  readonly size?: number;
  readonly start?: number;
  readonly offset?: number;
}): Uint8Array {
  const { flags = 0, type = 0, hdrLen = 0, size = 0, start = 0, offset = 0 } = fields;
  const low = (value: number): number[] => [value & 0xff, value >>> 8];
  return Uint8Array.from([
    ...[flags, type, ...low(hdrLen), ...low(size)],
    ...[...low(start), ...low(offset)],
  ]);
}

/** The virtio-net header of a frame whose checksum is begun, and that is to be cut if `size` is not 0. */
export function askingHeader(packet: Packet, size: number): Uint8Array {
  const { version, protocol, flags } = packet;
  const start = transportOf(packet);
  const offset = protocol === "tcp" ? 16 : 6;
  if (size === 0) return headerOf({ flags: 1, start, offset });
  const kind = protocol === "udp" ? 5 : version === 4 ? 1 : 4;
  const ecn = protocol === "tcp" && (flags & TCP_CWR) !== 0 ? 0x80 : 0;
  return headerOf({
    ...{ flags: 1, type: kind | ecn, hdrLen: headersOf(packet), size, start, offset },
  });
}
