// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames made for a receiver that does not take what a frame of the burst asks for: the same with its
 * checksum completed, or one of the segments it is cut into. They are frames of the burst like the
 * others, with numbers from BURST_FRAMES on: headers made here, the rest where the sender has it, so
 * that what is delivered of it is copied once.
 *
 * ```
 *   a large frame                 | Ethernet, tags | IP | TCP |            payload           |
 *   segment k of n, of S bytes    | as it is       | *1 | *2  | payload from k * S on, S bytes |
 *
 *   *1  length; IPv4: identification + k, checksum; options and extension headers as they are
 *   *2  TCP: sequence number + k * S; FIN and PSH in the last one alone, CWR in the first one alone
 *       UDP: length
 *       checksum, completed, or begun where the receiver completes it
 * ```
 *
 * Data-plane thread only.
 *
 * @module
 */
import {
  BURST_FRAMES,
  CHAIN_SEGMENTS_MAX,
  frameBytes,
  frameHead,
  FRAMES,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  MADE_SEGMENTS,
} from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
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
  OFFLOAD_TSO,
  OFFLOAD_TSO4,
  OFFLOAD_USO4,
} from "../virtio/offloads.ts";
import { fold, sumSegments, sumView } from "./checksum.ts";
import { TCP_FLAGS, TCP_SEQUENCE, UDP_CHECKSUM, UDP_LENGTH } from "./headers.ts";
import { copyHeaders, HEADERS_WINDOW, headersOffset, headersView } from "./private.ts";

const IPV4_TOTAL_LENGTH = 2;
const IPV4_IDENTIFICATION = 4;
const IPV4_CHECKSUM = 10;
const IPV6_PAYLOAD_LENGTH = 4;
const IPV6_BYTES = 40;
/** FIN and PSH: of the last segment alone. */
const TCP_LAST_FLAGS = 0x01 | 0x08;
/** CWR: of the first segment alone. */
const TCP_FIRST_FLAGS = 0x80;

/** The next number, and the next segment; and of the frame that is being cut, its number, the bytes
 * of its payload that are done, and where the next ones are. */
const making = { frame: BURST_FRAMES, segment: MADE_SEGMENTS, of: 0, done: 0, source: 0, skip: 0 };

/** Numbers and segments of all frames made are free again. */
export function makeAnew(): void {
  making.frame = BURST_FRAMES;
  making.segment = MADE_SEGMENTS;
}

/** Whether one more frame can be made before {@linkcode makeAnew}. */
export function mayMake(): boolean {
  return making.frame < FRAMES && making.segment < MADE_SEGMENTS + CHAIN_SEGMENTS_MAX;
}

/** Makes frame `frame`, which is not to be cut, with its checksum completed. @returns its number */
export function makeCompleted(frame: number): number {
  const made = making.frame++;
  const start = frameCsumStart[frame]!;
  const place = start + frameCsumOffset[frame]!;
  const headers = place + 2;
  copyHeaders(frame, made, headers);
  findPayload(frame, headers);
  const at = headersOffset(made);
  const covered = sumView(headersView, at + start, headers - start);
  const rest = payloadSum(frameCsumEnd[frame]! - headers);
  // Behind an odd number of bytes the rest begins in the lower half of a word.
  const turned = ((headers - start) & 1) === 0 ? rest : ((rest & 0xff) << 8) | (rest >>> 8);
  writeChecksum(at + place, covered + turned, frameCsumOffset[frame] === UDP_CHECKSUM);
  finish(made, frame, headers, frameBytes[frame]! - headers);
  frameOffloads[made] = NO_OFFLOADS;
  return made;
}

/** Begins to cut frame `frame`. */
export function beginCut(frame: number): void {
  making.of = frame;
  making.done = 0;
  findPayload(frame, frameHeaders[frame]!);
}

/** Whether the frame that is being cut has another segment. */
export function hasSegment(): boolean {
  return making.done < frameBytes[making.of]! - frameHeaders[making.of]!;
}

/**
 * Makes the next segment of the frame that is being cut.
 * @param accepts what its receiver takes @returns its number
 */
export function makeSegment(accepts: number): number {
  const made = making.frame++;
  const frame = making.of;
  const headers = frameHeaders[frame]!;
  const size = frameGsoSize[frame]!;
  const left = frameBytes[frame]! - headers - making.done;
  const payload = left < size ? left : size;
  const at = headersOffset(made);
  const start = frameCsumStart[frame]!;
  const place = start + frameCsumOffset[frame]!;
  copyHeaders(frame, made, headers);
  const begun = headersView.getUint16(at + place);
  writeNetwork(frame, at, headers + payload);
  if ((frameOffloads[frame]! & OFFLOAD_TSO) !== 0) writeTcp(at + start, left === payload);
  else headersView.setUint16(at + start + UDP_LENGTH, headers + payload - start);
  // The begun sum with another length: the frame's is taken from it (RFC 1624).
  const shorter = frameBytes[frame]! - headers - payload;
  const pseudo = fold(begun + 0xffff - shorter);
  headersView.setUint16(at + place, pseudo);
  if ((accepts & OFFLOAD_CSUM) === 0) {
    const sum = sumView(headersView, at + start, headers - start) + payloadSum(payload);
    writeChecksum(at + place, sum, frameCsumOffset[frame] === UDP_CHECKSUM);
    frameOffloads[made] = NO_OFFLOADS;
  } else {
    frameOffloads[made] = OFFLOAD_CSUM;
    frameCsumStart[made] = start;
    frameCsumOffset[made] = frameCsumOffset[frame]!;
    frameCsumEnd[made] = headers + payload;
  }
  finish(made, frame, headers, payload);
  making.done += payload;
  return made;
}

/** Finds where bytes of frame `frame` from `from` on are, at least HEAD_BYTES. */
function findPayload(frame: number, from: number): void {
  making.source = frameSegment[frame]!;
  making.skip = from - HEAD_BYTES;
  const end = frameSegmentEnd[frame]!;
  while (making.source < end && making.skip >= segmentBytes[making.source]!) {
    making.skip -= segmentBytes[making.source]!;
    making.source++;
  }
}

/** The sum of the next bytes. */
function payloadSum(bytes: number): number {
  return bytes <= 0 ? 0 : sumSegments(making.source, making.skip, bytes);
}

/** Writes a checksum. @param sum of all it covers @param udp 0 would say that there is none */
function writeChecksum(at: number, sum: number, udp: boolean): void {
  const checksum = ~fold(sum) & 0xffff;
  headersView.setUint16(at, checksum === 0 && udp ? 0xffff : checksum);
}

/** Has IP's header fit a segment of `bytes` bytes, all headers included. */
function writeNetwork(frame: number, at: number, bytes: number): void {
  const network = frameNetwork[frame]!;
  const ip = at + network;
  if ((frameOffloads[frame]! & (OFFLOAD_TSO4 | OFFLOAD_USO4)) === 0) {
    headersView.setUint16(ip + IPV6_PAYLOAD_LENGTH, bytes - network - IPV6_BYTES);
    return;
  }
  const segments = making.done / frameGsoSize[frame]!;
  headersView.setUint16(ip + IPV4_TOTAL_LENGTH, bytes - network);
  const identification = headersView.getUint16(ip + IPV4_IDENTIFICATION) + segments;
  headersView.setUint16(ip + IPV4_IDENTIFICATION, identification & 0xffff);
  headersView.setUint16(ip + IPV4_CHECKSUM, 0);
  const headerBytes = 4 * (headersView.getUint8(ip) & 0xf);
  writeChecksum(ip + IPV4_CHECKSUM, sumView(headersView, ip, headerBytes), false);
}

/** Has TCP's header, which begins at `tcp`, fit a segment. @param last none comes behind it */
function writeTcp(tcp: number, last: boolean): void {
  const sequence = headersView.getInt32(tcp + TCP_SEQUENCE);
  headersView.setInt32(tcp + TCP_SEQUENCE, (sequence + making.done) | 0);
  let flags = headersView.getUint8(tcp + TCP_FLAGS);
  if (!last) flags &= ~TCP_LAST_FLAGS;
  if (making.done > 0) flags &= ~TCP_FIRST_FLAGS;
  headersView.setUint8(tcp + TCP_FLAGS, flags);
}

/** The frame made has its private headers, and the next `payload` bytes of the other's. */
function finish(made: number, frame: number, headers: number, payload: number): void {
  const at = headersOffset(made);
  for (let word = 0; word < HEAD_WORDS; word++) {
    frameHead[made * HEAD_WORDS + word] = headersView.getInt32(at + 4 * word, true);
  }
  const first = making.segment;
  let segment = first;
  if (headers > HEAD_BYTES) {
    segmentWindow[segment] = HEADERS_WINDOW;
    segmentOffset[segment] = at + HEAD_BYTES;
    segmentBytes[segment] = headers - HEAD_BYTES;
    segment++;
  }
  let left = payload;
  const end = frameSegmentEnd[frame]!;
  while (left > 0 && making.source < end) {
    const room = segmentBytes[making.source]! - making.skip;
    const part = room < left ? room : left;
    segmentWindow[segment] = segmentWindow[making.source]!;
    segmentOffset[segment] = segmentOffset[making.source]! + making.skip;
    segmentBytes[segment] = part;
    segment++;
    left -= part;
    if (part === room) {
      making.source++;
      making.skip = 0;
    } else making.skip += part;
  }
  frameSegment[made] = first;
  frameSegmentEnd[made] = segment;
  frameBytes[made] = headers + payload;
  making.segment = segment;
}
