// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The forwarding database: which MAC address (and VLAN) lives on which port, and who may have it. The
 * table itself is fdb_table.ts's.
 *
 * One thread writes; others may read entries at any time and see each one whole or not at all.
 *
 * @module
 */
import { PORTS_MAX } from "../base/limits.ts";
import {
  ENTRIES,
  type FdbOptions,
  FdbTable,
  FLAPS,
  FLUSHED,
  FOREVER,
  HIGH,
  LEARNED,
  LOW,
  MOVED,
  PORT,
  REJECTED_FULL,
  REJECTED_PORT_FULL,
  SEEN,
  SLOT_WORDS,
} from "./fdb_table.ts";
import type { MoveListener } from "./moves.ts";

export { FDB_COUNTERS, type FdbOptions, type FdbRow } from "./fdb_table.ts";

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
/** Not learned, here and below: it is in use at another port, see policy/claims.ts. */
export const FDB_IN_USE = 5;
/** It is static, at another port. */
export const FDB_STATIC = 6;
/** The port is locked, and this is none of its static addresses. */
export const FDB_LOCKED = 7;

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
export class Fdb extends FdbTable {
  /** Addresses that each port may have learned; of one that says nothing, the options'. */
  readonly #portEntriesMax: Int32Array;
  readonly #portEntriesUsual: number;
  readonly #locked = new Uint8Array(PORTS_MAX);
  /** Ports that addresses came to or went from. */
  readonly #hasMoved = new Uint8Array(PORTS_MAX);
  /** Hears of addresses that move, once somebody wants to. */
  listener: MoveListener | null = null;
  #now = 0;
  readonly #settle = (low: number, high: number, port: number): boolean =>
    this.#settleClaim(low, high, port);

  /** A table in memory that is zeros at first, seen by every thread that has it. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, options: FdbOptions) {
    super(buffer, options);
    this.#portEntriesUsual = options.portEntriesMax;
    this.#portEntriesMax = new Int32Array(PORTS_MAX).fill(options.portEntriesMax);
  }

  /** The port of an address, or -1. @param now seconds, the clock of `learn` */
  lookup(macLo: number, macHi: number, now: number): number {
    const at = this.find(macLo, macHi);
    const port = this.slotWords[at + PORT]! - 1;
    if (port < 0 || this.expired(this.slotWords[at + SEEN]!, now)) return -1;
    return port;
  }

  /**
   * An address was seen as the source of a frame on `port`. Entries of others are never evicted.
   * @param now seconds of a monotonic clock @returns one of the FDB_ outcomes
   */
  learn(macLo: number, macHi: number, port: number, now: number): number {
    const at = this.find(macLo, macHi);
    const slots = this.slotWords;
    const known = slots[at + PORT]! - 1;
    if (known === port) {
      if (slots[at + SEEN] !== now) this.#seen(at, now);
      return FDB_KNOWN;
    }
    const barrier = this.#barrier(at, known, port, now);
    if (barrier !== FDB_KNOWN) return barrier;
    if (known >= 0) {
      this.#move(at, known, port, now);
      return FDB_MOVED;
    }
    this.put(at, macLo, macHi, port, now);
    this.head[LEARNED]!++;
    this.listener?.learned(macLo, macHi, port);
    return FDB_NEW;
  }

  /** Seen again, for the first time in this second or since it was claimed. */
  #seen(at: number, now: number): void {
    if (this.slotWords[at + SEEN] === FOREVER) return;
    this.slotWords[at + SEEN] = this.claims.spoke(at / SLOT_WORDS, now) ? now - 1 : now;
  }

  /** Why an address, known on another port or on none, is not learned on this one; or FDB_KNOWN. */
  #barrier(at: number, known: number, port: number, now: number): number {
    if (this.#locked[port] !== 0) return FDB_LOCKED;
    if (known >= 0 && this.slotWords[at + SEEN] === FOREVER) return FDB_STATIC;
    if (known >= 0 && this.#isHeld(at, known, port, now)) return FDB_IN_USE;
    if (this.shares.of(port) >= this.#portEntriesMax[port]!) {
      this.head[REJECTED_PORT_FULL]!++;
      return FDB_PORT_FULL;
    }
    const { shares } = this;
    if (known < 0 ? shares.hasRoom(port) : shares.mayMove(known, port)) return FDB_KNOWN;
    this.head[REJECTED_FULL]!++;
    return FDB_FULL;
  }

  #isHeld(at: number, known: number, port: number, now: number): boolean {
    const { holdSeconds } = this.claims;
    const seen = this.slotWords[at + SEEN]!;
    if (holdSeconds === 0 || now - seen > holdSeconds || this.expired(seen, now)) return false;
    return this.#serves(known) && !this.claims.mayMove(at / SLOT_WORDS, port, now);
  }

  #serves(port: number): boolean {
    return this.listener === null || this.listener.serves(port);
  }

  /** An address that is in use elsewhere is announced on a port: that may be where it is from now on. */
  announce(macLo: number, macHi: number, port: number, now: number): void {
    const at = this.find(macLo, macHi);
    const slots = this.slotWords;
    const known = slots[at + PORT]! - 1;
    if (known < 0 || known === port || slots[at + SEEN] === FOREVER) return;
    const isClaimed = this.claims.announced(at / SLOT_WORDS, macLo, macHi, port, now);
    if (isClaimed && slots[at + SEEN] === now) slots[at + SEEN] = now - 1;
  }

  /** Has addresses move whose ports were silent for long enough since they were claimed. */
  settleClaims(now: number): void {
    if (this.claims.waiting === 0) return;
    this.#now = now;
    this.claims.settle(this.#settle);
  }

  #settleClaim(macLo: number, macHi: number, port: number): boolean {
    const at = this.find(macLo, macHi);
    const slot = at / SLOT_WORDS;
    const known = this.slotWords[at + PORT]! - 1;
    if (known < 0 || known === port || !this.claims.isClaimed(slot, port)) return true;
    if (!this.claims.mayMove(slot, port, this.#now)) return false;
    this.learn(macLo, macHi, port, this.#now);
    return true;
  }

  /** The address at word `at` is on another port now. */
  #move(at: number, from: number, to: number, now: number): void {
    const slots = this.slotWords;
    this.claims.moved(at / SLOT_WORDS, from, to, this.#serves(from), now);
    this.shares.give(from);
    this.shares.take(to);
    slots[at + PORT] = to + 1;
    slots[at + SEEN] = now;
    this.head[MOVED]!++;
    this.#hasMoved[from] = this.#hasMoved[to] = 1;
    const flaps = this.moves.count(at / SLOT_WORDS, from, to, now);
    if (flaps) this.head[FLAPS]!++;
    this.listener?.moved(slots[at + LOW]!, slots[at + HIGH]!, from, to, flaps);
  }

  /** Forgets every address of a port that is not static. */
  flushPort(port: number): void {
    this.forget(port, false);
  }

  /** A port is gone: its addresses are forgotten, and moves that it had a part in. */
  removePort(port: number): void {
    const slots = this.slotWords;
    for (let slot = 0; this.#hasMoved[port] !== 0 && slot <= this.mask; slot++) {
      const held = slots[slot * SLOT_WORDS + PORT]!;
      if (held === 0 || held === port + 1 || this.moves.concern(slot, port)) {
        this.moves.begin(slot);
      }
    }
    this.#hasMoved[port] = 0;
    this.claims.forgetPort(port);
    this.#locked[port] = 0;
    this.#portEntriesMax[port] = this.#portEntriesUsual;
    this.forget(port, true);
  }

  /** Forgets every address that is not static. */
  // cold
  flush(): void {
    const kept = Array.from(this.entries(0)).filter(({ isStatic }) => isStatic);
    this.head[FLUSHED]! += this.head[ENTRIES]! - kept.length;
    this.head[ENTRIES] = 0;
    this.slotWords.fill(0);
    this.shares.clear();
    for (const { macLo, macHi, port } of kept) this.setStatic(macLo, macHi, port);
  }

  /**
   * An address is on this port from now on, whatever is seen where. A port's own limit is for what it
   * learns. @returns FDB_KNOWN, FDB_FULL, or FDB_STATIC: it is static at another port
   */
  // cold
  setStatic(macLo: number, macHi: number, port: number): number {
    const at = this.find(macLo, macHi);
    const known = this.slotWords[at + PORT]! - 1;
    if (known >= 0 && known !== port && this.slotWords[at + SEEN] === FOREVER) return FDB_STATIC;
    if (known !== port && !this.shares.hasRoom(port)) return FDB_FULL;
    if (known >= 0) this.remove(at / SLOT_WORDS);
    this.put(this.find(macLo, macHi), macLo, macHi, port, FOREVER);
    return FDB_KNOWN;
  }

  /** A static address is forgotten. @returns whether it was there */
  // cold
  unsetStatic(macLo: number, macHi: number): boolean {
    const at = this.find(macLo, macHi);
    const is = this.slotWords[at + PORT] !== 0 && this.slotWords[at + SEEN] === FOREVER;
    if (is) this.remove(at / SLOT_WORDS);
    return is;
  }

  /** Of a locked port only static addresses are taken. */
  // cold
  lock(port: number, on: boolean): void {
    this.#locked[port] = on ? 1 : 0;
    if (on) this.flushPort(port);
  }

  /** A port may learn so many addresses from now on; those that it has stay. */
  // cold
  setEntriesMax(port: number, most: number): void {
    this.#portEntriesMax[port] = most;
  }

  /** Whether frames of a port may have this source, by its lock and static addresses. */
  mayBe(macLo: number, macHi: number, port: number): boolean {
    const at = this.find(macLo, macHi);
    const known = this.slotWords[at + PORT]! - 1;
    const isStatic = known >= 0 && this.slotWords[at + SEEN] === FOREVER;
    return isStatic ? known === port : this.#locked[port] === 0;
  }

  /** Whether an address moves faster than a guest can. Any thread. @param now seconds */
  // cold
  isFlapping(macLo: number, macHi: number, now: number): boolean {
    const at = this.find(macLo, macHi);
    return this.slotWords[at + PORT] !== 0 && this.moves.isFlapping(at / SLOT_WORDS, now);
  }
}
