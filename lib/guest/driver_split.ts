/**
 * Split virtqueue, driver side (virtio-v1.3 §2.7).
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

/** Driver side of a split ring. */
export class SplitDriver implements RingDriver {
  /** Descriptors, a power of two. */
  readonly size: number;
  readonly areas: readonly [number, number, number];
  readonly #ram: GuestRam;
  readonly #features: RingFeatures;
  readonly #desc: number;
  readonly #avail: number;
  readonly #used: number;
  readonly #free: number[];
  /** Descriptors of each chain by head. */
  readonly #chains = new Map<number, number[]>();
  readonly #outstanding: Outstanding;
  readonly #tables: TablePool;
  #availIndex: number;
  #published: number;
  #usedIndex: number;

  /** Takes memory for the ring. @param start free-running index of both rings to start from */
  constructor(ram: GuestRam, size: number, features: RingFeatures, start = 0) {
    this.size = size;
    this.#ram = ram;
    this.#tables = new TablePool(ram);
    this.#features = features;
    this.#outstanding = new Outstanding(features.inOrder);
    this.#desc = ram.take(DESC * size, 16);
    this.#avail = ram.take(6 + 2 * size, 2);
    this.#used = ram.take(6 + 8 * size, 4);
    this.areas = [this.#desc, this.#avail, this.#used];
    this.#free = Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#availIndex = this.#published = this.#usedIndex = start;
    ram.view.setUint16(ram.at(this.#avail) + 2, start, true);
    ram.view.setUint16(ram.at(this.#used) + 2, start, true);
  }

  get free(): number {
    return this.#free.length;
  }

  add(segments: readonly Segment[], deviceWrites: boolean, indirect = false): number {
    const slots = indirect ? 1 : segments.length;
    if (slots > this.#free.length || segments.length === 0) return -1;
    const flag = deviceWrites ? WRITE : 0;
    const ids = Array.from({ length: slots }, () => this.#free.pop() as number);
    const head = ids[0] as number;
    if (indirect) {
      const table = this.#tables.take(head, segments.length);
      segments.forEach((segment, i) => {
        const more = i + 1 < segments.length;
        writeDesc(this.#ram, table + DESC * i, segment, flag | (more ? NEXT : 0), i + 1);
      });
      const whole = { address: table, bytes: DESC * segments.length };
      writeDesc(this.#ram, this.#desc + DESC * head, whole, INDIRECT, 0);
    } else {
      segments.forEach((segment, i) => {
        const next = ids[i + 1];
        const flags = flag | (next === undefined ? 0 : NEXT);
        writeDesc(this.#ram, this.#desc + DESC * (ids[i] as number), segment, flags, next ?? 0);
      });
    }
    return this.#offer(head, ids, roomOf(segments, deviceWrites));
  }

  addOdd(descriptors: readonly OddDescriptor[]): number {
    if (descriptors.length > this.#free.length) return -1;
    const ids = descriptors.map(() => this.#free.pop() as number);
    descriptors.forEach((descriptor, i) => {
      const next = ids[i + 1];
      const flags = descriptor.flags | (next === undefined ? 0 : NEXT);
      writeDesc(this.#ram, this.#desc + DESC * (ids[i] as number), descriptor, flags, next ?? 0);
    });
    return this.#offer(ids[0] as number, ids, 0);
  }

  /** The device gets a chain with room for `room` bytes. */
  #offer(head: number, ids: number[], room: number): number {
    this.#chains.set(head, ids);
    this.#outstanding.offer(head, room);
    const slot = this.#ram.at(this.#avail) + 4 + 2 * (this.#availIndex % this.size);
    this.#ram.view.setUint16(slot, head, true);
    this.#availIndex = (this.#availIndex + 1) & 0xffff;
    return head;
  }

  publish(): boolean {
    const { view } = this.#ram;
    const old = this.#published;
    this.#published = this.#availIndex;
    const used = this.#ram.at(this.#used);
    Atomics.store(this.#word(this.#avail + 2), 0, this.#availIndex);
    if (!this.#features.eventIdx) return (view.getUint16(used, true) & 1) === 0;
    const event = Atomics.load(this.#word(this.#used + 4 + 8 * this.size), 0);
    return ((this.#availIndex - event - 1) & 0xffff) < ((this.#availIndex - old) & 0xffff);
  }

  #word(address: number): Uint16Array {
    return new Uint16Array(this.#ram.view.buffer, this.#ram.at(address), 1);
  }

  takeUsed(): UsedChain[] {
    const { view } = this.#ram;
    const used = this.#ram.at(this.#used);
    const end = Atomics.load(this.#word(this.#used + 2), 0);
    const chains: UsedChain[] = [];
    while (this.#usedIndex !== end) {
      const entry = used + 4 + 8 * (this.#usedIndex % this.size);
      const id = view.getUint32(entry, true);
      const bytes = view.getUint32(entry + 4, true);
      this.#outstanding.settle(id, bytes);
      this.#tables.give(id);
      this.#free.push(...this.#chains.get(id) as number[]);
      this.#chains.delete(id);
      chains.push({ id, bytes });
      this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
    }
    return chains;
  }

  wantCalls(wanted: boolean, after = 0): void {
    if (this.#features.eventIdx) {
      const event = (wanted ? this.#usedIndex + after : this.#usedIndex - 1) & 0xffff;
      Atomics.store(this.#word(this.#avail + 4 + 2 * this.size), 0, event);
    } else Atomics.store(this.#word(this.#avail), 0, wanted ? 0 : 1);
  }
}
