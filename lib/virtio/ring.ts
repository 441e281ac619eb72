/**
 * What split and packed virtqueues have in common: descriptor flags, why a ring is given up, and
 * the arithmetic of notification suppression.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { LIMITS } from "../base/port_limits.ts";
import type { WindowSet } from "./memory/window.ts";

/** The buffer continues in the next descriptor. */
export const VRING_DESC_F_NEXT = 1;
/** The device writes the buffer (otherwise it reads it). */
export const VRING_DESC_F_WRITE = 2;
/** The buffer holds a table of descriptors. */
export const VRING_DESC_F_INDIRECT = 4;
/** Any of the three. */
export const ANY_DESC_FLAG = 7;

/** Most entries of a virtqueue, and so of a chain (virtio-v1.3 §2.7, §2.8). */
export const VIRTQUEUE_SIZE_MAX: number = LIMITS["ring-size"].most;
/** Bytes of a descriptor of either ring. */
export const DESC_BYTES = 16;

/** Where a virtqueue stands. Wrap counters are 0 or 1, and 1 for split rings (unused). */
export interface VringPosition {
  /** Split: next available index, free running 0-65535. Packed: next slot, 0-32767. */
  readonly availIndex: number;
  /** Wrap counter at `availIndex`. */
  readonly availWrap: number;
  /** Split: next used index, free running. Packed: next slot to write used. */
  readonly usedIndex: number;
  /** Wrap counter at `usedIndex`. */
  readonly usedWrap: number;
}

/** A piece of a window's buffer where one of a ring's areas lies. */
export interface RingArea {
  /** Of the view that holds the whole area. */
  readonly buffer: ArrayBuffer;
  /** Bytes from the buffer's start. */
  readonly offset: number;
}

/** In place of the guest address at which a device area is logged: its writes are not logged. */
export const LOG_OFF: number = -1;
/** Likewise: its writes are logged at the guest addresses of the memory it is in. */
export const LOG_BY_PLACE: number = -2;

/** The mapping that holds one of a ring's areas: guest addresses are found from there. */
export interface MappedArea {
  /** All windows of the mapping. */
  readonly windows: WindowSet;
  /** Where the area starts in the mapping, bytes. */
  readonly mappingOffset: number;
}

/**
 * Features that change how a virtqueue is served, by their names here. From this table the session
 * says which were negotiated, the command that starts a virtqueue carries them, and a queue has them.
 */
export const QUEUE_FEATURES = {
  eventIdx: "VIRTIO_RING_F_EVENT_IDX",
  indirect: "VIRTIO_RING_F_INDIRECT_DESC",
  mergeable: "VIRTIO_NET_F_MRG_RXBUF",
  csum: "VIRTIO_NET_F_CSUM",
  hostTso4: "VIRTIO_NET_F_HOST_TSO4",
  hostTso6: "VIRTIO_NET_F_HOST_TSO6",
  hostEcn: "VIRTIO_NET_F_HOST_ECN",
  hostUso: "VIRTIO_NET_F_HOST_USO",
  guestCsum: "VIRTIO_NET_F_GUEST_CSUM",
  guestTso4: "VIRTIO_NET_F_GUEST_TSO4",
  guestTso6: "VIRTIO_NET_F_GUEST_TSO6",
  guestEcn: "VIRTIO_NET_F_GUEST_ECN",
  guestUso4: "VIRTIO_NET_F_GUEST_USO4",
  guestUso6: "VIRTIO_NET_F_GUEST_USO6",
} as const;

/** Which of them were negotiated. */
export type QueueFeatures = { readonly [Name in keyof typeof QUEUE_FEATURES]: boolean };

/** None of them was. */
export const NO_FEATURES: QueueFeatures = Object.fromEntries(
  Object.keys(QUEUE_FEATURES).map((name) => [name, false]),
) as QueueFeatures;

/** Of them, those that a virtqueue itself goes by; the others are its user's. */
export type ShapeFeatures = Pick<QueueFeatures, "eventIdx" | "indirect" | "mergeable">;

/** What a virtqueue is made from: negotiated features and its three areas. */
export interface VringShape extends ShapeFeatures {
  /** VIRTIO_NET_F_CSUM was negotiated: what it transmits may ask for offloads. Default: not. */
  readonly csum?: boolean;
  /** Entries, 1-32768; a power of two for split rings. */
  readonly size: number;
  /** Bytes of the virtio-net header, 10 or 12: see net_header.ts. */
  readonly headerBytes: number;
  /** Descriptor table (split) or ring (packed). */
  readonly desc: RingArea;
  /** Available ring (split) or driver event suppression (packed). */
  readonly driver: RingArea;
  /** Used ring (split) or device event suppression (packed). */
  readonly device: RingArea;
}

/*
 * Why rings are given up. What follows is done by no driver that works at all; everything odd that
 * drivers are seen to do costs at most the chain it is done in:
 *
 *   a chain of length 0, empty descriptors in a chain       sent: malformed; to receive: returned empty
 *   a receive chain without room for the header             returned empty, the next one is used
 *   a chain to send that is shorter than header and frame   malformed, returned
 *   more bytes than any frame has                           oversize, returned
 *   a writable buffer to send, a readable one to receive    returned empty (bad_chain.ts)
 *   an indirect table that is none, nested, not negotiated  returned empty (bad_chain.ts)
 *   an indirect table that is longer than the ring (Linux)  served
 *   WRITE in a packed indirect table to send (DPDK 22.11)   ignored
 *   WRITE beside INDIRECT, NEXT in a packed indirect table  ignored (virtio-v1.3 §2.7.5.3.2, §2.8.8)
 *   header and frame cut anywhere, in any number of pieces  served
 */

/** The ring works. Any other value is why it was given up: the driver broke a MUST. */
export const RING_OK = 0;
/** A descriptor index, `next` or buffer id is not below the ring's size. */
export const RING_BAD_INDEX = 1;
/** A chain is longer than the ring: a loop. */
export const RING_LOOP = 2;
/** A buffer lies outside guest memory. */
export const RING_BAD_ADDRESS = 3;
/** Packed: an indirect descriptor that is continued: nobody can tell where its chain ends. */
export const RING_BAD_INDIRECT = 4;
/** More chains became available than the ring has entries. */
export const RING_BAD_AVAIL = 5;
/** The front-end refuses the access a buffer needs (IOTLB). */
export const RING_ACCESS = 6;
/** No fault: the ring waits until an address is translated (IOTLB). */
export const RING_UNTRANSLATED = 7;
/** The kernel finds no page where a buffer is: its memory file was cut, or has none to give. */
export const RING_BAD_PAGE = 8;

/** Code and meaning of the reasons above, by number from 1. */
export const RING_REASON_ROWS = [
  ["bad-index", "a descriptor index, `next` or buffer id that is not below the ring's size"],
  ["chain-loop", "a chain longer than the ring"],
  ["bad-address", "a buffer outside the shared memory"],
  ["bad-indirect", "a packed ring's indirect descriptor that is continued: no end can be told"],
  ["avail-jump", "more buffers made available than the ring has"],
  ["iotlb-access", "the IOMMU refuses the access"],
  ["untranslated", "no fault: it waits for a translation"],
  ["bad-page", "a page of a buffer is gone, or was never to be had: the connection ends"],
] as const satisfies readonly (readonly [code: string, meaning: string])[];

/** Why a ring was given up. */
export type RingReason = (typeof RING_REASON_ROWS)[number][0];

/** Codes of the reasons above, by number. */
export const RING_REASONS: readonly (RingReason | "ok")[] = [
  "ok",
  ...RING_REASON_ROWS.map(([code]) => code),
];

assert(RING_REASONS.length === RING_BAD_PAGE + 1, "every reason has its text");

/** What is known of the processor. */
const processor = { loadsInOrder: false };

/** Says whether loads are done in program order, as x86 promises. Before rings run; not at first. */
export function trustLoadOrder(trusted: boolean): void {
  processor.loadsInOrder = trusted;
}

/** Whether a flag that was read before what it guards needs nothing to keep the two in order. */
export function loadsInOrder(): boolean {
  return processor.loadsInOrder;
}

/** Private copy of the indirect table at hand. */
export const indirectTable: Int32Array<ArrayBuffer> = new Int32Array(VIRTQUEUE_SIZE_MAX * 4);

/** What a chain walk found, besides its segments, by the WALK_ indices. One for the thread. */
export const walk: Int32Array<ArrayBuffer> = new Int32Array(new ArrayBuffer(64));
/** Bytes of the chain, at most a little above CHAIN_BYTES_MAX however long the chain claims to be. */
export const WALK_BYTES = 0;
/** Why the walk failed (a RING_ reason). */
export const WALK_REASON = 1;
/** Packed: buffer id of the chain. */
export const WALK_ID = 2;
/** Packed: ring slots of the chain. */
export const WALK_SLOTS = 3;
/** Descriptors that may still be read in this visit; counted down by each walk. */
export const WALK_STEPS = 4;

/**
 * Descriptors read in one visit to a ring, a little more at most: a tenant that offers the same
 * endless chain over and over costs the others less than a millisecond.
 */
export const STEPS_MAX = 65536;

/**
 * Whether an index moving from `oldIndex` to `newIndex` passes `event` (virtio-v1.3 §2.7.10). All
 * are 16-bit free-running numbers.
 */
export function vringNeedEvent(event: number, newIndex: number, oldIndex: number): boolean {
  return ((newIndex - event - 1) & 0xffff) < ((newIndex - oldIndex) & 0xffff);
}
