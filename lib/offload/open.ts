// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Opens frames whose virtio-net headers may ask for offloads (virtio-v1.3 §5.1.6.2), and finds out
 * what they really ask for.
 *
 * Nothing a sender says is believed. Its flags and its type of segments say what it wants; where
 * headers begin and end, and what is in them, is read from a private copy of the frame's first bytes,
 * and must bear that out. A frame of which it does not becomes FRAME_BAD_OFFLOAD, which is dropped
 * and counted. What is delivered of the headers is the copy: a sender that changes them afterwards
 * changes nothing.
 *
 * | asked for                          | what must be so                                            |
 * | ---------------------------------- | ---------------------------------------------------------- |
 * | anything at all                    | it was negotiated                                          |
 * | a checksum, where TCP or UDP begin | it goes where theirs stands, and it is no fragment         |
 * | a checksum elsewhere               | behind the headers that are known, within the frame        |
 * | segments                           | a checksum too; TCP or UDP, IPv4 or IPv6 as it says; a     |
 * |                                    | least size; lengths of IP and UDP that are the frame's; no |
 * |                                    | more of them than {@linkcode CUTS_MAX} or, of UDP, 128     |
 * | segments, of which one would do    | as a checksum alone: nothing is to be cut                  |
 *
 * `hdr_len` is not even read. Data-plane thread only.
 *
 * @module
 */
import {
  BURST_FRAMES,
  CHAIN_BYTES_MAX,
  FRAME_BAD_OFFLOAD,
  frameBytes,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  isPlainBurst,
  noteOffloads,
  openFrames,
} from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { windowView } from "../virtio/memory/window.ts";
import {
  netAsksOffload,
  netCsumOffset,
  netCsumStart,
  netFlags,
  netGsoSize,
  netGsoType,
  VIRTIO_NET_HDR_BYTES,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
} from "../virtio/net_header.ts";
import {
  frameCsumEnd,
  frameCsumOffset,
  frameCsumStart,
  frameGsoSize,
  frameHeaders,
  frameNetwork,
  frameOffloads,
  NO_OFFLOADS,
  OFFLOAD_CSUM,
  OFFLOAD_ECN,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
  OFFLOAD_USO4,
  OFFLOAD_USO6,
} from "../virtio/offloads.ts";
import {
  findHeaders,
  found,
  HEADERS_BYTES_MAX,
  HEADERS_END,
  HEADERS_FOUND,
  HEADERS_MORE,
  NETWORK,
  PACKET_END,
  PROTOCOL,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  ROUTED,
  TCP_CHECKSUM,
  TCP_FLAGS,
  TRANSPORT,
  UDP_BYTES,
  UDP_CHECKSUM,
  UDP_LENGTH,
  VERSION,
} from "./headers.ts";
import { fold, sumView } from "./checksum.ts";
import {
  copyHeaders,
  copyMoreHeaders,
  headersOffset,
  headersView,
  keepHeaders,
} from "./private.ts";

/**
 * Segments of one frame at most. TCP of the smallest MSS that systems take, 48, makes 1366 of the
 * longest frame.
 */
export const CUTS_MAX = 2048;
/** Of a datagram, what Linux takes (UDP_MAX_SEGMENTS): it drops one that asks for more. */
const UDP_CUTS_MAX = 128;
/**
 * Least payload of a segment of TCP: that MSS without the 40 bytes that options may have. Smaller ones
 * are nothing but work for whoever cuts them. A datagram may be of any size.
 */
const TCP_CUT_BYTES_MIN = 8;

/** Bytes that are copied at first: nearly all headers. */
const FIRST_BYTES = 128;
const BAD = -1;
/** Behind every frame. */
const NOWHERE = 2 ** 20;
/** Where source and destination address stand, one behind the other. */
const IPV4_ADDRESSES = 12;
const IPV6_ADDRESSES = 8;
const TCP_FLAG_CWR = 0x80;

/** A virtio-net header, read once: its sender may change it. */
const said = new DataView(new ArrayBuffer(16));
/** Flags and type of segments that frames came with. */
const saidFlags = new Uint8Array(BURST_FRAMES);
const saidType = new Uint8Array(BURST_FRAMES);

/**
 * Opens the first `count` frames of a burst, as openFrames does, and finds out what they ask for. In
 * front of each frame's segments some must be free (burst.ts). A plain burst is open already, and
 * asks for nothing.
 * @param headerBytes of the virtio-net header in front of each @param may bits of what was negotiated
 */
export function openOffloads(count: number, headerBytes: number, may: number): void {
  if (isPlainBurst()) return;
  let any = false;
  for (let frame = 0; frame < count; frame++) {
    frameOffloads[frame] = NO_OFFLOADS;
    if (frameBytes[frame]! <= headerBytes || frameBytes[frame]! > CHAIN_BYTES_MAX) continue;
    if (readHeader(frame)) any = true;
  }
  openFrames(count, headerBytes);
  if (!any) return;
  noteOffloads();
  for (let frame = 0; frame < count; frame++) {
    if (frameOffloads[frame] === NO_OFFLOADS) continue;
    // What is no frame asks for nothing: a capture gets those too.
    const asks = frameBytes[frame]! < 0 ? NO_OFFLOADS : judge(frame, may);
    if (asks === BAD) {
      frameOffloads[frame] = NO_OFFLOADS;
      frameBytes[frame] = FRAME_BAD_OFFLOAD;
    } else frameOffloads[frame] = asks;
  }
}

/**
 * Keeps what the virtio-net header of a frame says, not opened yet, in the frame's fields.
 * @returns whether it asks for anything
 */
function readHeader(frame: number): boolean {
  const segment = frameSegment[frame]!;
  if (segmentBytes[segment]! >= VIRTIO_NET_HDR_BYTES) {
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]!;
    said.setBigUint64(0, view.getBigUint64(offset, true), true);
    said.setUint16(8, view.getUint16(offset + 8, true), true);
  } else gatherHeader(segment, frameSegmentEnd[frame]!);
  if (!netAsksOffload(said, 0)) return false;
  saidFlags[frame] = netFlags(said, 0);
  saidType[frame] = netGsoType(said, 0);
  frameGsoSize[frame] = netGsoSize(said, 0);
  frameCsumStart[frame] = netCsumStart(said, 0);
  frameCsumOffset[frame] = netCsumOffset(said, 0);
  // Something: what, is yet to be found out.
  frameOffloads[frame] = OFFLOAD_CSUM;
  return true;
}

/** The header lies over several descriptors, of any size: gathered byte by byte. */
function gatherHeader(first: number, end: number): void {
  let got = 0;
  for (let segment = first; segment < end && got < VIRTIO_NET_HDR_BYTES; segment++) {
    const view = windowView[segmentWindow[segment]!]!;
    const offset = segmentOffset[segment]!;
    const bytes = segmentBytes[segment]!;
    for (let at = 0; at < bytes && got < VIRTIO_NET_HDR_BYTES; at++) {
      said.setUint8(got++, view.getUint8(offset + at));
    }
  }
}

/** What an opened frame asks for, by its own headers, which are kept. @returns bits, or BAD */
function judge(frame: number, may: number): number {
  const bytes = frameBytes[frame]!;
  const at = headersOffset(frame);
  let have = bytes < FIRST_BYTES ? bytes : FIRST_BYTES;
  copyHeaders(frame, frame, have);
  let result = findHeaders(headersView, at, have, bytes);
  if (result === HEADERS_MORE) {
    have = bytes < HEADERS_BYTES_MAX ? bytes : HEADERS_BYTES_MAX;
    copyHeaders(frame, frame, have);
    result = findHeaders(headersView, at, have, bytes);
  }
  if (result !== HEADERS_FOUND) return BAD;
  const type = saidType[frame]!;
  if (type === VIRTIO_NET_HDR_GSO_NONE) return judgeChecksum(frame, bytes, have, may);
  return judgeCut(frame, bytes, have, may);
}

/** Nothing is to be cut; a checksum may be to be completed. */
function judgeChecksum(frame: number, bytes: number, have: number, may: number): number {
  if ((saidFlags[frame]! & VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0) return NO_OFFLOADS;
  if ((may & OFFLOAD_CSUM) === 0) return BAD;
  const start = frameCsumStart[frame]!;
  const end = start + frameCsumOffset[frame]! + 2;
  const least = end > found[HEADERS_END]! ? end : found[HEADERS_END]!;
  if (end < HEAD_BYTES + 2 || least > bytes || least > HEADERS_BYTES_MAX) return BAD;
  if (start === found[TRANSPORT] && checksumOffset(found[PROTOCOL]!) >= 0) {
    if (frameCsumOffset[frame] !== checksumOffset(found[PROTOCOL]!)) return BAD;
    const covered = found[PACKET_END]!;
    if (covered < found[HEADERS_END]!) return BAD;
    frameCsumEnd[frame] = covered < bytes ? covered : bytes;
  } else {
    if (start < inner()) return BAD;
    frameCsumEnd[frame] = bytes;
  }
  // What was judged is not read again.
  if (have < least) copyMoreHeaders(frame, have, least);
  keepHeaders(frame, least);
  return OFFLOAD_CSUM;
}

/** Where the checksum stands in the header of a protocol; -1: it is not TCP or UDP. */
function checksumOffset(protocol: number): number {
  if (protocol === PROTOCOL_TCP) return TCP_CHECKSUM;
  return protocol === PROTOCOL_UDP ? UDP_CHECKSUM : -1;
}

/**
 * Where a checksum may begin that is not the one of the frame's own TCP or UDP: in what a tunnel
 * carries, or a protocol that is not known here.
 */
function inner(): number {
  if (found[VERSION] === 0) return found[NETWORK]!;
  const protocol = found[PROTOCOL]!;
  // Nothing is in TCP or in a fragment that could have a checksum of its own.
  if (protocol === PROTOCOL_TCP || protocol < 0) return NOWHERE;
  return protocol === PROTOCOL_UDP ? found[TRANSPORT]! + UDP_BYTES : found[TRANSPORT]!;
}

/** The frame is to be cut, as it says. */
function judgeCut(frame: number, bytes: number, have: number, may: number): number {
  const type = saidType[frame]!;
  const ecn = (type & VIRTIO_NET_HDR_GSO_ECN) === 0 ? 0 : OFFLOAD_ECN;
  const cut = cutOf(type & ~VIRTIO_NET_HDR_GSO_ECN);
  if (cut === BAD || ((cut | ecn | OFFLOAD_CSUM) & ~may) !== 0) return BAD;
  const udp = found[PROTOCOL] === PROTOCOL_UDP;
  if (ecn !== 0 && udp) return BAD;
  const size = frameGsoSize[frame]!;
  const transport = found[TRANSPORT]!;
  const end = found[HEADERS_END]!;
  const at = headersOffset(frame);
  if (size < (udp ? 1 : TCP_CUT_BYTES_MIN) || found[PACKET_END] !== bytes) return BAD;
  if (udp && headersView.getUint16(at + transport + UDP_LENGTH) !== bytes - transport) return BAD;
  const begun = (saidFlags[frame]! & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
  const place = checksumOffset(found[PROTOCOL]!);
  const placed = frameCsumStart[frame] === transport && frameCsumOffset[frame] === place;
  if (begun && !placed) return BAD;
  const payload = bytes - end;
  if (payload <= size) return judgeChecksum(frame, bytes, have, may);
  if (payload > size * (udp ? UDP_CUTS_MAX : CUTS_MAX)) return BAD;
  frameHeaders[frame] = end;
  frameNetwork[frame] = found[NETWORK]!;
  frameCsumStart[frame] = transport;
  frameCsumOffset[frame] = place;
  frameCsumEnd[frame] = bytes;
  // Where the address in the header is not the last one, only its sender has begun the sum right.
  if (found[ROUTED] === 0) {
    headersView.setUint16(at + transport + place, pseudoSum(at, bytes - transport));
  } else if (!begun) return BAD;
  keepHeaders(frame, end);
  const cwr = !udp && (headersView.getUint8(at + transport + TCP_FLAGS) & TCP_FLAG_CWR) !== 0;
  return OFFLOAD_CSUM | cut | (cwr ? OFFLOAD_ECN : ecn);
}

/** The bit for a type of segments, if the headers found are of it; BAD otherwise. */
function cutOf(type: number): number {
  const version = found[VERSION]!;
  if (found[PROTOCOL] === PROTOCOL_TCP) {
    if (type === VIRTIO_NET_HDR_GSO_TCPV4 && version === 4) return OFFLOAD_TSO4;
    if (type === VIRTIO_NET_HDR_GSO_TCPV6 && version === 6) return OFFLOAD_TSO6;
    return BAD;
  }
  if (found[PROTOCOL] !== PROTOCOL_UDP || type !== VIRTIO_NET_HDR_GSO_UDP_L4) return BAD;
  return version === 4 ? OFFLOAD_USO4 : OFFLOAD_USO6;
}

/**
 * The sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) of the headers that were found.
 * @param at where the copy of the frame begins @param bytes of TCP or UDP, its header included
 */
function pseudoSum(at: number, bytes: number): number {
  const ip = at + found[NETWORK]!;
  const addresses = found[VERSION] === 4
    ? sumView(headersView, ip + IPV4_ADDRESSES, 8)
    : sumView(headersView, ip + IPV6_ADDRESSES, 32);
  return fold(addresses + found[PROTOCOL]! + bytes);
}
