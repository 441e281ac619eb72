/**
 * As much of TCP (RFC 9293) as a demo's guest needs to fetch a page: one connection, what comes in
 * order is taken, what does not is sent again by the other side.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { type Host, internetChecksum, ipBytes, ipv4, TCP } from "./frames.ts";

const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const ACK = 0x10;
const HEADER_BYTES = 20;
const WINDOW = 65_535;
const FIRST_SEQUENCE = 1000;
/** A SYN is said again after this, ms. */
const SYN_MS = 500;

/** Who sends and receives frames. */
export interface FrameEnd {
  /** Sends a frame. @returns false: no room */
  send(frame: Uint8Array): boolean;
  /** What came since the last call. */
  receive(): Uint8Array[];
}

/** Both ends of a connection. */
export interface TcpEnds {
  /** This one. */
  readonly from: Host;
  /** Its port. */
  readonly fromPort: number;
  /** The other one; its MAC address is that of the way to it. */
  readonly to: Host;
  /** Its port. */
  readonly toPort: number;
}

/** What a segment says. */
export interface Segment {
  /** Number of its first byte. */
  readonly sequence: number;
  /** Number of the byte that is expected next. */
  readonly acknowledged: number;
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16. */
  readonly flags: number;
  /** Its bytes. */
  readonly data: Uint8Array;
}

/** A segment as a frame. */
export function tcpFrame(ends: TcpEnds, segment: Segment): Uint8Array {
  const { data } = segment;
  const tcp = new Uint8Array(HEADER_BYTES + data.length);
  const view = new DataView(tcp.buffer);
  view.setUint16(0, ends.fromPort);
  view.setUint16(2, ends.toPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledged);
  view.setUint16(12, (HEADER_BYTES / 4) << 12 | segment.flags);
  view.setUint16(14, WINDOW);
  tcp.set(data, HEADER_BYTES);
  const addresses = [...ipBytes(ends.from.ip), ...ipBytes(ends.to.ip)];
  const pseudo = [...addresses, 0, TCP, tcp.length >> 8, tcp.length & 0xff];
  view.setUint16(16, internetChecksum(Uint8Array.of(...pseudo, ...tcp)));
  return ipv4(ends.from, ends.to, tcp, TCP);
}

/** What a frame says on this connection, or null: it is of another one. */
export function readTcp(ends: TcpEnds, frame: Uint8Array): Segment | null {
  if (frame.length < 14 + 20 + HEADER_BYTES) return null;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint16(12) !== 0x0800 || view.getUint8(23) !== TCP) return null;
  if (String(frame.subarray(26, 30)) !== String(ipBytes(ends.to.ip))) return null;
  const tcp = 14 + (view.getUint8(14) & 15) * 4;
  const end = 14 + view.getUint16(16);
  if (end > frame.length || tcp + HEADER_BYTES > end) return null;
  if (view.getUint16(tcp) !== ends.toPort || view.getUint16(tcp + 2) !== ends.fromPort) return null;
  const begin = tcp + (view.getUint8(tcp + 12) >> 4) * 4;
  return {
    sequence: view.getUint32(tcp + 4),
    acknowledged: view.getUint32(tcp + 8),
    flags: view.getUint8(tcp + 13),
    data: frame.slice(begin, end),
  };
}

/**
 * Connects, sends a text, and reads until the other side has no more to say.
 * @returns what it said, or null: it did not within `ms`
 */
export async function tcpAsk(
  guest: FrameEnd,
  ends: TcpEnds,
  text: string,
  ms: number,
): Promise<string | null> {
  const end = performance.now() + ms;
  const request = new TextEncoder().encode(text);
  const nothing = new Uint8Array();
  const say = (flags: number, sequence: number, acknowledged: number, data = nothing): void => {
    guest.send(tcpFrame(ends, { flags, sequence, acknowledged, data }));
  };
  const answer: number[] = [];
  let expected = -1;
  let sequence = FIRST_SEQUENCE;
  let synAt = -SYN_MS;
  for (; performance.now() < end; await delay(1)) {
    if (expected < 0 && performance.now() - synAt >= SYN_MS) {
      synAt = performance.now();
      say(SYN, FIRST_SEQUENCE, 0);
    }
    for (const frame of guest.receive()) {
      const segment = readTcp(ends, frame);
      if (segment === null) continue;
      if (segment.flags & RST) return null;
      if (expected < 0) {
        if ((segment.flags & (SYN | ACK)) !== (SYN | ACK)) continue;
        expected = (segment.sequence + 1) >>> 0;
        say(ACK | PSH, FIRST_SEQUENCE + 1, expected, request);
        sequence = FIRST_SEQUENCE + 1 + request.length;
        continue;
      }
      if (segment.sequence === expected) {
        answer.push(...segment.data);
        expected = (expected + segment.data.length) >>> 0;
        if (segment.flags & FIN) {
          say(ACK | FIN, sequence, (expected + 1) >>> 0);
          return new TextDecoder().decode(Uint8Array.from(answer));
        }
      }
      if (segment.data.length > 0) say(ACK, sequence, expected);
    }
  }
  return null;
}
