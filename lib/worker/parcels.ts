/**
 * What the commands of wire.ts carry: ranges of numbers, and records of them.
 *
 * @module
 */
import { PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";
import { BIT_RATE_MAX, FRAME_RATE_MAX, RATE_BURST_MS_MAX } from "../switch/policy/rate.ts";
import { PREFIXES_MAX, V6_WORDS } from "../switch/guard/addresses.ts";
import { STORM_RATE_MAX } from "../switch/policy/storm.ts";
import { VID_MAX, VLAN_WORDS } from "../switch/vlan/port_vlans.ts";
import { VIRTIO_NET_HDR_BYTES, VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "../virtio/net_header.ts";
import {
  LOG_BY_PLACE,
  QUEUE_FEATURES,
  type QueueFeatures,
  type VringPosition,
} from "../virtio/ring.ts";
import { choice, type Field, flag, list, maybe, record, type Values, whole } from "./fields.ts";

export type { VringPosition };

/**
 * Instead of a kick or call descriptor: notifications are messages. Kicks come as `kickVring`, calls
 * leave as events.
 */
export const IN_BAND: number = -2;
/** Addresses learned by one command, at most. */
export const MACS_PER_COMMAND = 512;

/** A port, by its number. */
export const PORT: Field<number> = whole(0, PORTS_MAX - 1);
/** A virtqueue of a port, by its number. */
export const VRING: Field<number> = whole(0, VRINGS_PER_PORT - 1);
/** A host address of user space. */
export const ADDRESS: Field<number> = whole(0, 2 ** 47 - 1);
/** Bytes, at least one. */
export const SIZE_BYTES: Field<number> = whole(1, 2 ** 47);
/** A guest-physical address. */
export const GUEST_ADDR: Field<number> = whole(0, 2 ** 53 - 1);
/** A number of the tenant's, of 64 bits; above 2^53 it is rounded. */
export const ANY_U64: Field<number> = whole(0, 2 ** 64);
/** Of a mapping, as `addMapping` gave it. */
export const MAPPING: Field<number> = whole(1, 2 ** 53 - 1);
/** A descriptor, -1 for none, or {@linkcode IN_BAND}. It stays the control thread's. */
export const FD: Field<number> = whole(IN_BAND, 2 ** 31 - 1);
/** A 32-bit word, signed or not. */
export const WORD: Field<number> = whole(-(2 ** 31), 2 ** 32 - 1);
/** Guest address at which the device area is logged, LOG_BY_PLACE or LOG_OFF. */
export const LOG_GUEST_ADDR: Field<number> = whole(LOG_BY_PLACE, 2 ** 53 - 1);
/** How many. */
export const COUNT: Field<number> = whole(0, 2 ** 53 - 1);
/** Frames a second. */
export const FRAMES: Field<number> = whole(0, STORM_RATE_MAX);
/** Whole seconds. */
export const SECONDS: Field<number> = whole(0, 2 ** 31 - 1);

/** A rate of one direction of a port; see lib/switch/policy/rate.ts. */
export const RATE = {
  /** A second, 0: any number. */
  bits: whole(0, BIT_RATE_MAX),
  /** A second, 0: any number. */
  frames: whole(0, FRAME_RATE_MAX),
  /** What it may be ahead, ms. */
  burstMs: whole(1, RATE_BURST_MS_MAX),
} as const;

/** A piece of guest-physical memory and where it is mapped. */
export const REGION = {
  /** First guest-physical address. */
  guestAddr: GUEST_ADDR,
  /** Above 0. */
  sizeBytes: SIZE_BYTES,
  /** Host address of the region's first byte, inside the mapping. */
  address: ADDRESS,
  /** The mapping, as `addMapping` numbered it. */
  mapping: MAPPING,
} as const;
/** See {@linkcode VringPosition}. */
export const POSITION: Field<VringPosition> = record({
  availIndex: whole(0, 65535),
  availWrap: whole(0, 1),
  usedIndex: whole(0, 65535),
  usedWrap: whole(0, 1),
});
/** Where a virtqueue's position is kept for the next process. */
export const RECORD = {
  /** Shared with the front-end, or a file of ours (packed rings). */
  kind: choice("journal", "inflight"),
  /** Host address, inside a mapping the data plane knows. */
  address: ADDRESS,
  /** Entries of an inflight region, or of the ring. */
  entries: whole(0, 65535),
  /** Inflight: number of the next chain taken. */
  counter: COUNT,
  /** Inflight, split: chains held before are served first, from the region. */
  listed: flag,
} as const;
const FEATURE_FLAGS = Object.fromEntries(
  Object.keys(QUEUE_FEATURES).map((name) => [name, flag]),
) as { readonly [Name in keyof QueueFeatures]: Field<boolean> };
/** Everything the data plane needs to serve one virtqueue. */
export const VRING_START = {
  /** Entries; a power of two for split rings. */
  size: whole(1, 32768),
  /** VIRTIO_F_RING_PACKED was negotiated. */
  packed: flag,
  /** Which of these features were negotiated, one by one. */
  ...FEATURE_FLAGS,
  /** Bytes of the virtio-net header. */
  headerBytes: whole(VIRTIO_NET_HDR_BYTES, VIRTIO_NET_HDR_MRG_RXBUF_BYTES),
  /** Descriptor table (split) or ring (packed). */
  descAddress: ADDRESS,
  /** Available ring (split) or driver event suppression (packed). */
  driverAddress: ADDRESS,
  /** Used ring (split) or device event suppression (packed). */
  deviceAddress: ADDRESS,
  /** Where it goes on. */
  position: POSITION,
  /** -1: the front-end asks for polling. */
  kickFd: FD,
  /** An eventfd or a socket; -1: the driver polls. */
  callFd: FD,
  /** As `setVringEnabled` sets it. */
  enabled: flag,
  /** As `setVringLog` sets it. */
  logGuestAddr: LOG_GUEST_ADDR,
  /** Null: what is taken and given back is noted nowhere. */
  record: maybe(record(RECORD)),
} as const;
/** A dirty log and where it is mapped. */
export const LOG = {
  /** One bit a page of 4096 bytes. */
  sizeBytes: SIZE_BYTES,
  /** Host address of its first byte, inside the mapping. */
  address: ADDRESS,
  /** The mapping, as `addMapping` numbered it. */
  mapping: MAPPING,
} as const;
/** VLANs of a port, as PortVlans (lib/switch/vlan/port_vlans.ts) has them. */
export const VLANS = {
  /** A bit for each VLAN, those of 32 in each word, the least first. */
  members: list(WORD, VLAN_WORDS),
  /** Of untagged frames; 0: they are in none. */
  native: whole(0, VID_MAX),
  /** What is in its frames is the matter of who is behind it. */
  access: flag,
} as const;
/** What a port may not say, see lib/switch/guard/guard.ts. */
export const GUARDS = {
  /** A DHCP server's words. */
  dhcp: flag,
  /** A router's words. */
  ra: flag,
  /** IP addresses that it may have, those of IPv4 one word, of IPv6 four; null: any. */
  addresses: maybe(
    list(record({ words: list(WORD, V6_WORDS), bits: whole(0, 128) }), PREFIXES_MAX),
  ),
} as const;
/** A MAC address known on a port, as lib/base/mac.ts has them. */
export const LEARNED_MAC = {
  /** Address bytes 0-3. */
  macLo: WORD,
  /** Address bytes 4-5, and a VLAN in bits 16-27. */
  macHi: WORD,
  /** Since its last frame. */
  ageSeconds: SECONDS,
} as const;

/** A value of {@linkcode REGION}. */
export type PlacedRegion = Values<typeof REGION>;
/** A value of {@linkcode RECORD}. */
export type VringRecord = Values<typeof RECORD>;
/** A value of {@linkcode VRING_START}. */
export type VringStart = Values<typeof VRING_START>;
/** A value of {@linkcode LOG}. */
export type PlacedLog = Values<typeof LOG>;
/** A value of {@linkcode VLANS}. */
export type Vlans = Values<typeof VLANS>;
/** A value of {@linkcode GUARDS}. */
export type Guards = Values<typeof GUARDS>;
/** A value of {@linkcode LEARNED_MAC}. */
export type LearnedMac = Values<typeof LEARNED_MAC>;
