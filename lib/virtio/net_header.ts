// HOT
/**
 * The header in front of every frame of a virtqueue (virtio-v1.3 §5.1.6): the one place that knows
 * how it is laid out.
 *
 * ```
 *  0  flags        u8    VIRTIO_NET_HDR_F_…
 *  1  gso_type     u8    VIRTIO_NET_HDR_GSO_…
 *  2  hdr_len      u16   bytes of all headers of the frame, a hint
 *  4  gso_size     u16   bytes of payload of each segment
 *  6  csum_start   u16   where checksumming begins, bytes into the frame
 *  8  csum_offset  u16   where the checksum goes, bytes behind csum_start
 * 10  num_buffers  u16   receive buffers that hold the frame; not there in the old header
 * ```
 *
 * All are little-endian, as is the legacy header on the processors that this runs on. Where no offload
 * was negotiated, what a driver writes here means nothing (§5.1.6.2) and is not read, and what it
 * reads is {@linkcode writeBareHeader}. Readers and writers take a view and an offset, allocate nothing
 * and look at no bounds: the header lies wholly behind `offset`. Any thread.
 *
 * @module
 */
import { assert } from "../base/assert.ts";

/** The checksum from csum_start on is only begun: whoever needs it completes it. */
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
/** Checksums of the frame are right; nobody needs to look. */
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;
/** csum_start and csum_offset hold counts of coalesced segments instead. */
export const VIRTIO_NET_HDR_F_RSC_INFO = 4;

/** One frame, not to be cut. */
export const VIRTIO_NET_HDR_GSO_NONE = 0;
/** To be cut into TCP segments over IPv4. */
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
/** To be cut into fragments of one UDP datagram over IPv4. */
export const VIRTIO_NET_HDR_GSO_UDP = 3;
/** To be cut into TCP segments over IPv6. */
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
/** To be cut into UDP datagrams. */
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
/** A bit beside the TCP types: the connection uses ECN. */
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

const FLAGS = 0;
const GSO_TYPE = 1;
const HDR_LEN = 2;
const GSO_SIZE = 4;
const CSUM_START = 6;
const CSUM_OFFSET = 8;
const NUM_BUFFERS = 10;

/** Bytes of `struct virtio_net_hdr`: VIRTIO 0.9.5 without VIRTIO_NET_F_MRG_RXBUF. */
export const VIRTIO_NET_HDR_BYTES = 10;
/** Bytes of `struct virtio_net_hdr_mrg_rxbuf`, and of every header of VIRTIO 1 and later. */
export const VIRTIO_NET_HDR_MRG_RXBUF_BYTES = 12;

/** `num_buffers` stands in the upper half of the last word of 32 bits. */
const LAST_WORD = 8;
const NUM_BUFFERS_SHIFT = 16;

assert(GSO_TYPE === FLAGS + 1 && HDR_LEN === GSO_TYPE + 1, "two bytes come first");
assert(CSUM_OFFSET + 2 === VIRTIO_NET_HDR_BYTES, "the short header ends behind csum_offset");
assert(GSO_SIZE - HDR_LEN === 2 && CSUM_START - GSO_SIZE === 2, "and fields of two bytes follow");
assert(NUM_BUFFERS === VIRTIO_NET_HDR_BYTES, "the long header goes on where the short one ends");
assert(NUM_BUFFERS + 2 === VIRTIO_NET_HDR_MRG_RXBUF_BYTES, "with num_buffers alone");
assert(LAST_WORD + NUM_BUFFERS_SHIFT / 8 === NUM_BUFFERS, "num_buffers stands in the last word");

/** Bytes of the header by what was negotiated (virtio-v1.3 §5.1.6.1). */
// cold
export function netHeaderBytes(version1: boolean, mergeable: boolean): 10 | 12 {
  return version1 || mergeable ? VIRTIO_NET_HDR_MRG_RXBUF_BYTES : VIRTIO_NET_HDR_BYTES;
}

/** The header's flags, 0-255. */
export function netFlags(view: DataView, offset: number): number {
  return view.getUint8(offset + FLAGS);
}
/** How the frame is to be cut: a VIRTIO_NET_HDR_GSO_ type, perhaps with the ECN bit. */
export function netGsoType(view: DataView, offset: number): number {
  return view.getUint8(offset + GSO_TYPE);
}
/** Bytes of the frame's headers, as its sender says; 0-65535. */
export function netHdrLen(view: DataView, offset: number): number {
  return view.getUint16(offset + HDR_LEN, true);
}
/** Bytes of payload of each segment, 0-65535. */
export function netGsoSize(view: DataView, offset: number): number {
  return view.getUint16(offset + GSO_SIZE, true);
}
/** Where checksumming begins, bytes into the frame, 0-65535. */
export function netCsumStart(view: DataView, offset: number): number {
  return view.getUint16(offset + CSUM_START, true);
}
/** Where the checksum goes, bytes behind csum_start, 0-65535. */
export function netCsumOffset(view: DataView, offset: number): number {
  return view.getUint16(offset + CSUM_OFFSET, true);
}
/** Receive buffers that hold the frame, 0-65535 as it says; 1 in a header without the field. */
export function netNumBuffers(view: DataView, offset: number, headerBytes: number): number {
  return headerBytes === VIRTIO_NET_HDR_BYTES ? 1 : view.getUint16(offset + NUM_BUFFERS, true);
}
/** Whether any field but the last is set. */
export function netOffloads(view: DataView, offset: number): boolean {
  const first = view.getInt32(offset, true) | view.getInt32(offset + GSO_SIZE, true);
  return (first | view.getUint16(offset + CSUM_OFFSET, true)) !== 0;
}
/** Of the first two bytes, little-endian, what asks the device for something. */
const ASKING_BITS = VIRTIO_NET_HDR_F_NEEDS_CSUM | 0xff00;
/**
 * Whether the header asks for an offload: a checksum or segments. Other flags tell, in the other
 * direction, and mean nothing from a driver (virtio-v1.3 §5.1.6.2).
 */
export function netAsksOffload(view: DataView, offset: number): boolean {
  return (view.getUint16(offset + FLAGS, true) & ASKING_BITS) !== 0;
}

/**
 * Writes a header without offloads, all zeros but `num_buffers` (virtio-v1.3 §5.1.6.4.1).
 * @param headerBytes 10 or 12
 * @param buffers receive buffers that hold the frame, 1-65535
 */
export function writeBareHeader(
  view: DataView,
  offset: number,
  headerBytes: number,
  buffers: number,
): void {
  view.setBigUint64(offset, 0n, true);
  if (headerBytes === VIRTIO_NET_HDR_BYTES) view.setInt16(offset + LAST_WORD, 0, true);
  else view.setInt32(offset + LAST_WORD, buffers << NUM_BUFFERS_SHIFT, true);
}

/**
 * Writes the header's first bytes, which any of the two will hold, and nothing that counts: the line
 * of memory is on its way from the driver's core while others are asked for.
 */
export function touchHeader(view: DataView, offset: number): void {
  view.setInt32(offset, 0, true);
}

/** Writes all of a header but `num_buffers`, the values as the readers above have them. */
export function writeOffload(
  view: DataView,
  offset: number,
  flags: number,
  gsoType: number,
  hdrLen: number,
  gsoSize: number,
  csumStart: number,
  csumOffset: number,
): void {
  view.setUint8(offset + FLAGS, flags);
  view.setUint8(offset + GSO_TYPE, gsoType);
  view.setUint16(offset + HDR_LEN, hdrLen, true);
  view.setUint16(offset + GSO_SIZE, gsoSize, true);
  view.setUint16(offset + CSUM_START, csumStart, true);
  view.setUint16(offset + CSUM_OFFSET, csumOffset, true);
}
