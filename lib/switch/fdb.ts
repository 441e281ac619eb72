// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The forwarding database: which MAC address (and VLAN) lives on which port.
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
import { PORTS_MAX } from "../base/limits.ts";
import { type CounterNames, counterNames, FDB_ROWS } from "./counter_rows.ts";
import { MOVE_WORDS, type MoveListener, Moves } from "./moves.ts";

/** Known on this port. */
export const FDB_KNOWN = 0;
/** Learned now. */
export const FDB_NEW = 1;
/** Was known on another port. */
export const FDB_MOVED = 2;
/** Not learned: the table is full. */
export const FDB_FULL = 3;
/** Not learned: the port has its limit of addresses. */
export const FDB_PORT_FULL = 4;

/** Counters in the table's head, in this order. */
export const FDB_COUNTERS: CounterNames<typeof FDB_ROWS> = counterNames(FDB_ROWS);

const ENTRIES = 0;
const LEARNED = 1;
const MOVED = 2;
const AGED = 3;
const FLUSHED = 4;
const REJECTED_FULL = 5;
const REJECTED_PORT_FULL = 6;
const FLAPS = 7;
/** Float64 as all counters are, see counters.ts: a tenant makes 2^31 addresses in an hour. */
const HEAD_NUMBERS = 16;
const HEAD_BYTES = 8 * HEAD_NUMBERS;
/** Behind the counters: how long an entry stays unseen, seconds. */
const AGE_SECONDS = HEAD_NUMBERS - 1;

assert(FDB_COUNTERS.length <= AGE_SECONDS, "the FDB's counters fit its head");
assert(FDB_COUNTERS[FLAPS] === "flaps", "counters stand by their names");
assert(FDB_COUNTERS.length === FLAPS + 1, "every counter of the FDB has a place");

/** Words of a slot: address low, address high (VLAN in bits 16-27), port + 1 or 0 if free, last seen. */
const SLOT_WORDS = 4;
const LOW = 0;
const HIGH = 1;
const PORT = 2;
const SEEN = 3;

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
}

function slotsFor(entriesMax: number): number {
  let slots = 16;
  while (slots < 2 * entriesMax) slots *= 2;
  return slots;
}

/**
 * The table. Only the data plane calls what changes it.
 *
 * @example An address that is learned, moves, and is forgotten
 * ```ts
 * import { strict as assert } from "node:assert";
 *
 * const options = { entriesMax: 64, portEntriesMax: 2, ageSeconds: 300, seed: 0x5eed };
 * const memory = new SharedArrayBuffer(Fdb.bytesFor(options.entriesMax));
 * const fdb = new Fdb(memory, options);
 *
 * // 52:54:00:00:00:07 as it stands in a frame, on port 3, 10 seconds after the start.
 * const [low, high] = [0x0000_5452, 0x0700];
 * assert.equal(fdb.lookup(low, high, 10), -1);
 * assert.equal(fdb.learn(low, high, 3, 10), FDB_NEW);
 * assert.equal(fdb.learn(low, high, 3, 20), FDB_KNOWN);
 * assert.equal(fdb.learn(low, high, 5, 30), FDB_MOVED);
 * assert.equal(fdb.lookup(low, high, 40), 5);
 *
 * // No port has more addresses than its limit, whoever sends them.
 * assert.equal(fdb.learn(low, high + 1, 5, 40), FDB_NEW);
 * assert.equal(fdb.learn(low, high + 2, 5, 40), FDB_PORT_FULL);
 *
 * // Another thread reads the same memory: what has not been seen for too long is gone.
 * const reader = new Fdb(memory, options);
 * const ages = (now: number): number[] =>
 *   Array.from(reader.entries(now), ({ ageSeconds }) => ageSeconds).sort();
 * assert.deepEqual(ages(330), [290, 300]);
 * assert.deepEqual(ages(331), [291]);
 *
 * fdb.removePort(5);
 * assert.equal(reader.counters()["entries"], 0);
 * ```
 */
export class Fdb {
  readonly #head: Float64Array;
  readonly #slots: Int32Array;
  readonly #mask: number;
  readonly #entriesMax: number;
  readonly #portEntriesMax: number;
  /** As the head has it: looked at anew once a sweep, for each frame's look-up. */
  #ageSeconds = 0;
  readonly #seedLow: number;
  readonly #seedHigh: number;
  readonly #perPort = new Int32Array(PORTS_MAX);
  readonly #moves: Moves;
  /** Ports that addresses came to or went from. */
  readonly #hasMoved = new Uint8Array(PORTS_MAX);
  /** Hears of addresses that move, once somebody wants to. */
  listener: MoveListener | null = null;
  #sweepAt = 0;

  /** A table in memory that is zeros at first, seen by every thread that has it. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, options: FdbOptions) {
    const slots = slotsFor(options.entriesMax);
    this.#head = new Float64Array(buffer, 0, HEAD_NUMBERS);
    this.#slots = new Int32Array(buffer, HEAD_BYTES, slots * SLOT_WORDS);
    const movesAt = HEAD_BYTES + 4 * slots * SLOT_WORDS;
    this.#moves = new Moves(new Int32Array(buffer, movesAt, slots * MOVE_WORDS));
    this.#mask = slots - 1;
    this.#entriesMax = options.entriesMax;
    this.#portEntriesMax = options.portEntriesMax;
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
    return (hash ^ (hash >>> 13)) & this.#mask;
  }

  /** Index of the address's slot in words, or of the free slot where it would go. */
  #find(low: number, high: number): number {
    const slots = this.#slots;
    let slot = this.#hash(low, high);
    for (;;) {
      const at = slot * SLOT_WORDS;
      if (slots[at + PORT] === 0) return at;
      if (slots[at + LOW] === low && slots[at + HIGH] === high) return at;
      slot = (slot + 1) & this.#mask;
    }
  }

  /** The port of an address, or -1. @param now seconds, the clock of `learn` */
  lookup(macLo: number, macHi: number, now: number): number {
    const at = this.#find(macLo, macHi);
    const port = this.#slots[at + PORT]! - 1;
    if (port < 0 || this.#expired(this.#slots[at + SEEN]!, now)) return -1;
    return port;
  }

  /** Entries not seen for longer are forgotten; 0: none. In force within a second. Any thread. */
  // cold
  setAge(seconds: number): void {
    this.#head[AGE_SECONDS] = this.#ageSeconds = seconds;
  }

  #expired(seen: number, now: number): boolean {
    return this.#ageSeconds !== 0 && now - seen > this.#ageSeconds;
  }

  /**
   * An address was seen as the source of a frame on `port`. Entries of others are never evicted.
   * @param now seconds of a monotonic clock @returns one of the FDB_ outcomes
   */
  learn(macLo: number, macHi: number, port: number, now: number): number {
    const at = this.#find(macLo, macHi);
    const slots = this.#slots;
    const known = slots[at + PORT]! - 1;
    if (known === port) {
      if (slots[at + SEEN] !== now) slots[at + SEEN] = now;
      return FDB_KNOWN;
    }
    if (this.#perPort[port]! >= this.#portEntriesMax) {
      this.#head[REJECTED_PORT_FULL]!++;
      return FDB_PORT_FULL;
    }
    if (known >= 0) {
      this.#move(at, known, port, now);
      return FDB_MOVED;
    }
    if (this.#head[ENTRIES]! >= this.#entriesMax) {
      this.#head[REJECTED_FULL]!++;
      return FDB_FULL;
    }
    // In the free slot this address may still stand: then its moves go on being counted. A guest whose
    // link goes down and up between them hides nothing.
    const same = slots[at + LOW] === macLo && slots[at + HIGH] === macHi;
    if (!same) this.#moves.begin(at / SLOT_WORDS);
    slots[at + LOW] = macLo;
    slots[at + HIGH] = macHi;
    slots[at + SEEN] = now;
    // The port comes last: a reader that sees it sees the rest.
    Atomics.store(slots, at + PORT, port + 1);
    this.#perPort[port]!++;
    this.#head[ENTRIES]!++;
    this.#head[LEARNED]!++;
    this.listener?.learned(macLo, macHi, port);
    return FDB_NEW;
  }

  /** The address at word `at` is on another port now. */
  #move(at: number, from: number, to: number, now: number): void {
    const slots = this.#slots;
    this.#perPort[from]!--;
    this.#perPort[to]!++;
    slots[at + PORT] = to + 1;
    slots[at + SEEN] = now;
    this.#head[MOVED]!++;
    this.#hasMoved[from] = this.#hasMoved[to] = 1;
    const flaps = this.#moves.count(at / SLOT_WORDS, from, to, now);
    if (flaps) this.#head[FLAPS]!++;
    this.listener?.moved(slots[at + LOW]!, slots[at + HIGH]!, from, to, flaps);
  }

  /** Frees a slot and moves back the entries behind it that the gap would cut off. */
  #remove(slot: number): void {
    const slots = this.#slots;
    this.#perPort[slots[slot * SLOT_WORDS + PORT]! - 1]!--;
    this.#head[ENTRIES]!--;
    let gap = slot;
    let next = slot;
    for (;;) {
      next = (next + 1) & this.#mask;
      const at = next * SLOT_WORDS;
      if (slots[at + PORT] === 0) break;
      const home = this.#hash(slots[at + LOW]!, slots[at + HIGH]!);
      // The entry may stay if its home lies behind the gap, going round.
      if (((next - home) & this.#mask) < ((next - gap) & this.#mask)) continue;
      Atomics.store(slots, gap * SLOT_WORDS + PORT, 0);
      slots[gap * SLOT_WORDS + LOW] = slots[at + LOW]!;
      slots[gap * SLOT_WORDS + HIGH] = slots[at + HIGH]!;
      slots[gap * SLOT_WORDS + SEEN] = slots[at + SEEN]!;
      this.#moves.carry(next, gap);
      Atomics.store(slots, gap * SLOT_WORDS + PORT, slots[at + PORT]!);
      gap = next;
    }
    Atomics.store(slots, gap * SLOT_WORDS + PORT, 0);
  }

  /** Forgets every address of a port. */
  flushPort(port: number): void {
    if (this.#perPort[port] === 0) return;
    for (let slot = 0; slot <= this.#mask; slot++) {
      // What moves back into a freed slot is looked at again.
      while (this.#slots[slot * SLOT_WORDS + PORT] === port + 1) {
        this.#remove(slot);
        this.#head[FLUSHED]!++;
      }
    }
  }

  /** A port is gone: its addresses are forgotten, and moves that it had a part in. */
  removePort(port: number): void {
    const slots = this.#slots;
    for (let slot = 0; this.#hasMoved[port] !== 0 && slot <= this.#mask; slot++) {
      const held = slots[slot * SLOT_WORDS + PORT]!;
      if (held === 0 || held === port + 1 || this.#moves.concern(slot, port)) {
        this.#moves.begin(slot);
      }
    }
    this.#hasMoved[port] = 0;
    this.flushPort(port);
  }

  /** Forgets every address. */
  flush(): void {
    this.#head[FLUSHED]! += this.#head[ENTRIES]!;
    this.#head[ENTRIES] = 0;
    this.#slots.fill(0);
    this.#perPort.fill(0);
  }

  /** Frees expired entries among the next `count` slots; call it regularly. */
  sweep(now: number, count: number): void {
    this.#ageSeconds = this.#head[AGE_SECONDS]!;
    if (this.#ageSeconds === 0) return;
    for (let i = 0; i < count; i++) {
      const at = this.#sweepAt * SLOT_WORDS;
      while (this.#slots[at + PORT] !== 0 && this.#expired(this.#slots[at + SEEN]!, now)) {
        this.#remove(this.#sweepAt);
        this.#head[AGED]!++;
      }
      this.#sweepAt = (this.#sweepAt + 1) & this.#mask;
    }
  }

  /** Slots there are, full or not. */
  // cold
  get slots(): number {
    return this.#mask + 1;
  }

  /** Port of the address in a slot, or -1: it is free, or what is in it has expired. */
  // cold
  portAt(slot: number, now: number): number {
    const at = slot * SLOT_WORDS;
    const port = this.#slots[at + PORT]! - 1;
    return port < 0 || this.#expired(this.#slots[at + SEEN]!, now) ? -1 : port;
  }

  /** Bytes 0-3 of the address in a slot. */
  // cold
  lowAt(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + LOW]!;
  }

  /** Bytes 4-5, and the VLAN. */
  // cold
  highAt(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + HIGH]!;
  }

  /** Whether an address moves faster than a guest can. Any thread. @param now seconds */
  // cold
  isFlapping(macLo: number, macHi: number, now: number): boolean {
    const at = this.#find(macLo, macHi);
    return this.#slots[at + PORT] !== 0 && this.#moves.isFlapping(at / SLOT_WORDS, now);
  }

  /** The entries that have not expired, as another thread may read them at any time. */
  // cold
  *entries(now: number): Generator<FdbRow> {
    const slots = this.#slots;
    this.#ageSeconds = this.#head[AGE_SECONDS]!;
    for (let at = 0; at < slots.length; at += SLOT_WORDS) {
      const port = Atomics.load(slots, at + PORT);
      const macLo = slots[at + LOW]!;
      const macHi = slots[at + HIGH]!;
      const seen = slots[at + SEEN]!;
      // Unchanged around the reads: the row is whole. A row on the move is met again or was met.
      if (port === 0 || Atomics.load(slots, at + PORT) !== port) continue;
      if (this.#expired(seen, now)) continue;
      yield { macLo, macHi, port: port - 1, ageSeconds: Math.max(0, now - seen) };
    }
  }

  /** The counters by name. */
  // cold
  counters(): Record<string, number> {
    return Object.fromEntries(FDB_COUNTERS.map((name, i) => [name, this.#head[i]!]));
  }
}
