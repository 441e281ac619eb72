// deno-lint-ignore-file no-non-null-assertion
/**
 * A bounded map from address ranges to somewhere else: what an IOTLB is made of. Entries are sorted
 * by address in typed arrays, never overlap, and are merged with neighbours that continue them: a
 * guest whose addresses are simply its physical ones needs a few entries, not one a page.
 *
 * The map is a cache: whoever misses an entry asks for it again. When it is full, the entry that
 * was written longest ago makes room, so what was asked for last stays longest.
 *
 * @module
 */

/** Ranges with a target, an owner and permission bits. Addresses are whole numbers below 2^53. */
export class Translations {
  /** Most entries. */
  readonly capacity: number;
  /** First address of each entry, ascending. */
  readonly start: Float64Array;
  /** Address behind the last one of each entry. */
  readonly end: Float64Array;
  /** Where the first address leads. */
  readonly target: Float64Array;
  /** What the target is counted in; the map only compares it. */
  readonly owner: Int32Array;
  /** Permission bits, not 0. */
  readonly permission: Uint8Array;
  readonly #written: Float64Array;
  /** Entries in use. */
  count = 0;
  #clock = 0;

  /** An empty map. @param capacity most entries, at least 2 */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.start = new Float64Array(capacity);
    this.end = new Float64Array(capacity);
    this.target = new Float64Array(capacity);
    this.owner = new Int32Array(capacity);
    this.permission = new Uint8Array(capacity);
    this.#written = new Float64Array(capacity);
  }

  /** Index of the first entry that ends behind `address`; `count` if there is none. */
  #after(address: number): number {
    const { end } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (end[middle]! <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the entry that holds `address`, or -1. */
  find(address: number): number {
    const index = this.#after(address);
    return index < this.count && this.start[index]! <= address ? index : -1;
  }

  /** Permission bits at `address`; 0 if nothing is known of it. */
  permissionAt(address: number): number {
    const index = this.find(address);
    return index < 0 ? 0 : this.permission[index]!;
  }

  /** Enters a range, in place of whatever it overlaps. @param sizeBytes above 0 */
  update(
    start: number,
    sizeBytes: number,
    target: number,
    owner: number,
    permission: number,
  ): void {
    const end = start + sizeBytes;
    this.invalidate(start, sizeBytes);
    let index = this.#after(start);
    if (this.#continues(index - 1, start, target, owner, permission)) {
      index--;
      this.end[index] = end;
    } else {
      if (this.count === this.capacity) {
        this.#evict();
        index = this.#after(start);
      }
      this.#open(index);
      this.start[index] = start;
      this.end[index] = end;
      this.target[index] = target;
      this.owner[index] = owner;
      this.permission[index] = permission;
    }
    this.#written[index] = ++this.#clock;
    const next = index + 1;
    if (next === this.count) return;
    const { start: starts, target: targets, owner: owners, permission: permissions } = this;
    if (this.#continues(index, starts[next]!, targets[next]!, owners[next]!, permissions[next]!)) {
      this.end[index] = this.end[next]!;
      this.#close(next, next + 1);
    }
  }

  /** Whether a range from `start` on simply continues entry `index`. */
  #continues(
    index: number,
    start: number,
    target: number,
    owner: number,
    permission: number,
  ): boolean {
    return index >= 0 && this.end[index] === start && this.owner[index] === owner &&
      this.permission[index] === permission &&
      this.target[index]! + (start - this.start[index]!) === target;
  }

  /** Forgets a range. @param sizeBytes above 0; may reach beyond 2^53 @returns whether any was known */
  invalidate(start: number, sizeBytes: number): boolean {
    const end = start + sizeBytes;
    let first = this.#after(start);
    if (first === this.count || this.start[first]! >= end) return false;
    if (this.start[first]! < start) {
      const oldEnd = this.end[first]!;
      this.end[first] = start;
      first++;
      if (oldEnd > end) {
        // The middle of an entry goes. With no room for its rest, that is forgotten too.
        if (this.count < this.capacity) {
          this.#open(first);
          this.#copy(first, first - 1);
          this.end[first] = oldEnd;
          this.#moveStart(first, end);
        }
        return true;
      }
    }
    let last = first;
    while (last < this.count && this.end[last]! <= end) last++;
    if (last < this.count && this.start[last]! < end) this.#moveStart(last, end);
    this.#close(first, last);
    return true;
  }

  /** Forgets everything. */
  clear(): void {
    this.count = 0;
  }

  #moveStart(index: number, start: number): void {
    this.target[index]! += start - this.start[index]!;
    this.start[index] = start;
  }

  #copy(to: number, from: number): void {
    for (const column of this.#columns()) column[to] = column[from]!;
  }

  /** Makes room for an entry at `index`. */
  #open(index: number): void {
    for (const column of this.#columns()) column.copyWithin(index + 1, index, this.count);
    this.count++;
  }

  /** Removes the entries from `first` to before `last`. */
  #close(first: number, last: number): void {
    if (first === last) return;
    for (const column of this.#columns()) column.copyWithin(first, last, this.count);
    this.count -= last - first;
  }

  #columns(): readonly (Float64Array | Int32Array | Uint8Array)[] {
    return [this.start, this.end, this.target, this.owner, this.permission, this.#written];
  }

  #evict(): void {
    let oldest = 0;
    for (let i = 1; i < this.count; i++) {
      if (this.#written[i]! < this.#written[oldest]!) oldest = i;
    }
    this.#close(oldest, oldest + 1);
  }
}
