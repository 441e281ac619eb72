// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * What the frames of a burst ask of whoever gets them: that a checksum be completed, that a large
 * frame be cut into segments. Words of bits say it everywhere:
 *
 * ```
 *   what a frame asks for          frameOffloads, of the burst at hand
 *   what a source may ask for      openOffloads (lib/offload/open.ts) is told
 *   what a sink takes              Sink.accepts (lib/switch/ports/port.ts)
 * ```
 *
 * A sink that lacks a bit of a frame's never sees that frame: lib/switch/adapt.ts gives it the same
 * with its checksum completed, or cut. The bits are those of Linux's TUNSETOFFLOAD.
 *
 * VIRTIO_NET_HDR_F_DATA_VALID is never set (virtio-v1.3 §5.1.6.4.1: a device MAY, if it has validated
 * the checksum). Nothing is validated here: a driver that takes begun checksums is told of them, one
 * that does not gets finished ones and must find no flag, and a guest's word for its own frame is none.
 *
 * What stands here has been checked against the frame's own headers, of which a private copy is
 * delivered: nothing of it is what a sender merely said. Data-plane thread only.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { burstHasOffloads, FRAMES } from "./burst.ts";
import {
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  writeOffload,
} from "./net_header.ts";
import type { QueueFeatures } from "./ring.ts";

/** A checksum is begun, and is to be completed. */
export const OFFLOAD_CSUM = 0x01;
/** To be cut into TCP segments over IPv4. */
export const OFFLOAD_TSO4 = 0x02;
/** To be cut into TCP segments over IPv6. */
export const OFFLOAD_TSO6 = 0x04;
/** To be cut, and CWR is set: the first segment alone keeps it. */
export const OFFLOAD_ECN = 0x08;
/** To be cut into UDP datagrams over IPv4. */
export const OFFLOAD_USO4 = 0x20;
/** To be cut into UDP datagrams over IPv6. */
export const OFFLOAD_USO6 = 0x40;

/** Frames are what they are. */
export const NO_OFFLOADS = 0;
/** Those of TCP. */
export const OFFLOAD_TSO: number = OFFLOAD_TSO4 | OFFLOAD_TSO6;
/** Those of UDP. */
export const OFFLOAD_USO: number = OFFLOAD_USO4 | OFFLOAD_USO6;
/** A frame with one of these is large, and to be cut. */
export const OFFLOAD_CUTS: number = OFFLOAD_TSO | OFFLOAD_USO;
/** Every one there is. */
export const ALL_OFFLOADS: number = OFFLOAD_CSUM | OFFLOAD_CUTS | OFFLOAD_ECN;

/** What each frame asks for, bits from above. These arrays say nothing unless the burst has any. */
export const frameOffloads: Uint8Array<ArrayBuffer> = new Uint8Array(FRAMES);
/** Of large frames, bytes of payload in each segment, above 0. */
export const frameGsoSize: Uint16Array<ArrayBuffer> = new Uint16Array(FRAMES);
/** Of large frames, bytes of all headers, Ethernet to TCP or UDP. */
export const frameHeaders: Uint16Array<ArrayBuffer> = new Uint16Array(FRAMES);
/** Of large frames, where the IP header begins. */
export const frameNetwork: Uint16Array<ArrayBuffer> = new Uint16Array(FRAMES);
/** Where the frame's begun checksum has its first byte: with large frames, TCP's or UDP's header. */
export const frameCsumStart: Uint16Array<ArrayBuffer> = new Uint16Array(FRAMES);
/** Where it goes, bytes behind that. */
export const frameCsumOffset: Uint16Array<ArrayBuffer> = new Uint16Array(FRAMES);
/** Behind the last byte that it covers: a short frame is padded. */
export const frameCsumEnd: Int32Array<ArrayBuffer> = new Int32Array(FRAMES);

/** Header, type and size go by these bits. */
const TYPE_MASK = OFFLOAD_CUTS | OFFLOAD_ECN;
const gsoTypes = new Uint8Array(TYPE_MASK + 1);
for (const ecn of [0, OFFLOAD_ECN]) {
  const bit = ecn === 0 ? 0 : VIRTIO_NET_HDR_GSO_ECN;
  gsoTypes[OFFLOAD_TSO4 | ecn] = VIRTIO_NET_HDR_GSO_TCPV4 | bit;
  gsoTypes[OFFLOAD_TSO6 | ecn] = VIRTIO_NET_HDR_GSO_TCPV6 | bit;
}
gsoTypes[OFFLOAD_USO4] = VIRTIO_NET_HDR_GSO_UDP_L4;
gsoTypes[OFFLOAD_USO6] = VIRTIO_NET_HDR_GSO_UDP_L4;
assert(gsoTypes[0] === VIRTIO_NET_HDR_GSO_NONE, "what is not to be cut has no type");

/**
 * Writes what frame `frame` asks for into a bare virtio-net header (writeBareHeader), made anew; for
 * a frame that asks for nothing, nothing.
 */
export function writeFrameOffloads(view: DataView, offset: number, frame: number): void {
  if (!burstHasOffloads()) return;
  const asks = frameOffloads[frame]!;
  if (asks === NO_OFFLOADS) return;
  const cuts = (asks & OFFLOAD_CUTS) !== 0;
  writeOffload(
    view,
    offset,
    (asks & OFFLOAD_CSUM) !== 0 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
    gsoTypes[asks & TYPE_MASK]!,
    cuts ? frameHeaders[frame]! : 0,
    cuts ? frameGsoSize[frame]! : 0,
    frameCsumStart[frame]!,
    frameCsumOffset[frame]!,
  );
}

/** Frame `frame`, which asks for something, has `bytes` more behind its addresses, or fewer. */
export function shiftFrameOffloads(frame: number, bytes: number): void {
  frameCsumStart[frame] = frameCsumStart[frame]! + bytes;
  frameCsumEnd[frame] = frameCsumEnd[frame]! + bytes;
  if ((frameOffloads[frame]! & OFFLOAD_CUTS) === 0) return;
  frameHeaders[frame] = frameHeaders[frame]! + bytes;
  frameNetwork[frame] = frameNetwork[frame]! + bytes;
}

/**
 * Bytes of the longest frame that comes of a large one when it is cut, for its MTU; -1: frame
 * `frame` is not to be cut.
 */
export function segmentFrameBytes(frame: number): number {
  if (!burstHasOffloads() || (frameOffloads[frame]! & OFFLOAD_CUTS) === 0) return -1;
  return frameHeaders[frame]! + frameGsoSize[frame]!;
}

/** What a driver may ask of the device (virtio-v1.3 §5.1.3, §5.1.6.2). */
// cold
export function offloadsOfDriver(features: QueueFeatures): number {
  if (!features.csum) return NO_OFFLOADS;
  return sumOf(features.hostTso4, features.hostTso6, features.hostEcn) |
    (features.hostUso ? OFFLOAD_USO : 0);
}

/** What a driver takes of the device (virtio-v1.3 §5.1.3, §5.1.6.4). */
// cold
export function offloadsToDriver(features: QueueFeatures): number {
  if (!features.guestCsum) return NO_OFFLOADS;
  return sumOf(features.guestTso4, features.guestTso6, features.guestEcn) |
    (features.guestUso4 ? OFFLOAD_USO4 : 0) | (features.guestUso6 ? OFFLOAD_USO6 : 0);
}

// cold
function sumOf(tso4: boolean, tso6: boolean, ecn: boolean): number {
  return OFFLOAD_CSUM | (tso4 ? OFFLOAD_TSO4 : 0) | (tso6 ? OFFLOAD_TSO6 : 0) |
    (ecn ? OFFLOAD_ECN : 0);
}

/** The names of bits, as Linux has them. */
// cold
export function offloadNames(bits: number): string[] {
  const names = {
    CSUM: OFFLOAD_CSUM,
    TSO4: OFFLOAD_TSO4,
    TSO6: OFFLOAD_TSO6,
    ECN: OFFLOAD_ECN,
    USO4: OFFLOAD_USO4,
    USO6: OFFLOAD_USO6,
  };
  return Object.entries(names).filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
}
