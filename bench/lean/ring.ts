/**
 * The driver's side of a virtqueue at its leanest: all descriptors stand in the ring already, a
 * buffer is one descriptor, and the device is taken to give them back in order, as every switch here
 * does ({@linkcode LeanRing.check} looks). Giving the device n buffers is one store in a split ring
 * (virtio-v1.3 §2.7), two for each in a packed one (§2.8): fast enough to load a switch to its limit,
 * and a ping costs next to nothing of its own.
 *
 * Nothing here allocates once it is made.
 *
 * @module
 */

/** Of one queue. */
export interface LeanRing {
  readonly size: number;
  /** Buffers with the device. */
  held: number;
  /** Buffers the device has given back since the last look. */
  take(): number;
  /** Gives the device its next n buffers. @returns whether it wants a kick */
  post(count: number): boolean;
  /** Slot of the buffer that is posted next. */
  readonly next: number;
  /** @throws if the device gave buffers back in another order */
  check(): void;
}

/** Where a ring lies in its guest's memory, as offsets. */
export interface RingPlace {
  readonly buffer: ArrayBuffer;
  /** Descriptor, driver and device area. */
  readonly areas: readonly [number, number, number];
  readonly size: number;
}

const NO_NOTIFY = 1;
const WRITE = 2;
const AVAIL = 1 << 7;
const USED = 1 << 15;
const DISABLE = 1;
const OUT_OF_ORDER = "The switch gives buffers back out of order: this bench cannot follow";

/** A split ring. */
export class LeanSplit implements LeanRing {
  readonly size: number;
  held: number;
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;
  readonly #availIndexAt: number;
  readonly #usedFlagsAt: number;
  readonly #usedIndexAt: number;
  readonly #usedRingAt: number;
  #avail: number;
  #used = 0;

  /** @param held buffers the device has already: none or all */
  constructor({ buffer, areas, size }: RingPlace, held: number) {
    this.size = size;
    this.held = held;
    this.#halves = new Uint16Array(buffer);
    this.#words = new Uint32Array(buffer);
    const [, avail, used] = areas;
    this.#availIndexAt = (avail + 2) >> 1;
    this.#usedFlagsAt = used >> 1;
    this.#usedIndexAt = (used + 2) >> 1;
    this.#usedRingAt = (used + 4) >> 2;
    this.#avail = held;
    for (let slot = 0; slot < size; slot++) this.#halves[this.#availIndexAt + 1 + slot] = slot;
  }

  take(): number {
    const used = Atomics.load(this.#halves, this.#usedIndexAt);
    const count = (used - this.#used) & 0xffff;
    this.#used = used;
    this.held -= count;
    return count;
  }

  post(count: number): boolean {
    this.#avail = (this.#avail + count) & 0xffff;
    this.held += count;
    Atomics.store(this.#halves, this.#availIndexAt, this.#avail);
    return ((this.#halves[this.#usedFlagsAt] as number) & NO_NOTIFY) === 0;
  }

  get next(): number {
    return this.#avail & (this.size - 1);
  }

  check(): void {
    // Every slot has been used once at least, or says 0 still.
    for (let slot = 0; slot < Math.min(this.size, this.#used); slot++) {
      if (this.#words[this.#usedRingAt + 2 * slot] !== slot) throw new Error(OUT_OF_ORDER);
    }
  }
}

/** A packed ring. */
export class LeanPacked implements LeanRing {
  readonly size: number;
  held: number;
  readonly #words: Uint32Array;
  readonly #int: Int32Array;
  readonly #descAt: number;
  readonly #deviceAt: number;
  readonly #bytes: number;
  readonly #flags: number;
  #slot = 0;
  #wrap: number;
  #usedSlot = 0;
  #usedWrap = 1;
  #outOfOrder = false;

  /**
   * @param held buffers the device has already: none or all
   * @param bytes of each buffer @param deviceWrites whether the device writes them
   */
  constructor(place: RingPlace, held: number, bytes: number, deviceWrites: boolean) {
    this.size = place.size;
    this.held = held;
    this.#words = new Uint32Array(place.buffer);
    this.#int = new Int32Array(place.buffer);
    this.#descAt = place.areas[0] >> 2;
    this.#deviceAt = place.areas[2] >> 2;
    this.#bytes = bytes;
    this.#flags = deviceWrites ? WRITE : 0;
    // After a whole lap the driver's wrap counter has turned.
    this.#wrap = held === 0 ? 1 : 0;
  }

  take(): number {
    let count = 0;
    while (count < this.held) {
      const word = Atomics.load(this.#words, this.#descAt + 4 * this.#usedSlot + 3);
      const flags = word >>> 16;
      const wrap = this.#usedWrap;
      if (((flags >> 7) & 1) !== wrap || flags >> 15 !== wrap) break;
      if ((word & 0xffff) !== this.#usedSlot) this.#outOfOrder = true;
      if (++this.#usedSlot === this.size) {
        this.#usedSlot = 0;
        this.#usedWrap ^= 1;
      }
      count++;
    }
    this.held -= count;
    return count;
  }

  post(count: number): boolean {
    const first = this.#slot;
    let firstWord = 0;
    for (let i = 0; i < count; i++) {
      const at = this.#descAt + 4 * this.#slot;
      const flags = this.#flags | (this.#wrap === 1 ? AVAIL : USED);
      const word = this.#slot | (flags << 16);
      this.#words[at + 2] = this.#bytes;
      // The first one's flags publish them all.
      if (i === 0) firstWord = word;
      else this.#int[at + 3] = word;
      if (++this.#slot === this.size) {
        this.#slot = 0;
        this.#wrap ^= 1;
      }
    }
    this.held += count;
    Atomics.store(this.#int, this.#descAt + 4 * first + 3, firstWord);
    return ((this.#words[this.#deviceAt] as number) >>> 16 & 3) !== DISABLE;
  }

  get next(): number {
    return this.#slot;
  }

  check(): void {
    if (this.#outOfOrder) throw new Error(OUT_OF_ORDER);
  }
}
