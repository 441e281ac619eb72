/**
 * A frame of the switch's own: the RARP request that says where a guest is after its migration,
 * when the guest cannot say it itself (vhost-user.rst «VHOST_USER_SEND_RARP»). A guest without
 * VIRTIO_NET_F_GUEST_ANNOUNCE knows nothing of having moved.
 *
 * ```
 * Ethernet   to ff:ff:ff:ff:ff:ff  from MAC  type 0x8035
 * RARP       hardware 1  protocol 0x0800  lengths 6 4  operation 3 (request reverse)
 *            sender MAC and 0.0.0.0, target MAC and 0.0.0.0; padded to 60 bytes
 * ```
 *
 * In a VLAN that the guest tags, a tag of 4 bytes stands in front of the type.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import {
  beginBurst,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  HEAD_WORDS,
  spacedSegment,
} from "../virtio/burst.ts";
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "../virtio/net_header.ts";
import { PRIVATE_BYTES, PRIVATE_WINDOW, privateView } from "../virtio/memory/window.ts";
import { TAG_BYTES } from "./vlan/tags.ts";

/** Shortest Ethernet frame, without FCS. */
const RARP_FRAME_BYTES = 60;
const ETHERTYPE_RARP = 0x8035;
const ETHERTYPE_VLAN = 0x8100;
const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const MAC_BYTES = 6;
const IPV4_BYTES = 4;
const REQUEST_REVERSE = 3;
/** Where what is behind the head stands in the private window; headers are built in front of it. */
const REST_OFFSET = PRIVATE_BYTES / 2;
const TYPE_OFFSET = 12;
/** From the type on. */
const SENDER_OFFSET = 10;
const TARGET_OFFSET = SENDER_OFFSET + MAC_BYTES + IPV4_BYTES;
/** A frame with a tag is no shorter than one without, once the tag is gone. */
const LONGEST_BYTES = RARP_FRAME_BYTES + TAG_BYTES;

assert(VIRTIO_NET_HDR_MRG_RXBUF_BYTES + HEAD_BYTES <= REST_OFFSET, "what is in front has room");
assert(REST_OFFSET + LONGEST_BYTES - HEAD_BYTES <= PRIVATE_BYTES, "and so has the rest");

const frame = new DataView(new ArrayBuffer(LONGEST_BYTES));

function writeMac(at: number, macLow: number, macHigh: number): void {
  frame.setInt32(at, macLow, true);
  frame.setUint16(at + 4, macHigh & 0xffff, true);
}

/**
 * Puts the RARP request of a MAC address into the burst as its only frame, opened. What the burst
 * held must have been finished. Data-plane thread only.
 * @param vid with a tag of this VLAN, 1-4094; 0: without one
 */
export function composeRarp(macLow: number, macHigh: number, vid = 0): void {
  beginBurst();
  frame.setInt32(0, -1);
  frame.setInt16(4, -1);
  writeMac(6, macLow, macHigh);
  const at = TYPE_OFFSET + (vid === 0 ? 0 : TAG_BYTES);
  if (vid !== 0) frame.setUint32(TYPE_OFFSET, ETHERTYPE_VLAN * 2 ** 16 + vid);
  frame.setUint16(at, ETHERTYPE_RARP);
  frame.setUint16(at + 2, HARDWARE_ETHERNET);
  frame.setUint16(at + 4, PROTOCOL_IPV4);
  frame.setUint8(at + 6, MAC_BYTES);
  frame.setUint8(at + 7, IPV4_BYTES);
  frame.setUint16(at + 8, REQUEST_REVERSE);
  writeMac(at + SENDER_OFFSET, macLow, macHigh);
  frame.setUint32(at + SENDER_OFFSET + MAC_BYTES, 0);
  writeMac(at + TARGET_OFFSET, macLow, macHigh);
  frame.setUint32(at + TARGET_OFFSET + MAC_BYTES, 0);
  putInBurst(RARP_FRAME_BYTES + at - TYPE_OFFSET);
}

function putInBurst(bytes: number): void {
  for (let word = 0; word < HEAD_WORDS; word++) frameHead[word] = frame.getInt32(4 * word, true);
  for (let at = HEAD_BYTES; at < bytes; at++) {
    privateView.setUint8(REST_OFFSET + at - HEAD_BYTES, frame.getUint8(at));
  }
  const segment = spacedSegment(0);
  segmentWindow[segment] = PRIVATE_WINDOW;
  segmentOffset[segment] = REST_OFFSET;
  segmentBytes[segment] = bytes - HEAD_BYTES;
  frameSegment[0] = segment;
  frameSegmentEnd[0] = segment + 1;
  frameBytes[0] = bytes;
}
