// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Split virtqueue, device side: its state and its notifications (virtio-v1.3 §2.7). What moves
 * frames is in frames.ts.
 *
 * ```
 * descriptor table   16 bytes each: addr u64@0  len u32@8  flags u16@12  next u16@14
 * available ring     flags u16@0  idx u16@2  ring u16[size]@4  used_event u16
 * used ring          flags u16@0  idx u16@2  ring {id u32, len u32}[size]@4  avail_event u16
 * ```
 *
 * @module
 */
import type { BadChains } from "../bad_chain.ts";
import { logSplitKicks, logSplitUsed, type QueueLog } from "../memory/dirty_log.ts";
import { splitGiven, splitGiving, type SplitInflight } from "../inflight/region.ts";
import {
  DESC_BYTES,
  LOG_OFF,
  type MappedArea,
  RING_BAD_AVAIL,
  RING_OK,
  vringNeedEvent,
  type VringPosition,
  type VringShape,
} from "../ring.ts";

const AVAIL_FLAGS = 0;
const AVAIL_IDX = 1;
const AVAIL_RING = 2;
const USED_FLAGS = 0;
const USED_IDX = 1;
const VRING_AVAIL_F_NO_INTERRUPT = 1;
const VRING_USED_F_NO_NOTIFY = 1;

/** Bytes of the descriptor table. */
export function splitDescBytes(size: number): number {
  return DESC_BYTES * size;
}
/** Bytes of the available ring, `used_event` included. */
export function splitAvailBytes(size: number): number {
  return 6 + 2 * size;
}
/** Bytes of the used ring, `avail_event` included. */
export function splitUsedBytes(size: number): number {
  return 6 + 8 * size;
}

/**
 * One split virtqueue. All fields belong to the data-plane thread.
 *
 * @example A frame that a driver sends, taken and given back
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { frameId } from "../burst.ts";
 * import { GuestMemory } from "../memory/guest_memory.ts";
 * import { WindowSet } from "../memory/window.ts";
 * import { takeSplit } from "./frames.ts";
 * import { finishSplit } from "./used.ts";
 *
 * // A page of guest memory with a ring of 8 entries at its start.
 * const buffer = new ArrayBuffer(4096);
 * const windows = WindowSet.over(buffer);
 * const memory = new GuestMemory([
 *   { guestAddr: 0, sizeBytes: buffer.byteLength, windows, mappingOffset: 0 },
 * ]);
 * const [avail, used] = [splitDescBytes(8), 256];
 * const queue = new SplitQueue({
 *   ...{ size: 8, eventIdx: false, indirect: false, mergeable: false, headerBytes: 12 },
 *   desc: { buffer, offset: 0 },
 *   driver: { buffer, offset: avail },
 *   device: { buffer, offset: used },
 * }, { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 });
 * assert(!splitHasWork(queue));
 *
 * // The driver: descriptor 5 says where header and frame are, then it is made available.
 * const ram = new DataView(buffer);
 * ram.setBigUint64(16 * 5, 1024n, true);
 * ram.setUint32(16 * 5 + 8, 12 + 60, true);
 * ram.setUint16(avail + 4, 5, true);
 * ram.setUint16(avail + 2, 1, true);
 * assert(splitHasWork(queue));
 *
 * // The device: it takes up to 32 frames, and gives them back when they are where they go.
 * assert.equal(takeSplit(queue, memory, 32), 1);
 * assert.equal(frameId[0], 5);
 * finishSplit(queue, 1);
 * assert.deepEqual([ram.getUint16(used + 2, true), ram.getUint32(used + 4, true)], [1, 5]);
 * assert(splitWantsCall(queue));
 * windows.release();
 * ```
 */
export class SplitQueue implements BadChains {
  /** Its kind. */
  readonly packed = false;
  /** Entries, 1-32768, a power of two. */
  readonly size: number;
  /** `size` - 1: free-running indices become places in the ring. */
  readonly mask: number;
  /** VIRTIO_RING_F_EVENT_IDX was negotiated. */
  readonly eventIdx: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean;
  /** VIRTIO_NET_F_MRG_RXBUF was negotiated. */
  readonly mergeable: boolean;
  /** What it transmits may ask for offloads: virtio-net headers are read. */
  readonly offloads: boolean;
  /** Bytes of the virtio-net header, 10 or 12. */
  readonly headerBytes: number;
  /** Descriptor table in guest memory, 4 words an entry. */
  readonly desc: Int32Array;
  /** Available ring in units of 16 bits: flags, index, heads, used_event. */
  readonly avail: Uint16Array;
  /**
   * Where the heads of available chains are read: `avail`, or a private ring while chains that an
   * earlier process had taken in another order are served again.
   */
  heads: Uint16Array;
  /** Private heads: the next entry to copy from `avail`, free running. */
  headsCopied = 0;
  /** Private heads: the first entry that need not be copied, free running. */
  headsEnd = 0;
  /** Used ring in units of 16 bits: flags, index, entries, avail_event. */
  readonly used: Uint16Array;
  /** Its entries, 2 words each: id and bytes. */
  readonly usedRing: Int32Array;
  /** Next available entry to take, free running. */
  lastAvail: number;
  /** Next used entry to write, free running; equal to `lastAvail` when nothing is held. */
  lastUsed: number;
  /** Used index at the last decision to call the driver or not. */
  signalledUsed: number;
  /** By SET_VRING_ENABLE: otherwise frames are taken and discarded, and none is delivered. */
  enabled = true;
  /** Where its chains are tracked for the next process, or null. */
  inflight: SplitInflight | null = null;
  /** See {@linkcode BadChains}. */
  badChains = 0;
  badReasons = 0;
  toldReasons = 0;
  /** A RING_ reason; not RING_OK: the ring is given up and never touched again. */
  broken: number = RING_OK;
  /** Where its writes are logged while its guest migrates, otherwise null. */
  log: QueueLog | null = null;
  /** Where the front-end wants its device area logged: a guest address or a LOG_ constant. */
  logGuestAddr: number = LOG_OFF;
  /** Where descriptors are mapped, for the log alone. */
  descArea: MappedArea | null = null;
  /** Where the device area is mapped, for the log alone. */
  deviceArea: MappedArea | null = null;

  /** Takes a ring up at a position; it holds nothing. */
  constructor(shape: VringShape, position: VringPosition) {
    this.size = shape.size;
    this.mask = shape.size - 1;
    this.eventIdx = shape.eventIdx;
    this.indirect = shape.indirect;
    this.mergeable = shape.mergeable;
    this.offloads = shape.csum ?? false;
    this.headerBytes = shape.headerBytes;
    const { desc, driver, device } = shape;
    this.desc = new Int32Array(desc.buffer, desc.offset, 4 * shape.size);
    this.avail = new Uint16Array(driver.buffer, driver.offset, 3 + shape.size);
    this.heads = this.avail;
    this.used = new Uint16Array(device.buffer, device.offset, 3 + 4 * shape.size);
    this.usedRing = new Int32Array(device.buffer, device.offset + 4, 2 * shape.size);
    this.lastAvail = position.availIndex;
    this.lastUsed = position.usedIndex;
    this.signalledUsed = position.usedIndex;
  }

  /** Where the queue stands, for GET_VRING_BASE. */
  position(): VringPosition {
    return { availIndex: this.lastAvail, availWrap: 1, usedIndex: this.lastUsed, usedWrap: 1 };
  }
}

// cold
/**
 * Serves the chains of `again` first, which an earlier process had taken, then the available ring
 * from where that process had come. The queue's position must stand before them.
 */
export function splitServeAgain(queue: SplitQueue, again: readonly number[]): void {
  queue.heads = new Uint16Array(AVAIL_RING + queue.size);
  again.forEach((head, i) => {
    queue.heads[AVAIL_RING + ((queue.lastAvail + i) & queue.mask)] = head;
  });
  queue.headsCopied = queue.headsEnd = (queue.lastAvail + again.length) & 0xffff;
}

/**
 * Private heads: adds what became available up to `end`, or goes over to the available ring.
 * @returns false: the driver took back what it had made available, and the queue is broken
 */
export function splitCopyHeads(queue: SplitQueue, end: number): boolean {
  const { avail, heads, mask } = queue;
  // Entries of the ring are younger than all of those served again.
  const left = (queue.headsEnd - queue.lastAvail) & 0xffff;
  if (left === 0 || left > queue.size) {
    queue.heads = avail;
    return true;
  }
  if (((end - queue.headsCopied) & 0xffff) > queue.size) {
    queue.broken = RING_BAD_AVAIL;
    return false;
  }
  for (; queue.headsCopied !== end; queue.headsCopied = (queue.headsCopied + 1) & 0xffff) {
    const entry = AVAIL_RING + (queue.headsCopied & mask);
    heads[entry] = avail[entry]!;
  }
  return true;
}

/** Shows the driver all used entries before `index`. @param received they are receive buffers */
export function publishSplit(queue: SplitQueue, index: number, received: boolean): void {
  const from = queue.lastUsed;
  const tracked = queue.inflight;
  if (tracked !== null) splitGiving(queue, tracked, from, index, received);
  queue.lastUsed = index;
  Atomics.store(queue.used, USED_IDX, index);
  if (queue.log !== null) logSplitUsed(queue.log, queue.size, from, index);
  if (tracked !== null) splitGiven(queue, tracked, from, index);
}

/** Whether the driver has made anything available. */
export function splitHasWork(queue: SplitQueue): boolean {
  return Atomics.load(queue.avail, AVAIL_IDX) !== queue.lastAvail;
}

/** Chains that the driver has made available, and that were not taken. */
export function splitRoom(queue: SplitQueue): number {
  return (Atomics.load(queue.avail, AVAIL_IDX) - queue.lastAvail) & 0xffff;
}

/**
 * Whether the driver wants a call for what was published since the last question. The used index
 * was stored with Atomics before: that store must not be overtaken by the loads here, or a wake-up
 * is lost (virtio-v1.3 §2.7.7.2).
 */
export function splitWantsCall(queue: SplitQueue): boolean {
  const old = queue.signalledUsed;
  queue.signalledUsed = queue.lastUsed;
  if (queue.eventIdx) {
    const usedEvent = Atomics.load(queue.avail, AVAIL_RING + queue.size);
    return vringNeedEvent(usedEvent, queue.lastUsed, old);
  }
  return (Atomics.load(queue.avail, AVAIL_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) === 0;
}

/**
 * Asks the driver for kicks, or no more (virtio-v1.3 §2.7.10). After asking, look for work once
 * more: what came before the driver saw this brings no kick.
 */
export function splitSetKicks(queue: SplitQueue, wanted: boolean): void {
  if (queue.eventIdx) {
    // Without kicks the event index stays behind, where the driver passes it once in 65,536.
    if (!wanted) return;
    Atomics.store(queue.used, USED_IDX + 1 + 4 * queue.size, queue.lastAvail);
  } else Atomics.store(queue.used, USED_FLAGS, wanted ? 0 : VRING_USED_F_NO_NOTIFY);
  if (queue.log !== null) logSplitKicks(queue.log, queue.size, queue.eventIdx);
}
