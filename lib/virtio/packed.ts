// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Packed virtqueue, device side (virtio-v1.3 §2.8).
 *
 * ```
 * descriptor ring     16 bytes each: addr u64@0  len u32@8  id u16@12  flags u16@14
 * event suppression   off_wrap u16@0  flags u16@2, one area for the driver, one for the device
 * ```
 *
 * A descriptor is available when its AVAIL bit equals the wrap counter and its USED bit does not,
 * used when both equal it. A chain takes consecutive slots; one used descriptor is written over
 * its first slot and the rest are skipped.
 *
 * Everything the driver may change is read once into a local. The flags that let the other side in
 * are read and written with Atomics, once a burst.
 *
 * @module
 */
import * as burst from "./burst.ts";
import * as deliver from "./deliver.ts";
import * as memory from "./memory.ts";
import type { GuestMemory } from "./memory.ts";
import * as ring from "./ring.ts";
import type { VringPosition, VringShape } from "./ring.ts";

// Own constants are folded into optimised code; an import is read and checked at every use.
const {
  BUFFER_SEGMENTS,
  CHAIN_BYTES_MAX,
  CHAIN_SEGMENTS_MAX,
  frameBytes,
  frameId,
  frameSegment,
  frameSegmentEnd,
  frameSlots,
  TAKEN_SEGMENTS,
} = burst;
const {
  BUFFER_TOO_SMALL,
  bufferBytes,
  bufferId,
  bufferSlots,
  DELIVERED,
  NO_BUFFER,
  writeFrame,
  writePlain,
} = deliver;
const { copyWordsIn, pushSegments } = memory;
const {
  ANY_DESC_FLAG,
  DESC_BYTES,
  indirectTable,
  RING_BAD_ADDRESS,
  RING_BAD_BUFFER,
  RING_BAD_DIRECTION,
  RING_BAD_INDEX,
  RING_BAD_INDIRECT,
  RING_LOOP,
  RING_OK,
  STEPS_MAX,
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  vringNeedEvent,
  walk,
  WALK_BYTES,
  WALK_ID,
  WALK_REASON,
  WALK_SLOTS,
  WALK_STEPS,
} = ring;

const VRING_PACKED_DESC_F_AVAIL = 1 << 7;
const VRING_PACKED_DESC_F_USED = 1 << 15;
const BOTH = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
const VRING_PACKED_EVENT_FLAG_ENABLE = 0;
const VRING_PACKED_EVENT_FLAG_DISABLE = 1;
const VRING_PACKED_EVENT_FLAG_DESC = 2;
const EVENT_OFF_WRAP = 0;
const EVENT_FLAGS = 1;
/** id and flags of slot n stand at 8n + 6 and 8n + 7 in units of 16 bits. */
const ID = 6;
const FLAGS = 7;

/** Bytes of the descriptor ring. */
export function packedDescBytes(size: number): number {
  return DESC_BYTES * size;
}
/** Bytes of an event suppression area. */
export const PACKED_EVENT_BYTES = 4;

/** One packed virtqueue. All fields belong to the data-plane thread. */
export class PackedQueue {
  readonly packed = true;
  readonly size: number;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
  readonly mergeable: boolean;
  readonly headerBytes: number;
  readonly desc: Int32Array;
  readonly desc16: Uint16Array;
  readonly driverEvent: Uint16Array;
  readonly deviceEvent: Uint16Array;
  /** Next slot to look at, and the wrap counter that makes a descriptor there available. */
  availSlot: number;
  availWrap: number;
  /** Next slot to write used, and its wrap counter; equal to the above when nothing is held. */
  usedSlot: number;
  usedWrap: number;
  /** Slots written used since the driver was last called or not, at most the ring's size. */
  unsignalled = 0;
  enabled = true;
  /** A RING_ reason; not RING_OK: the ring is given up and never touched again. */
  broken: number = RING_OK;

  constructor(shape: VringShape, position: VringPosition) {
    this.size = shape.size;
    this.eventIdx = shape.eventIdx;
    this.indirect = shape.indirect;
    this.mergeable = shape.mergeable;
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

/** Results of {@linkcode gatherBuffers}: index behind the last segment, slots gathered. */
const gathered = new Int32Array(2);
const GATHERED_END = 0;
const GATHERED_SLOTS = 1;

function isAvailable(flags: number, wrap: number): boolean {
  return (flags & BOTH) === (wrap === 0 ? VRING_PACKED_DESC_F_USED : VRING_PACKED_DESC_F_AVAIL);
}

/** Whether the driver has made anything available. */
export function packedHasWork(queue: PackedQueue): boolean {
  return isAvailable(Atomics.load(queue.desc16, 8 * queue.availSlot + FLAGS), queue.availWrap);
}

/**
 * Counts available slots from the queue's position on, at most `slotsMax`. The last one is read
 * again with Atomics: what the driver wrote before it is then visible, on every processor.
 */
function availableSlots(queue: PackedQueue, slotsMax: number): number {
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
 * Follows the chain that starts in slot `head` and appends its segments from index `at`; `walk`
 * receives bytes, id and slots. The only walker of packed chains.
 * @param deviceWrites whether the descriptors must be device-writable
 * @returns index behind the last segment, or -1 with the reason in `walk`
 */
function walkChain(
  queue: PackedQueue,
  memory: GuestMemory,
  head: number,
  at: number,
  deviceWrites: number,
): number {
  const { desc, size } = queue;
  let slot = head;
  let segment = at;
  let bytes = 0;
  for (let slots = 1; slots <= size; slots++) {
    const low = desc[4 * slot]!;
    const high = desc[4 * slot + 1]!;
    const length = desc[4 * slot + 2]!;
    const idFlags = desc[4 * slot + 3]!;
    const flags = idFlags >>> 16;
    if ((flags & VRING_DESC_F_INDIRECT) !== 0) {
      // A packed chain is either direct or one indirect descriptor (virtio-v1.3 §2.8.8).
      if (slots !== 1) return fail(RING_BAD_INDIRECT);
      segment = walkIndirect(queue, memory, low, high, length, flags, at, deviceWrites);
      return segment < 0 ? -1 : endChain(queue, segment, walk[WALK_BYTES]!, idFlags & 0xffff, 1);
    }
    if ((flags & VRING_DESC_F_WRITE) !== deviceWrites) return fail(RING_BAD_DIRECTION);
    if (length < 0 || bytes > CHAIN_BYTES_MAX) bytes = CHAIN_BYTES_MAX + 1;
    else if (length > 0) {
      segment = pushSegments(memory, segment, low, high, length);
      if (segment < 0) return fail(RING_BAD_ADDRESS);
      bytes = length > CHAIN_BYTES_MAX ? CHAIN_BYTES_MAX + 1 : bytes + length;
    }
    if ((flags & VRING_DESC_F_NEXT) === 0) {
      return endChain(queue, segment, bytes, idFlags & 0xffff, slots);
    }
    if (++slot === size) slot = 0;
  }
  return fail(RING_LOOP);
}

function endChain(
  queue: PackedQueue,
  segment: number,
  bytes: number,
  id: number,
  slots: number,
): number {
  if (id >= queue.size) return fail(RING_BAD_INDEX);
  walk[WALK_BYTES] = bytes;
  walk[WALK_ID] = id;
  walk[WALK_SLOTS] = slots;
  walk[WALK_STEPS]! -= slots;
  return segment;
}

function fail(reason: number): number {
  walk[WALK_REASON] = reason;
  return -1;
}

/** The entries of an indirect table, in order; only WRITE means anything in their flags. */
function walkIndirect(
  queue: PackedQueue,
  memory: GuestMemory,
  low: number,
  high: number,
  length: number,
  flags: number,
  at: number,
  deviceWrites: number,
): number {
  if (!queue.indirect || (flags & VRING_DESC_F_NEXT) !== 0) return fail(RING_BAD_INDIRECT);
  if (length <= 0 || length % DESC_BYTES !== 0 || length > DESC_BYTES * queue.size) {
    return fail(RING_BAD_INDIRECT);
  }
  const scratch = BUFFER_SEGMENTS + 2 * CHAIN_SEGMENTS_MAX;
  if (!copyWordsIn(memory, low, high, length, indirectTable, scratch)) {
    return fail(RING_BAD_ADDRESS);
  }
  let segment = at;
  let bytes = 0;
  for (let word = 0; word < length / 4; word += 4) {
    const entryBytes = indirectTable[word + 2]!;
    const entryFlags = indirectTable[word + 3]! >>> 16;
    if ((entryFlags & VRING_DESC_F_INDIRECT) !== 0) return fail(RING_BAD_INDIRECT);
    if ((entryFlags & VRING_DESC_F_WRITE) !== deviceWrites) return fail(RING_BAD_DIRECTION);
    if (entryBytes < 0 || bytes > CHAIN_BYTES_MAX) bytes = CHAIN_BYTES_MAX + 1;
    else if (entryBytes > 0) {
      segment = pushSegments(
        memory,
        segment,
        indirectTable[word]!,
        indirectTable[word + 1]!,
        entryBytes,
      );
      if (segment < 0) return fail(RING_BAD_ADDRESS);
      bytes = entryBytes > CHAIN_BYTES_MAX ? CHAIN_BYTES_MAX + 1 : bytes + entryBytes;
    }
  }
  walk[WALK_BYTES] = bytes;
  walk[WALK_STEPS]! -= length / DESC_BYTES;
  return segment;
}

/**
 * Takes up to `framesMax` chains from a transmit queue into the burst. A chain that breaks a rule
 * ends the burst in front of it and marks the queue broken.
 * @returns frames taken
 */
export function takePacked(queue: PackedQueue, memory: GuestMemory, framesMax: number): number {
  let left = availableSlots(queue, framesMax);
  if (left === 0) return 0;
  const { desc, size } = queue;
  let slot = queue.availSlot;
  let segment = TAKEN_SEGMENTS;
  let taken = 0;
  walk[WALK_STEPS] = STEPS_MAX;
  // A chain whose head was seen may end behind the last slot counted: all of it is available.
  while (left > 0 && segment <= CHAIN_SEGMENTS_MAX && walk[WALK_STEPS]! > 0) {
    const length = desc[4 * slot + 2]!;
    const idFlags = desc[4 * slot + 3]!;
    let id = idFlags & 0xffff;
    let slots = 1;
    let bytes = length;
    let end: number;
    // One readable descriptor, as nearly all are, needs no walk: 10 ns less.
    if (
      (idFlags & (ANY_DESC_FLAG << 16)) === 0 && length > 0 && length <= CHAIN_BYTES_MAX &&
      id < size
    ) {
      end = pushSegments(memory, segment, desc[4 * slot]!, desc[4 * slot + 1]!, length);
      walk[WALK_REASON] = RING_BAD_ADDRESS;
    } else {
      end = walkChain(queue, memory, slot, segment, 0);
      id = walk[WALK_ID]!;
      slots = walk[WALK_SLOTS]!;
      bytes = walk[WALK_BYTES]!;
    }
    if (end < 0) {
      queue.broken = walk[WALK_REASON]!;
      break;
    }
    frameId[taken] = id;
    frameSlots[taken] = slots;
    frameSegment[taken] = segment;
    frameSegmentEnd[taken] = end;
    frameBytes[taken] = bytes;
    segment = end;
    taken++;
    left -= slots;
    slot += slots;
    if (slot >= size) {
      slot -= size;
      queue.availWrap ^= 1;
    }
  }
  queue.availSlot = slot;
  return taken;
}

/** Writes one used descriptor at the queue's used position, all but its flags. */
function writeUsed(queue: PackedQueue, id: number, bytes: number): void {
  queue.desc[4 * queue.usedSlot + 2] = bytes;
  queue.desc16[8 * queue.usedSlot + ID] = id;
}

/** Moves the used position over a chain. */
function advanceUsed(queue: PackedQueue, slots: number): void {
  queue.usedSlot += slots;
  if (queue.usedSlot >= queue.size) {
    queue.usedSlot -= queue.size;
    queue.usedWrap ^= 1;
  }
  queue.unsignalled += slots;
}

/** Moves the available position over a chain. */
function advanceAvail(queue: PackedQueue, slots: number): void {
  queue.availSlot += slots;
  if (queue.availSlot >= queue.size) {
    queue.availSlot -= queue.size;
    queue.availWrap ^= 1;
  }
}

/** Gives the first `count` frames of the burst back to the driver, the first one last. */
export function finishPacked(queue: PackedQueue, count: number): void {
  if (count === 0) return;
  const { desc16 } = queue;
  const firstFlags = 8 * queue.usedSlot + FLAGS;
  const firstWrap = queue.usedWrap;
  writeUsed(queue, frameId[0]!, 0);
  advanceUsed(queue, frameSlots[0]!);
  for (let frame = 1; frame < count; frame++) {
    writeUsed(queue, frameId[frame]!, 0);
    desc16[8 * queue.usedSlot + FLAGS] = queue.usedWrap === 0 ? 0 : BOTH;
    advanceUsed(queue, frameSlots[frame]!);
  }
  // The driver stops at the first descriptor that is not used yet: this store shows it all.
  Atomics.store(desc16, firstFlags, firstWrap === 0 ? 0 : BOTH);
}

/**
 * Delivers frames of the burst into a receive queue and publishes them together. The outcome of
 * each (DELIVERED, NO_BUFFER, BUFFER_TOO_SMALL) is counted in `outcomes`; bytes delivered go to
 * `outcomes[3]`.
 * @param list frame numbers, from `listStart` on, `count` of them
 */
export function deliverPacked(
  queue: PackedQueue,
  memory: GuestMemory,
  list: Uint16Array,
  listStart: number,
  count: number,
  outcomes: Int32Array,
): void {
  const { desc16, headerBytes, size } = queue;
  // One slot a frame is the common case; only a frame that needs more makes us look further.
  let available = availableSlots(queue, count);
  let seenAll = available < count;
  let firstFlags = -1;
  const firstWrap = queue.usedWrap;
  walk[WALK_STEPS] = STEPS_MAX;
  for (let i = 0; i < count; i++) {
    const frame = list[listStart + i]!;
    const bytes = headerBytes + frameBytes[frame]!;
    if (available > 0 && deliverPlain(queue, memory, frame, bytes)) {
      if (firstFlags < 0) firstFlags = 8 * queue.usedSlot + FLAGS;
      else desc16[8 * queue.usedSlot + FLAGS] = queue.usedWrap === 0 ? 0 : BOTH;
      advanceUsed(queue, 1);
      advanceAvail(queue, 1);
      available--;
      outcomes[DELIVERED]!++;
      outcomes[3]! += bytes - headerBytes;
      continue;
    }
    const buffers = gatherBuffers(queue, memory, bytes, available);
    if (buffers <= 0) {
      if (queue.broken !== RING_OK) break;
      if (buffers === 0 && !seenAll) {
        available = availableSlots(queue, size);
        seenAll = true;
        i--;
      } else outcomes[buffers === 0 ? NO_BUFFER : BUFFER_TOO_SMALL]!++;
      continue;
    }
    writeFrame(frame, headerBytes, buffers, gathered[GATHERED_END]!);
    for (let buffer = 0; buffer < buffers; buffer++) {
      const flags = 8 * queue.usedSlot + FLAGS;
      writeUsed(queue, bufferId[buffer]!, bufferBytes[buffer]!);
      if (firstFlags < 0) firstFlags = flags;
      else desc16[flags] = queue.usedWrap === 0 ? 0 : BOTH;
      advanceUsed(queue, bufferSlots[buffer]!);
    }
    const slots = gathered[GATHERED_SLOTS]!;
    available -= slots;
    advanceAvail(queue, slots);
    outcomes[DELIVERED]!++;
    outcomes[3]! += frameBytes[frame]!;
  }
  if (firstFlags >= 0) Atomics.store(desc16, firstFlags, firstWrap === 0 ? 0 : BOTH);
}

/**
 * Delivers a frame into the next chain if that is one writable descriptor, large enough: nothing to
 * gather then. Writes the used descriptor, all but its flags.
 */
function deliverPlain(
  queue: PackedQueue,
  memory: GuestMemory,
  frame: number,
  bytes: number,
): boolean {
  const desc = queue.desc;
  const at = 4 * queue.availSlot;
  const length = desc[at + 2]!;
  const idFlags = desc[at + 3]!;
  const id = idFlags & 0xffff;
  if ((idFlags >>> 16 & ANY_DESC_FLAG) !== VRING_DESC_F_WRITE) return false;
  if (length < bytes || id >= queue.size) return false;
  const end = pushSegments(memory, BUFFER_SEGMENTS, desc[at]!, desc[at + 1]!, bytes);
  if (end !== BUFFER_SEGMENTS + 1) return false;
  writePlain(frame, queue.headerBytes);
  desc[4 * queue.usedSlot + 2] = bytes;
  queue.desc16[8 * queue.usedSlot + ID] = id;
  return true;
}

/**
 * Takes receive chains until they hold `bytes`: one without VIRTIO_NET_F_MRG_RXBUF, as many as it
 * needs with it. Nothing is consumed yet.
 * @returns how many, 0 if there are not enough (or the queue broke), -1 if one must do and is too
 * small
 */
function gatherBuffers(
  queue: PackedQueue,
  memory: GuestMemory,
  bytes: number,
  available: number,
): number {
  let segment = BUFFER_SEGMENTS;
  let slot = queue.availSlot;
  let slots = 0;
  let buffers = 0;
  let room = 0;
  while (room < bytes) {
    if (slots >= available || walk[WALK_STEPS]! <= 0) return 0;
    segment = walkChain(queue, memory, slot, segment, VRING_DESC_F_WRITE);
    const buffer = walk[WALK_BYTES]!;
    if (segment < 0 || buffer < queue.headerBytes) {
      queue.broken = segment < 0 ? walk[WALK_REASON]! : RING_BAD_BUFFER;
      return 0;
    }
    bufferId[buffers] = walk[WALK_ID]!;
    bufferBytes[buffers] = buffer;
    bufferSlots[buffers] = walk[WALK_SLOTS]!;
    slots += walk[WALK_SLOTS]!;
    slot += walk[WALK_SLOTS]!;
    if (slot >= queue.size) slot -= queue.size;
    room += buffer;
    buffers++;
    if (!queue.mergeable && room < bytes) return -1;
  }
  gathered[GATHERED_END] = segment;
  gathered[GATHERED_SLOTS] = slots;
  return buffers;
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
}
