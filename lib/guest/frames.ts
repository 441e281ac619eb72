/**
 * Ethernet frames for guests in TypeScript: raw, ARP and ICMP echo.
 *
 * @module
 */

const ARP = 0x0806;
const IPV4 = 0x0800;
const ICMP = 1;
/** Protocol number of TCP. */
export const TCP = 6;
const ICMP_ECHO = 8;
const ICMP_REPLY = 0;
/** The broadcast address. */
export const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** Bytes of a MAC address. */
export function macBytes(mac: string): number[] {
  return mac.split(":").map((part) => parseInt(part, 16));
}

/** Bytes of an IPv4 address. */
export function ipBytes(address: string): number[] {
  return address.split(".").map(Number);
}

/** A frame of any type. */
export function ethernet(
  to: string,
  from: string,
  type: number,
  payload: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set([...macBytes(to), ...macBytes(from), type >> 8, type & 0xff]);
  frame.set(payload, 14);
  return frame;
}

/** Internet checksum (RFC 1071). */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] as number) << 8) | (bytes[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Who a guest is on the network. */
export interface Host {
  /** As `52:54:00:00:00:01`. */
  readonly mac: string;
  /** IPv4 address, as `10.0.0.1`. */
  readonly ip: string;
}

/** Asks who has an address. */
export function arpRequest(from: Host, target: string): Uint8Array {
  const body = [0, 1, 8, 0, 6, 4, 0, 1, ...macBytes(from.mac), ...ipBytes(from.ip)];
  const payload = new Uint8Array([...body, 0, 0, 0, 0, 0, 0, ...ipBytes(target)]);
  return ethernet(BROADCAST, from.mac, ARP, payload);
}

/** An ICMP echo request. */
export function echoRequest(from: Host, to: Host, sequence: number, bytes: number): Uint8Array {
  const icmp = new Uint8Array(8 + bytes).map((_, i) => i & 0xff);
  icmp.set([ICMP_ECHO, 0, 0, 0, 0x12, 0x34, sequence >> 8, sequence & 0xff]);
  return ipv4(from, to, finish(icmp));
}

function finish(icmp: Uint8Array): Uint8Array {
  icmp[2] = icmp[3] = 0;
  const sum = internetChecksum(icmp);
  icmp[2] = sum >> 8;
  icmp[3] = sum & 0xff;
  return icmp;
}

/** A packet as a frame. @param protocol its number; ICMP if not given */
export function ipv4(from: Host, to: Host, payload: Uint8Array, protocol = ICMP): Uint8Array {
  const length = 20 + payload.length;
  const packet = new Uint8Array(length);
  packet.set([0x45, 0, length >> 8, length & 0xff, 0, 0, 0, 0, 64, protocol, 0, 0]);
  packet.set([...ipBytes(from.ip), ...ipBytes(to.ip)], 12);
  const sum = internetChecksum(packet.subarray(0, 20));
  packet.set([sum >> 8, sum & 0xff], 10);
  packet.set(payload, 20);
  return ethernet(to.mac, from.mac, IPV4, packet);
}

function text(bytes: Uint8Array, at: number, count: number): string {
  return Array.from(bytes.subarray(at, at + count)).join(".");
}

function macText(bytes: Uint8Array, at: number): string {
  return Array.from(bytes.subarray(at, at + 6), (b) => b.toString(16).padStart(2, "0")).join(":");
}

/** The answer of `host` to a frame: to ARP for its address and to ICMP echo; else null. */
export function answer(host: Host, frame: Uint8Array): Uint8Array | null {
  const type = ((frame[12] as number) << 8) | (frame[13] as number);
  if (type === ARP && frame[21] === 1 && text(frame, 38, 4) === host.ip) {
    const body = [0, 1, 8, 0, 6, 4, 0, 2, ...macBytes(host.mac), ...ipBytes(host.ip)];
    const payload = new Uint8Array([...body, ...frame.subarray(22, 32)]);
    return ethernet(macText(frame, 22), host.mac, ARP, payload);
  }
  if (type !== IPV4 || frame[23] !== 1 || frame[34] !== ICMP_ECHO) return null;
  if (text(frame, 30, 4) !== host.ip) return null;
  const icmp = frame.slice(34);
  icmp[0] = ICMP_REPLY;
  return ipv4(host, { mac: macText(frame, 6), ip: text(frame, 26, 4) }, finish(icmp));
}

/** The sender's MAC in an ARP reply for `ip`, or null if the frame is something else. */
export function arpReplyFrom(frame: Uint8Array, ip: string): string | null {
  const isReply = frame[12] === 8 && frame[13] === 6 && frame[21] === 2;
  return isReply && text(frame, 28, 4) === ip ? macText(frame, 22) : null;
}

/** Whether a frame is the echo reply with this sequence number. */
export function isEchoReply(frame: Uint8Array, sequence: number): boolean {
  return frame[12] === 8 && frame[13] === 0 && frame[23] === 1 && frame[34] === ICMP_REPLY &&
    (((frame[40] as number) << 8) | (frame[41] as number)) === sequence;
}
