/**
 * Packed virtqueue, driver side (virtio-v1.3 §2.8).
 *
 * @module
 */
import {
  DESC,
  type GuestRam,
  type OddDescriptor,
  Outstanding,
  type RingDriver,
  type RingFeatures,
  roomOf,
  type Segment,
  TablePool,
  type UsedChain,
  writeDesc,
} from "./driver.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAIL = 1 << 7;
const USED = 1 << 15;
const ENABLE = 0;
const DISABLE = 1;
const EVENT_DESC = 2;

/** Driver side of a packed ring. */
export class PackedDriver implements RingDriver {
  /** Descriptors, from 1; need not be a power of two. */
  readonly size: number;
  readonly areas: readonly [number, number, number];
  readonly #ram: GuestRam;
  readonly #features: RingFeatures;
  readonly #desc: number;
  readonly #driver: number;
  readonly #device: number;
  readonly #freeIds: number[];
  /** Slots of each chain by id. */
  readonly #slots = new Map<number, number>();
  readonly #outstanding: Outstanding;
  readonly #tables: TablePool;
  #freeSlots: number;
  #availSlot = 0;
  #availWrap = 1;
  #usedSlot = 0;
  #usedWrap = 1;
  #added = 0;
  /** Head of the first chain that is not published, and the flags that publish it. */
  #first: { slot: number; flags: number } | null = null;

  /** Takes memory for the ring, all zeros; both wrap counters are 1. */
  constructor(ram: GuestRam, size: number, features: RingFeatures) {
    this.size = size;
    this.#ram = ram;
    this.#tables = new TablePool(ram);
    this.#features = features;
    this.#outstanding = new Outstanding(features.inOrder);
    this.#desc = ram.take(DESC * size, 16);
    this.#driver = ram.take(4, 4);
    this.#device = ram.take(4, 4);
    this.areas = [this.#desc, this.#driver, this.#device];
    this.#freeSlots = size;
    this.#freeIds = Array.from({ length: size }, (_, i) => size - 1 - i);
  }

  get free(): number {
    return this.#freeSlots;
  }

  #word(address: number): Uint16Array {
    return new Uint16Array(this.#ram.view.buffer, this.#ram.at(address), 1);
  }

  add(segments: readonly Segment[], deviceWrites: boolean, indirect = false): number {
    const slots = indirect ? 1 : segments.length;
    if (slots > this.#freeSlots || segments.length === 0) return -1;
    const id = this.#freeIds.pop() as number;
    const flag = deviceWrites ? WRITE : 0;
    let list = segments;
    let kind = flag;
    if (indirect) {
      const table = this.#tables.take(id, segments.length);
      segments.forEach((one, i) => writeDesc(this.#ram, table + DESC * i, one, 0, flag));
      list = [{ address: table, bytes: DESC * segments.length }];
      kind = INDIRECT;
    }
    list.forEach((segment, i) => {
      const more = i + 1 < list.length ? NEXT : 0;
      const flags = kind | more | (this.#availWrap === 1 ? AVAIL : USED);
      this.#writeSlot(segment, id, flags);
    });
    return this.#offer(id, slots, roomOf(segments, deviceWrites));
  }

  addOdd(descriptors: readonly OddDescriptor[]): number {
    if (descriptors.length > this.#freeSlots) return -1;
    const id = this.#freeIds.pop() as number;
    descriptors.forEach((descriptor, i) => {
      const more = i + 1 < descriptors.length ? NEXT : 0;
      const turn = this.#availWrap === 1 ? AVAIL : USED;
      this.#writeSlot(descriptor, id, descriptor.flags | more | turn);
    });
    return this.#offer(id, descriptors.length, 0);
  }

  /** The device gets a chain with room for `room` bytes. */
  #offer(id: number, slots: number, room: number): number {
    this.#freeSlots -= slots;
    this.#added += slots;
    this.#slots.set(id, slots);
    this.#outstanding.offer(id, room);
    return id;
  }

  /** Writes the next slot; the flags of the very first one wait until `publish`. */
  #writeSlot(segment: Segment, id: number, flags: number): void {
    const slot = this.#availSlot;
    const held = this.#first === null;
    if (held) this.#first = { slot, flags };
    const old = this.#word(this.#desc + DESC * slot + 14)[0] as number;
    writeDesc(this.#ram, this.#desc + DESC * slot, segment, id, held ? old : flags);
    if (++this.#availSlot === this.size) {
      this.#availSlot = 0;
      this.#availWrap ^= 1;
    }
  }

  publish(): boolean {
    if (this.#first === null) return false;
    const { slot, flags } = this.#first;
    this.#first = null;
    Atomics.store(this.#word(this.#desc + DESC * slot + 14), 0, flags);
    const added = this.#added;
    this.#added = 0;
    const mode = Atomics.load(this.#word(this.#device + 2), 0) & 3;
    if (mode !== EVENT_DESC) return mode === ENABLE;
    const offWrap = Atomics.load(this.#word(this.#device), 0);
    let event = offWrap & 0x7fff;
    if (offWrap >>> 15 !== this.#availWrap) event -= this.size;
    const now = this.#availSlot;
    return ((now - event - 1) & 0xffff) < ((now - (now - added)) & 0xffff);
  }

  takeUsed(): UsedChain[] {
    const { view } = this.#ram;
    const chains: UsedChain[] = [];
    const both = AVAIL | USED;
    while (this.#slots.size > 0) {
      const at = this.#ram.at(this.#desc) + DESC * this.#usedSlot;
      const flags = Atomics.load(this.#word(this.#desc + DESC * this.#usedSlot + 14), 0);
      if ((flags & both) !== (this.#usedWrap === 1 ? both : 0)) break;
      const id = view.getUint16(at + 12, true);
      const bytes = view.getUint32(at + 8, true);
      if ((flags & ~(both | WRITE)) !== 0) {
        throw new Error(`The device returned chain ${id} with flags 0x${flags.toString(16)}`);
      }
      this.#outstanding.settle(id, bytes, (flags & WRITE) !== 0);
      this.#tables.give(id);
      const slots = this.#slots.get(id) as number;
      this.#slots.delete(id);
      this.#freeIds.push(id);
      this.#freeSlots += slots;
      this.#usedSlot += slots;
      if (this.#usedSlot >= this.size) {
        this.#usedSlot -= this.size;
        this.#usedWrap ^= 1;
      }
      chains.push({ id, bytes });
    }
    return chains;
  }

  wantCalls(wanted: boolean, after = 0): void {
    const useEvent = wanted && this.#features.eventIdx;
    if (useEvent) {
      const slot = this.#usedSlot + after;
      const offWrap = slot < this.size
        ? slot | (this.#usedWrap << 15)
        : (slot - this.size) | ((this.#usedWrap ^ 1) << 15);
      Atomics.store(this.#word(this.#driver), 0, offWrap);
    }
    const mode = !wanted ? DISABLE : useEvent ? EVENT_DESC : ENABLE;
    Atomics.store(this.#word(this.#driver + 2), 0, mode);
  }
}
