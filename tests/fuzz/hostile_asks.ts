/**
 * Frames of a bad guest that ask for checksums and segments: packets that would be right, with
 * virtio-net headers that would be, and anything at all in any field of either. And what a good guest
 * may be given of them.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  ALL_OFFLOADS,
  OFFLOAD_CSUM,
  OFFLOAD_ECN,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
  OFFLOAD_USO4,
  OFFLOAD_USO6,
} from "../../lib/virtio/offloads.ts";
import type { QueueFeatures } from "../../lib/virtio/ring.ts";
import { askingHeader, frameOf, headersOf, type Packet } from "../model/packets.ts";
import { often } from "./often.ts";

/** One frame and its virtio-net header's first ten bytes. */
export interface Asking {
  readonly header: Uint8Array;
  readonly frame: Uint8Array;
}

/** All that a driver may negotiate of offloads. */
export const EVERY_OFFLOAD: Partial<QueueFeatures> = {
  ...{ csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true },
  ...{ guestCsum: true, guestTso4: true, guestTso6: true, guestEcn: true },
  ...{ guestUso4: true, guestUso6: true },
};
/** What a driver takes that does not take all: checksums. */
export const CHECKSUMS: Partial<QueueFeatures> = { csum: true, guestCsum: true };

/** A byte of it is another one. */
interface Spoil {
  readonly at: number;
  readonly value: number;
}

const spoils = (from: number, to: number): fc.Arbitrary<readonly Spoil[]> =>
  often<readonly Spoil[]>(
    [5, fc.constant([])],
    [
      3,
      fc.array(
        fc.record({
          at: fc.integer({ min: from, max: to }),
          value: often([1, fc.nat(255)], [1, fc.constantFrom(0, 1, 5, 6, 17, 43, 44, 0x7f, 0xff)]),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    ],
  );

function spoilt(bytes: Uint8Array, spoils: readonly Spoil[]): Uint8Array {
  for (const { at, value } of spoils) if (at < bytes.length) bytes[at] = value;
  return bytes;
}

/** A packet whose frame, with the header in front, has `bytes` bytes, so that a descriptor fits it. */
function packetOf(
  bytes: number,
  to: number,
  version: 4 | 6,
  protocol: "tcp" | "udp",
  extra: boolean,
): Packet {
  const options = version === 4 ? Uint8Array.of(148, 4, 0, 0) : Uint8Array.of(1, 4, 0, 0, 0, 0);
  const packet: Packet = {
    ...{ tags: extra ? [[0x8100, 5]] : [], version, extra: extra ? [options] : [] },
    ...{ identification: 0xfffe, protocol, sequence: 0xffff_ff00, flags: 0x99 },
    ...{ tcpOptions: new Uint8Array(), payload: new Uint8Array(), to, from: 0x99 },
  };
  const payload = new Uint8Array(Math.max(0, bytes - headersOf(packet))).fill(0xdd);
  return { ...packet, payload };
}

/** Frames that fill a descriptor of 60, 600, 1514 or 2048 bytes behind a header of 10 or 12. */
export const askings: fc.Arbitrary<(headerBytes: number) => Asking> = fc.record({
  bytes: fc.constantFrom(60, 76, 600, 1514, 2048),
  to: fc.nat(3),
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom("tcp" as const, "udp" as const),
  extra: fc.boolean(),
  size: often([6, fc.constantFrom(100, 536, 1448)], [2, fc.constant(0)], [1, fc.nat(0xffff)], [
    1,
    fc.nat(8),
  ]),
  inHeader: spoils(0, 9),
  inFrame: spoils(0, 120),
}).map(({ bytes, to, version, protocol, extra, size, inHeader, inFrame }) => {
  return (headerBytes: number): Asking => {
    const packet = packetOf(bytes - headerBytes, to, version, protocol, extra);
    return {
      header: spoilt(askingHeader(packet, size), inHeader),
      frame: spoilt(frameOf(packet, "begun"), inFrame),
    };
  };
});

const CUTS: Readonly<Record<number, number>> = {
  0x01: OFFLOAD_TSO4,
  0x81: OFFLOAD_TSO4 | OFFLOAD_ECN,
  0x04: OFFLOAD_TSO6,
  0x84: OFFLOAD_TSO6 | OFFLOAD_ECN,
  0x05: OFFLOAD_USO4 | OFFLOAD_USO6,
};

/** Where the IP header of a frame is, and which: by its type, behind tags. */
function networkOf(frame: DataView): { readonly at: number; readonly version: number } {
  let at = 12;
  while ([0x8100, 0x88a8].includes(frame.getUint16(at))) at += 4;
  const version = { 0x0800: 4, 0x86dd: 6 }[frame.getUint16(at)] ?? 0;
  return { at: at + 2, version };
}

/**
 * A frame came with this header, to a guest that takes `accepts`: nothing of it needs to be believed,
 * for all of it is so.
 */
export function checkHeader(header: DataView, frame: DataView, accepts: number): void {
  const [flags, type] = [header.getUint8(0), header.getUint8(1)];
  const [hdrLen, size, start, offset] = [2, 4, 6, 8].map((at) => header.getUint16(at, true));
  assert(hdrLen !== undefined && size !== undefined);
  assert(start !== undefined && offset !== undefined);
  if (flags === 0) return assert.deepEqual([type, hdrLen, size, start, offset], [0, 0, 0, 0, 0]);
  assert.equal(flags, 1, "NEEDS_CSUM and nothing else");
  assert((accepts & OFFLOAD_CSUM) !== 0, "who does not take checksums gets none that is begun");
  assert(start >= 14 && start + offset + 2 <= frame.byteLength, "a checksum lies in its frame");
  if (type === 0) return assert.deepEqual([hdrLen, size], [0, 0]);
  const asks = CUTS[type] ?? ALL_OFFLOADS + 1;
  assert((asks & ~ALL_OFFLOADS) === 0, `segments of type ${type}`);
  const { at, version } = networkOf(frame);
  const family = version === 4 ? ~OFFLOAD_USO6 : ~OFFLOAD_USO4;
  assert((asks & family & ~accepts) === 0, `type ${type} for who takes ${accepts}`);
  assert.equal(version, type === 5 ? version : (type & 0x7f) === 1 ? 4 : 6, "and of its IP");
  assert(size > 0 && hdrLen + size < frame.byteLength, "there is something to cut");
  const udp = type === 5;
  const transport = udp ? 8 : 4 * (frame.getUint8(start + 12) >> 4);
  assert.equal(hdrLen, start + transport, "headers end where they do");
  assert.equal(offset, udp ? 6 : 16, "the checksum is where it is");
  const length = version === 4 ? at + frame.getUint16(at + 2) : at + 40 + frame.getUint16(at + 4);
  assert.equal(length, frame.byteLength, "the packet ends with its frame");
  if (version === 4) {
    assert.equal(frame.getUint8(at + 9), udp ? 17 : 6);
    assert.equal(start, at + 4 * (frame.getUint8(at) & 0xf));
    assert.equal(frame.getUint16(at + 6) & 0x3fff, 0, "no fragment");
  }
}
