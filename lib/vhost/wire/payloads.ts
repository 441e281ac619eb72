/**
 * Payloads of requests: for each its length and how it is read into named numbers. What these mean
 * to a device is its handler's to judge; here only what can be no payload at all is refused.
 *
 * ```
 * vring state    index u32@0  num u32@4
 * vring address  index u32@0  flags u32@4  desc u64@8  used u64@16  avail u64@24  log u64@32
 * vring fd       u64: index in bits 0-7, bit 8 no descriptor comes along
 * log            mmap_size u64@0  mmap_offset u64@8
 * config         offset u32@0  size u32@4  flags u32@8  data@12
 * inflight       mmap_size u64@0  mmap_offset u64@8  num_queues u16@16  queue_size u16@18  padding
 * device state   direction u32@0 (0 save, 1 load)  phase u32@4 (0 stopped)
 * memory region  padding u64@0  region@8
 * mac            address in the first 6 bytes of a u64
 * ```
 *
 * @module
 */
import type { Mac } from "../../base/mac.ts";
import type { MemoryRegion } from "../host.ts";
import type { Refusal } from "../reasons.ts";
import { decodeIotlb, IOTLB_BYTES, type IotlbMessage } from "./back_end_message.ts";
import {
  decodeMemoryTable,
  decodeRegion,
  REGION_BYTES,
  TABLE_HEAD_BYTES,
} from "./memory_regions.ts";
import {
  exactU64,
  VHOST_MEMORY_BASELINE_NREGIONS,
  VHOST_USER_VRING_IDX_MASK,
  VHOST_USER_VRING_NOFD_MASK,
} from "./message.ts";

/** A kind of payload. */
export interface Payload<T extends object> {
  /** Fewest bytes allowed. */
  readonly bytesMin: number;
  /** Most bytes allowed. */
  readonly bytesMax: number;
  /**
   * Reads a payload of an allowed length that came with `fdCount` descriptors. What it returns is
   * valid until the message is handled. @returns why it is none
   */
  readonly decode: (view: DataView, fdCount: number) => T | Refusal;
}

function fixed<T extends object>(bytes: number, decode: Payload<T>["decode"]): Payload<T> {
  return { bytesMin: bytes, bytesMax: bytes, decode };
}

/** A message without payload. */
export const EMPTY: Payload<object> = fixed(0, () => ({}));

/** A u64 alone. */
export interface Word {
  /** All 64 bits. */
  readonly value: bigint;
}

/** See {@linkcode Word}. */
export const U64: Payload<Word> = fixed(8, (view) => ({ value: view.getBigUint64(0, true) }));

/** A number about a virtqueue. Neither field is checked. */
export interface VringNumber {
  /** Virtqueue. */
  readonly index: number;
  /** What it means depends on the message. */
  readonly num: number;
}

/** See {@linkcode VringNumber}. */
export const VRING_STATE: Payload<VringNumber> = fixed(8, (view) => ({
  index: view.getUint32(0, true),
  num: view.getUint32(4, true),
}));

/** User addresses of a vring's areas, as in SET_VRING_ADDR; below 2^53. */
export interface VringAddresses {
  /** Descriptor table or ring. */
  readonly desc: number;
  /** Used ring, or device event suppression. */
  readonly used: number;
  /** Available ring, or driver event suppression. */
  readonly avail: number;
}

/** Where a virtqueue lies. */
export interface VringPlaces {
  /** Virtqueue; not checked. */
  readonly index: number;
  /** Null: one of them is 2^53 or more. */
  readonly addresses: VringAddresses | null;
  /** What is written into the ring is logged. */
  readonly logged: boolean;
  /** Guest address that stands for the used ring in the log; null: 2^53 or more. */
  readonly logGuestAddr: number | null;
}

/** In SET_VRING_ADDR's flags. */
const VHOST_VRING_F_LOG = 1;

/** See {@linkcode VringPlaces}. */
export const VRING_ADDR: Payload<VringPlaces> = fixed(40, (view) => {
  const desc = exactU64(view, 8);
  const used = exactU64(view, 16);
  const avail = exactU64(view, 24);
  const exact = desc !== null && used !== null && avail !== null;
  return {
    index: view.getUint32(0, true),
    addresses: exact ? { desc, used, avail } : null,
    logged: (view.getUint32(4, true) & VHOST_VRING_F_LOG) !== 0,
    logGuestAddr: exactU64(view, 32),
  };
});

/** Says which virtqueue's kick, call or err descriptor comes along, or that there is none. */
export interface VringFd {
  /** Virtqueue, 0-255. */
  readonly index: number;
  /** Descriptors due: 0 or 1. */
  readonly fdsDue: number;
  /** The whole number. */
  readonly value: bigint;
  /** Bits are set that mean nothing. */
  readonly stray: boolean;
}

/** See {@linkcode VringFd}. */
export const VRING_FD: Payload<VringFd> = fixed(8, (view) => {
  const value = view.getBigUint64(0, true);
  return {
    index: Number(value & VHOST_USER_VRING_IDX_MASK),
    fdsDue: (value & VHOST_USER_VRING_NOFD_MASK) === 0n ? 1 : 0,
    value,
    stray: (value & ~(VHOST_USER_VRING_IDX_MASK | VHOST_USER_VRING_NOFD_MASK)) !== 0n,
  };
});

/** A part of a file. */
export interface FilePart {
  /** Length; null: 2^53 bytes or more. */
  readonly sizeBytes: number | null;
  /** Where it begins, bytes; null: 2^53 or more. */
  readonly mmapOffset: number | null;
}

function filePart(view: DataView): FilePart {
  return { sizeBytes: exactU64(view, 0), mmapOffset: exactU64(view, 8) };
}

/** Where a dirty log stands in its file. */
export const LOG: Payload<FilePart> = fixed(16, filePart);

/** A whole memory table: sane regions that overlap nowhere, and a descriptor for each. */
export const MEMORY_TABLE: Payload<{ readonly regions: readonly MemoryRegion[] }> = {
  bytesMin: TABLE_HEAD_BYTES,
  bytesMax: TABLE_HEAD_BYTES + REGION_BYTES * VHOST_MEMORY_BASELINE_NREGIONS,
  decode: (view, fdCount) => {
    const regions = decodeMemoryTable(view, fdCount);
    return Array.isArray(regions) ? { regions } : regions;
  },
};

/** A region in a single-region message stands behind 8 bytes of padding. */
const SINGLE_REGION_OFFSET = 8;

/** One sane region. */
export const MEMORY_REGION: Payload<MemoryRegion> = fixed(
  SINGLE_REGION_OFFSET + REGION_BYTES,
  (view) => decodeRegion(view, SINGLE_REGION_OFFSET),
);

/** A MAC address. */
export const MAC: Payload<Mac> = fixed(8, (view) => ({
  low: view.getInt32(0, true),
  high: view.getUint16(4, true),
}));

/** A message about translations. */
export const IOTLB: Payload<IotlbMessage> = fixed(IOTLB_BYTES, decodeIotlb);

/** Bytes of a configuration space: as much as any front-end may ask for at once. */
export const VHOST_USER_MAX_CONFIG_SIZE = 256;
/** Bytes in front of the data. */
export const CONFIG_HEAD_BYTES = 12;

/** A part of the configuration space, as GET_CONFIG and SET_CONFIG name it. */
export interface ConfigPart {
  /** First byte; not checked. */
  readonly offset: number;
  /** Bytes asked for, or meant to be written; not checked. */
  readonly size: number;
  /** VHOST_SET_CONFIG_TYPE_ in SET_CONFIG. */
  readonly flags: number;
  /** As many as came, which need not be `size`. */
  readonly data: Uint8Array;
}

/** See {@linkcode ConfigPart}. */
export const CONFIG: Payload<ConfigPart> = {
  bytesMin: CONFIG_HEAD_BYTES,
  bytesMax: CONFIG_HEAD_BYTES + VHOST_USER_MAX_CONFIG_SIZE,
  decode: (view) => ({
    offset: view.getUint32(0, true),
    size: view.getUint32(4, true),
    flags: view.getUint32(8, true),
    data: new Uint8Array(
      view.buffer,
      view.byteOffset + CONFIG_HEAD_BYTES,
      view.byteLength - CONFIG_HEAD_BYTES,
    ),
  }),
};

/** Bytes of an inflight area's description, padding included. */
export const INFLIGHT_PAYLOAD_BYTES = 24;

/** An inflight area as the front-end describes it. */
export interface InflightShape extends FilePart {
  /** Virtqueues that have a region. */
  readonly queues: number;
  /** Descriptors each region has room for. */
  readonly entries: number;
}

/** See {@linkcode InflightShape}. */
export const INFLIGHT: Payload<InflightShape> = fixed(INFLIGHT_PAYLOAD_BYTES, (view) => ({
  ...filePart(view),
  queues: view.getUint16(16, true),
  entries: view.getUint16(18, true),
}));

/** How a device's own state is to be transferred, and when. */
export interface StateTransfer {
  /** VHOST_TRANSFER_STATE_DIRECTION_: 0 save, 1 load; not checked. */
  readonly direction: number;
  /** VHOST_TRANSFER_STATE_PHASE_: 0, all rings stopped; not checked. */
  readonly phase: number;
}

/** See {@linkcode StateTransfer}. */
export const STATE_TRANSFER: Payload<StateTransfer> = fixed(8, (view) => ({
  direction: view.getUint32(0, true),
  phase: view.getUint32(4, true),
}));
