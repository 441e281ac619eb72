// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The forwarding database's table: its memory, what an entry is, and how entries come and go. Which of
 * them do is decided in fdb.ts.
 *
 * Open addressing with linear probing over typed arrays in shared memory, at most half full; the
 * hash is seeded, so a tenant cannot choose addresses that collide. Deletion moves later entries
 * back, so a probe ends at the first free slot. 4 ns a look-up at up to 8,000 addresses, against
 * 12 to 25 for a Map.
 *
 * One thread writes; others may read entries at any time and see each one whole or not at all.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { Claims } from "./policy/claims.ts";
import { Shares } from "./policy/shares.ts";
import { type CounterNames, counterNames, FDB_ROWS } from "./counter_rows.ts";
import { MOVE_WORDS, Moves } from "./moves.ts";

/** Counters in the table's head, in this order. */
export const FDB_COUNTERS: CounterNames<typeof FDB_ROWS> = counterNames(FDB_ROWS);

/** Places of counters in the head: addresses there now, */
export const ENTRIES: number = 0;
/** learned, */
export const LEARNED: number = 1;
/** moved, */
export const MOVED: number = 2;
const AGED = 3;
/** flushed, */
export const FLUSHED: number = 4;
/** not learned for want of room, */
export const REJECTED_FULL: number = 5;
/** or for the limit of a port, */
export const REJECTED_PORT_FULL: number = 6;
/** and flaps that began. */
export const FLAPS: number = 7;
/** Float64 as all counters are, see counters.ts: a tenant makes 2^31 addresses in an hour. */
const HEAD_NUMBERS = 16;
const HEAD_BYTES = 8 * HEAD_NUMBERS;
/** Behind the counters: how long an entry stays unseen, seconds. */
const AGE_SECONDS = HEAD_NUMBERS - 1;

assert(FDB_COUNTERS.length <= AGE_SECONDS, "the FDB's counters fit its head");
assert(FDB_COUNTERS[FLAPS] === "flaps", "counters stand by their names");
assert(FDB_COUNTERS.length === FLAPS + 1, "every counter of the FDB has a place");

/** Words of a slot: address low, address high (VLAN in bits 16-27), port + 1 or 0 if free, last seen. */
export const SLOT_WORDS: number = 4;
/** The four words: address low, */
export const LOW: number = 0;
/** address high, */
export const HIGH: number = 1;
/** port, */
export const PORT: number = 2;
/** and when it was last seen. */
export const SEEN: number = 3;
/** Last seen, of a static entry: it neither ages nor moves. */
export const FOREVER: number = 0x7fff_ffff;

/** How the table is limited. All readers and the writer must agree on `entriesMax`. */
export interface FdbOptions {
  /** Addresses in all; the table has room for twice as many. */
  readonly entriesMax: number;
  /** Addresses of one port at most. */
  readonly portEntriesMax: number;
  /** 0: entries stay until they are flushed. */
  readonly ageSeconds: number;
  /** Any 32-bit number; secret from tenants. */
  readonly seed: number;
  /** How long an address is in use after its last frame, seconds; 0 or none: it moves at once. */
  readonly holdSeconds?: number;
}

/** One entry as a reader sees it. */
export interface FdbRow {
  /** Address bytes 0-3, little-endian. */
  readonly macLo: number;
  /** Address bytes 4-5 in bits 0-15, VLAN in bits 16-27. */
  readonly macHi: number;
  /** Number of the port. */
  readonly port: number;
  /** Since its last frame. */
  readonly ageSeconds: number;
  /** An operator put it there: it neither ages nor moves. */
  readonly isStatic: boolean;
}

function slotsFor(entriesMax: number): number {
  let slots = 16;
  while (slots < 2 * entriesMax) slots *= 2;
  return slots;
}

/** The table of an Fdb, see there. */
export class FdbTable {
  /** Counters, and behind them the age. */
  protected readonly head: Float64Array;
  /** Slots of SLOT_WORDS words. */
  protected readonly slotWords: Int32Array;
  /** Slots there are, less one. */
  protected readonly mask: number;
  /** As the head has it: looked at anew once a sweep, for each frame's look-up. */
  protected ageSeconds = 0;
  /** Places taken by each port. */
  protected readonly shares: Shares;
  /** Claims on addresses in use. */
  protected readonly claims: Claims;
  /** How often addresses moved. */
  protected readonly moves: Moves;
  readonly #seedLow: number;
  readonly #seedHigh: number;
  #sweepAt = 0;

  /** A table in memory that is zeros at first, seen by every thread that has it. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, options: FdbOptions) {
    const slots = slotsFor(options.entriesMax);
    this.head = new Float64Array(buffer, 0, HEAD_NUMBERS);
    this.slotWords = new Int32Array(buffer, HEAD_BYTES, slots * SLOT_WORDS);
    const movesAt = HEAD_BYTES + 4 * slots * SLOT_WORDS;
    this.moves = new Moves(new Int32Array(buffer, movesAt, slots * MOVE_WORDS));
    this.mask = slots - 1;
    this.shares = new Shares(options.entriesMax);
    this.claims = new Claims(slots, options.holdSeconds ?? 0);
    this.setAge(options.ageSeconds);
    // Odd multipliers that nobody outside can know.
    this.#seedLow = Math.imul(options.seed, 0x9e3779b1) | 1;
    this.#seedHigh = Math.imul(options.seed ^ 0x5bd1e995, 0x85ebca6b) | 1;
  }

  /** Bytes of memory for a table of `entriesMax` addresses. */
  static bytesFor(entriesMax: number): number {
    return HEAD_BYTES + 4 * slotsFor(entriesMax) * (SLOT_WORDS + MOVE_WORDS);
  }

  #hash(low: number, high: number): number {
    let hash = Math.imul(low, this.#seedLow) ^ Math.imul(high, this.#seedHigh);
    hash = Math.imul(hash ^ (hash >>> 15), this.#seedHigh);
    return (hash ^ (hash >>> 13)) & this.mask;
  }

  /** Index of the address's slot in words, or of the free slot where it would go. */
  protected find(low: number, high: number): number {
    const slots = this.slotWords;
    let slot = this.#hash(low, high);
    for (;;) {
      const at = slot * SLOT_WORDS;
      if (slots[at + PORT] === 0) return at;
      if (slots[at + LOW] === low && slots[at + HIGH] === high) return at;
      slot = (slot + 1) & this.mask;
    }
  }

  /** Entries not seen for longer are forgotten; 0: none. In force within a second. Any thread. */
  // cold
  setAge(seconds: number): void {
    this.head[AGE_SECONDS] = this.ageSeconds = seconds;
  }

  /** Whether an entry last seen then has aged. */
  protected expired(seen: number, now: number): boolean {
    return this.ageSeconds !== 0 && now - seen > this.ageSeconds;
  }

  /** Writes an entry into a free slot. */
  protected put(at: number, macLo: number, macHi: number, port: number, seen: number): void {
    const slots = this.slotWords;
    // In the free slot this address may still stand: then its moves go on being counted. A guest whose
    // link goes down and up between them hides nothing.
    const same = slots[at + LOW] === macLo && slots[at + HIGH] === macHi;
    if (!same) this.moves.begin(at / SLOT_WORDS);
    this.claims.begin(at / SLOT_WORDS);
    slots[at + LOW] = macLo;
    slots[at + HIGH] = macHi;
    slots[at + SEEN] = seen;
    // The port comes last: a reader that sees it sees the rest.
    Atomics.store(slots, at + PORT, port + 1);
    this.shares.take(port);
    this.head[ENTRIES]!++;
  }

  /** Frees a slot and moves back the entries behind it that the gap would cut off. */
  protected remove(slot: number): void {
    const slots = this.slotWords;
    this.shares.give(slots[slot * SLOT_WORDS + PORT]! - 1);
    this.head[ENTRIES]!--;
    let gap = slot;
    let next = slot;
    for (;;) {
      next = (next + 1) & this.mask;
      const at = next * SLOT_WORDS;
      if (slots[at + PORT] === 0) break;
      const home = this.#hash(slots[at + LOW]!, slots[at + HIGH]!);
      // The entry may stay if its home lies behind the gap, going round.
      if (((next - home) & this.mask) < ((next - gap) & this.mask)) continue;
      Atomics.store(slots, gap * SLOT_WORDS + PORT, 0);
      slots[gap * SLOT_WORDS + LOW] = slots[at + LOW]!;
      slots[gap * SLOT_WORDS + HIGH] = slots[at + HIGH]!;
      slots[gap * SLOT_WORDS + SEEN] = slots[at + SEEN]!;
      this.moves.carry(next, gap);
      this.claims.carry(next, gap);
      Atomics.store(slots, gap * SLOT_WORDS + PORT, slots[at + PORT]!);
      gap = next;
    }
    Atomics.store(slots, gap * SLOT_WORDS + PORT, 0);
  }

  /** Forgets the addresses of a port, static ones only if `statics`. */
  protected forget(port: number, statics: boolean): void {
    if (this.shares.of(port) === 0) return;
    const slots = this.slotWords;
    for (let slot = 0; slot <= this.mask; slot++) {
      const at = slot * SLOT_WORDS;
      // What moves back into a freed slot is looked at again.
      while (slots[at + PORT] === port + 1 && (statics || slots[at + SEEN] !== FOREVER)) {
        this.remove(slot);
        this.head[FLUSHED]!++;
      }
    }
  }

  /** Frees expired entries among the next `count` slots; call it regularly. */
  sweep(now: number, count: number): void {
    this.ageSeconds = this.head[AGE_SECONDS]!;
    if (this.ageSeconds === 0) return;
    for (let i = 0; i < count; i++) {
      const at = this.#sweepAt * SLOT_WORDS;
      while (this.slotWords[at + PORT] !== 0 && this.expired(this.slotWords[at + SEEN]!, now)) {
        this.remove(this.#sweepAt);
        this.head[AGED]!++;
      }
      this.#sweepAt = (this.#sweepAt + 1) & this.mask;
    }
  }

  /** Slots there are, full or not. */
  // cold
  get slots(): number {
    return this.mask + 1;
  }

  /** Port of the address in a slot, or -1: it is free, or what is in it has expired. */
  // cold
  portAt(slot: number, now: number): number {
    const at = slot * SLOT_WORDS;
    const port = this.slotWords[at + PORT]! - 1;
    return port < 0 || this.expired(this.slotWords[at + SEEN]!, now) ? -1 : port;
  }

  /** Bytes 0-3 of the address in a slot. */
  // cold
  lowAt(slot: number): number {
    return this.slotWords[slot * SLOT_WORDS + LOW]!;
  }

  /** Bytes 4-5, and the VLAN. */
  // cold
  highAt(slot: number): number {
    return this.slotWords[slot * SLOT_WORDS + HIGH]!;
  }

  /** The entries that have not expired, as another thread may read them at any time. */
  // cold
  *entries(now: number): Generator<FdbRow> {
    const slots = this.slotWords;
    this.ageSeconds = this.head[AGE_SECONDS]!;
    for (let at = 0; at < slots.length; at += SLOT_WORDS) {
      const port = Atomics.load(slots, at + PORT);
      const macLo = slots[at + LOW]!;
      const macHi = slots[at + HIGH]!;
      const seen = slots[at + SEEN]!;
      // Unchanged around the reads: the row is whole. A row on the move is met again or was met.
      if (port === 0 || Atomics.load(slots, at + PORT) !== port) continue;
      if (this.expired(seen, now)) continue;
      const isStatic = seen === FOREVER;
      yield { macLo, macHi, port: port - 1, ageSeconds: Math.max(0, now - seen), isStatic };
    }
  }

  /** The counters by name. */
  // cold
  counters(): Record<string, number> {
    return Object.fromEntries(FDB_COUNTERS.map((name, i) => [name, this.head[i]!]));
  }
}
