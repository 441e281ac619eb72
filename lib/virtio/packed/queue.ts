// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Packed virtqueue, device side: its state, what is available in it, and its notifications
 * (virtio-v1.3 §2.8). What moves frames is in frames.ts.
 *
 * ```
 * descriptor ring     16 bytes each: addr u64@0  len u32@8  id u16@12  flags u16@14
 * event suppression   off_wrap u16@0  flags u16@2, one area for the driver, one for the device
 * ```
 *
 * A descriptor is available when its AVAIL bit equals the wrap counter and its USED bit does not,
 * used when both equal it.
 *
 * @module
 */
import type { BadChains } from "../bad_chain.ts";
import { logPackedKicks, type QueueLog } from "../memory/dirty_log.ts";
import type { PackedInflight } from "../inflight/region.ts";
import type { PackedJournal } from "./journal.ts";
import {
  DESC_BYTES,
  LOG_OFF,
  type MappedArea,
  RING_OK,
  vringNeedEvent,
  type VringPosition,
  type VringShape,
} from "../ring.ts";

const VRING_PACKED_DESC_F_AVAIL = 1 << 7;
const VRING_PACKED_DESC_F_USED = 1 << 15;
/** Flags of a used descriptor in a round whose wrap counter is 1; 0 in the others. */
export const PACKED_USED_FLAGS: number = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
const VRING_PACKED_EVENT_FLAG_ENABLE = 0;
const VRING_PACKED_EVENT_FLAG_DISABLE = 1;
const VRING_PACKED_EVENT_FLAG_DESC = 2;
const EVENT_OFF_WRAP = 0;
const EVENT_FLAGS = 1;
/** The flags of slot n stand at 8n + 7 in units of 16 bits. */
const FLAGS = 7;

/** Bytes of the descriptor ring. */
export function packedDescBytes(size: number): number {
  return DESC_BYTES * size;
}
/** Bytes of an event suppression area. */
export const PACKED_EVENT_BYTES = 4;

/** One packed virtqueue. All fields belong to the data-plane thread. */
export class PackedQueue implements BadChains {
  /** Its kind. */
  readonly packed = true;
  /** Slots, 1-32768. */
  readonly size: number;
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
  /** Descriptor ring in guest memory, 4 words a slot. */
  readonly desc: Int32Array;
  /** The same in units of 16 bits, 8 a slot: for the flags. */
  readonly desc16: Uint16Array;
  /** Driver event suppression: off_wrap, flags. */
  readonly driverEvent: Uint16Array;
  /** Device event suppression: off_wrap, flags. */
  readonly deviceEvent: Uint16Array;
  /** Next slot to look at. */
  availSlot: number;
  /** Wrap counter that makes a descriptor there available, 0 or 1. */
  availWrap: number;
  /** Next slot to write used; equal to `availSlot` when nothing is held. */
  usedSlot: number;
  /** Its wrap counter, 0 or 1. */
  usedWrap: number;
  /** Slots written used since the driver was last called or not, at most the ring's size. */
  unsignalled = 0;
  /** By SET_VRING_ENABLE: otherwise frames are taken and discarded, and none is delivered. */
  enabled = true;
  /** Where its position is kept for the next process, or null. */
  ledger: PackedJournal | PackedInflight | null = null;
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
    this.eventIdx = shape.eventIdx;
    this.indirect = shape.indirect;
    this.mergeable = shape.mergeable;
    this.offloads = shape.csum ?? false;
    this.headerBytes = shape.headerBytes;
    const { desc, driver, device } = shape;
    this.desc = new Int32Array(desc.buffer, desc.offset, 4 * shape.size);
    this.desc16 = new Uint16Array(desc.buffer, desc.offset, 8 * shape.size);
    this.driverEvent = new Uint16Array(driver.buffer, driver.offset, 2);
    this.deviceEvent = new Uint16Array(device.buffer, device.offset, 2);
    this.availSlot = position.availIndex;
    this.availWrap = position.availWrap;
    this.usedSlot = position.usedIndex;
    this.usedWrap = position.usedWrap;
  }

  /** Where the queue stands, for GET_VRING_BASE. */
  position(): VringPosition {
    return {
      availIndex: this.availSlot,
      availWrap: this.availWrap,
      usedIndex: this.usedSlot,
      usedWrap: this.usedWrap,
    };
  }
}

/** The two flags of a descriptor that is available in a round with this wrap counter. */
export function packedAvailable(wrap: number): number {
  return wrap === 0 ? VRING_PACKED_DESC_F_USED : VRING_PACKED_DESC_F_AVAIL;
}

function isAvailable(flags: number, wrap: number): boolean {
  return (flags & PACKED_USED_FLAGS) === packedAvailable(wrap);
}

/** Whether the driver has made anything available. */
export function packedHasWork(queue: PackedQueue): boolean {
  return isAvailable(Atomics.load(queue.desc16, 8 * queue.availSlot + FLAGS), queue.availWrap);
}

/**
 * Counts available slots from the queue's position on, at most `slotsMax`. The last one is read
 * again with Atomics: what the driver wrote before it is then visible, on every processor.
 */
export function availableSlots(queue: PackedQueue, slotsMax: number): number {
  const { desc16, size } = queue;
  let slot = queue.availSlot;
  let wrap = queue.availWrap;
  if (!isAvailable(desc16[8 * slot + FLAGS]!, wrap)) return 0;
  const most = slotsMax < size ? slotsMax : size;
  let count = 0;
  let last = slot;
  while (count < most && isAvailable(desc16[8 * slot + FLAGS]!, wrap)) {
    last = slot;
    count++;
    if (++slot === size) {
      slot = 0;
      wrap ^= 1;
    }
  }
  Atomics.load(desc16, 8 * last + FLAGS);
  return count;
}

/**
 * About how many slots are available, by a look at a dozen of them: those that are stand in a row, so
 * the row's end is found by halves. A driver that leaves gaps gets some number of its ring's.
 */
export function readySlots({ availSlot, availWrap, desc16, size }: PackedQueue): number {
  let least = 0;
  let most = size;
  while (least < most) {
    const middle = (least + most) >>> 1;
    const slot = availSlot + middle;
    const isReady = slot < size
      ? isAvailable(desc16[8 * slot + FLAGS]!, availWrap)
      : isAvailable(desc16[8 * (slot - size) + FLAGS]!, availWrap ^ 1);
    if (isReady) least = middle + 1;
    else most = middle;
  }
  return least;
}

/**
 * Whether the driver wants a call for what was published since the last question
 * (virtio-v1.3 §2.8.10). The used flags were stored with Atomics before, and must not be overtaken
 * by the loads here.
 */
export function packedWantsCall(queue: PackedQueue): boolean {
  const published = queue.unsignalled;
  queue.unsignalled = 0;
  const flags = Atomics.load(queue.driverEvent, EVENT_FLAGS) & 3;
  if (flags === VRING_PACKED_EVENT_FLAG_DISABLE) return false;
  if (flags !== VRING_PACKED_EVENT_FLAG_DESC || !queue.eventIdx) return true;
  const offWrap = Atomics.load(queue.driverEvent, EVENT_OFF_WRAP);
  let event = offWrap & 0x7fff;
  if (offWrap >>> 15 !== queue.usedWrap) event -= queue.size;
  return vringNeedEvent(event, queue.usedSlot, queue.usedSlot - published);
}

/** Asks the driver for kicks, or no more. After asking, look for work once more. */
export function packedSetKicks(queue: PackedQueue, wanted: boolean): void {
  Atomics.store(
    queue.deviceEvent,
    EVENT_FLAGS,
    wanted ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE,
  );
  if (queue.log !== null) logPackedKicks(queue.log);
}
