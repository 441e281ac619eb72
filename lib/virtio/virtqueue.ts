// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A virtqueue as the switch uses it: what split and packed rings both do, once a burst each. Here
 * alone it is decided which kind a ring is, when it starts; whoever has one asks it, and never what
 * it is. A call costs a look at its kind, once a burst; what runs a frame knows one kind of ring.
 *
 * A kind is its state (split/queue.ts, packed/queue.ts) and functions over it; these classes only
 * bring the two together. Data-plane thread only.
 *
 * @module
 */
import { isPlainBurst, mayBePlain } from "./burst.ts";
import { DELIVERED_PLAIN } from "./deliver.ts";
import type { BadChains } from "./bad_chain.ts";
import { logPackedUsed, logSplitUsed, type QueueLog } from "./memory/dirty_log.ts";
import { inflightBytes, PackedInflight, SplitInflight } from "./inflight/region.ts";
import { heldHeads } from "./inflight/recovery.ts";
import type { Iotlb } from "./memory/iotlb.ts";
import { type Ask, lookAheadPacked, lookAheadSplit } from "./look_ahead.ts";
import type { GuestMemory } from "./memory/guest_memory.ts";
import { deliverPacked, takePacked } from "./packed/frames.ts";
import { NOT_PLAIN } from "./plain.ts";
import { deliverPlainPacked, takePlainPacked } from "./packed/plain.ts";
import { finishPacked } from "./packed/used.ts";
import { PackedJournal } from "./packed/journal.ts";
import {
  availableSlots,
  packedHasWork,
  PackedQueue,
  packedSetKicks,
  packedWantsCall,
  readySlots,
} from "./packed/queue.ts";
import type { MappedArea, RingArea, VringPosition, VringShape } from "./ring.ts";
import { deliverSplit, takeSplit } from "./split/frames.ts";
import { finishSplit } from "./split/used.ts";
import { deliverPlainSplit, takePlainSplit } from "./split/plain.ts";
import {
  splitHasWork,
  SplitQueue,
  splitRoom,
  splitServeAgain,
  splitSetKicks,
  splitWantsCall,
} from "./split/queue.ts";

/** A virtqueue of either kind. */
export interface Virtqueue extends BadChains {
  /** For records, whose layout differs; nobody chooses what to do by it. */
  readonly packed: boolean;
  /** Entries, 1-32768. */
  readonly size: number;
  /** Bytes of the virtio-net header, 10 or 12. */
  readonly headerBytes: number;
  /** Frames of a ring that is started but not enabled are taken and discarded. */
  enabled: boolean;
  /** A RING_ reason; not RING_OK: nothing below may be called. */
  broken: number;
  /** Where its writes are logged while its guest migrates, otherwise null. */
  log: QueueLog | null;
  /** Where the front-end wants its device area logged: a guest address or a LOG_ constant. */
  logGuestAddr: number;
  /** Where descriptors are mapped, for the log alone. */
  descArea: MappedArea | null;
  /** Where the device area is mapped, for the log alone. */
  deviceArea: MappedArea | null;
  /** Position of the next buffer to take, as its kind counts. */
  readonly availIndex: number;
  /** Position of the next buffer to give back, likewise. */
  readonly usedIndex: number;

  /** Takes up to `framesMax` chains to send into the burst. @returns frames taken */
  take(memory: GuestMemory, framesMax: number): number;
  /** Gives the first `count` frames of the burst back to the driver. */
  finish(count: number): void;
  /**
   * Writes frames of the burst into receive buffers: see deliver.ts.
   * @param list frame numbers, from `start` on, `count` of them
   * @param outcomes what became of them is added here
   */
  deliver(
    memory: GuestMemory,
    list: Uint16Array,
    start: number,
    count: number,
    outcomes: Int32Array,
  ): void;
  /** Whether the driver wants a call for what was published since the last question. */
  wantsCall(): boolean;
  /** Asks the driver for kicks, or no more. After asking, look for work once more. */
  setKicks(wanted: boolean): void;
  /** Whether the driver has made anything available. */
  hasWork(): boolean;
  /** Chains that the driver has made available, as far as `most`; of a packed ring, slots of them. */
  room(most: number): number;
  /** The same of the whole ring, at no more cost for a full one: for people to read. */
  ready(): number;

  /** Where the queue stands, for GET_VRING_BASE. */
  position(): VringPosition;
  /** Asks for what the next chains need and the guest's IOTLB lacks: see look_ahead.ts. */
  lookAhead(memory: GuestMemory, iotlb: Iotlb, chains: number, bytes: number, ask: Ask): void;
  /** Notes down in an inflight region what it holds. @param listed what is held there comes first */
  keepInflight(area: RingArea, entries: number, counter: number, listed: boolean): void;
  /** Notes down in a record of ours where it stands, if its ring cannot tell. */
  keepJournal(area: RingArea, entries: number): void;
  /** Logs all of the ring that an earlier process may have written and not logged. */
  logWhole(): void;
}

/** A split ring: virtio-v1.3 §2.7. */
class SplitVirtqueue extends SplitQueue implements Virtqueue {
  get availIndex(): number {
    return this.lastAvail;
  }
  get usedIndex(): number {
    return this.lastUsed;
  }
  take(memory: GuestMemory, framesMax: number): number {
    const plain = mayBePlain() ? takePlainSplit(this, memory, framesMax) : NOT_PLAIN;
    return plain === NOT_PLAIN ? takeSplit(this, memory, framesMax) : plain;
  }
  finish(count: number): void {
    finishSplit(this, count);
  }
  deliver(
    memory: GuestMemory,
    list: Uint16Array,
    start: number,
    count: number,
    outcomes: Int32Array,
  ): void {
    const plain = isPlainBurst()
      ? deliverPlainSplit(this, memory, list, start, count, outcomes)
      : 0;
    outcomes[DELIVERED_PLAIN]! += plain;
    if (plain < count) deliverSplit(this, memory, list, start + plain, count - plain, outcomes);
  }
  wantsCall(): boolean {
    return splitWantsCall(this);
  }
  setKicks(wanted: boolean): void {
    splitSetKicks(this, wanted);
  }
  hasWork(): boolean {
    return splitHasWork(this);
  }
  room(most: number): number {
    return Math.min(most, splitRoom(this));
  }
  ready(): number {
    return Math.min(this.size, splitRoom(this));
  }
  lookAhead(memory: GuestMemory, iotlb: Iotlb, chains: number, bytes: number, ask: Ask): void {
    lookAheadSplit(this, memory, iotlb, chains, bytes, ask);
  }
  // cold
  keepInflight(area: RingArea, entries: number, counter: number, listed: boolean): void {
    const { buffer, offset } = area;
    this.inflight = new SplitInflight(buffer, offset, entries, counter);
    if (!listed) return;
    const region = new DataView(buffer, offset, inflightBytes(this.packed, entries));
    splitServeAgain(this, heldHeads(region, this.size));
  }
  /** The used index in its ring tells. */
  keepJournal(): void {}
  logWhole(): void {
    if (this.log !== null) logSplitUsed(this.log, this.size, 0, this.size);
  }
}

/** A packed ring: virtio-v1.3 §2.8. */
class PackedVirtqueue extends PackedQueue implements Virtqueue {
  get availIndex(): number {
    return this.availSlot;
  }
  get usedIndex(): number {
    return this.usedSlot;
  }
  take(memory: GuestMemory, framesMax: number): number {
    const plain = mayBePlain() ? takePlainPacked(this, memory, framesMax) : NOT_PLAIN;
    return plain === NOT_PLAIN ? takePacked(this, memory, framesMax) : plain;
  }
  finish(count: number): void {
    finishPacked(this, count);
  }
  deliver(
    memory: GuestMemory,
    list: Uint16Array,
    start: number,
    count: number,
    outcomes: Int32Array,
  ): void {
    const plain = isPlainBurst()
      ? deliverPlainPacked(this, memory, list, start, count, outcomes)
      : 0;
    outcomes[DELIVERED_PLAIN]! += plain;
    if (plain < count) deliverPacked(this, memory, list, start + plain, count - plain, outcomes);
  }
  wantsCall(): boolean {
    return packedWantsCall(this);
  }
  setKicks(wanted: boolean): void {
    packedSetKicks(this, wanted);
  }
  hasWork(): boolean {
    return packedHasWork(this);
  }
  room(most: number): number {
    return availableSlots(this, most);
  }
  ready(): number {
    return readySlots(this);
  }
  lookAhead(memory: GuestMemory, iotlb: Iotlb, chains: number, bytes: number, ask: Ask): void {
    lookAheadPacked(this, memory, iotlb, chains, bytes, ask);
  }
  // cold
  keepInflight({ buffer, offset }: RingArea, entries: number, counter: number): void {
    this.ledger = new PackedInflight(buffer, offset, entries, counter);
  }
  // cold
  keepJournal({ buffer, offset }: RingArea, entries: number): void {
    this.ledger = new PackedJournal(buffer, offset, entries);
  }
  logWhole(): void {
    if (this.log !== null) logPackedUsed(this.log, this.size, 0, 0);
  }
}

// cold
/** A virtqueue that goes on from a position. */
export function makeVirtqueue(
  isPacked: boolean,
  shape: VringShape,
  position: VringPosition,
): Virtqueue {
  return isPacked ? new PackedVirtqueue(shape, position) : new SplitVirtqueue(shape, position);
}
