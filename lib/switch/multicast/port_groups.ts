// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The groups that somebody behind a port is in, by VLAN and group address, each until it is not heard of
 * for long enough. Each port has a table of its own: whoever fills one takes nothing from others. A port
 * that is in more groups than fit gets all of them for a while, as it would without snooping.
 *
 * Data-plane thread only.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";

/** Groups of a port at most, over all VLANs. */
export const GROUPS_MAX = 512;
/** Places of the table, a power of two: half of them stay empty, so that looks are short. */
const SLOTS = 2 * GROUPS_MAX;
const HASH_1 = 0x9e3779b1;
const HASH_2 = 0x85ebca6b;

assert((SLOTS & (SLOTS - 1)) === 0, "slots are masked");

/** A router is behind the port: the lower half of an address that no group has. */
export const ROUTER_LOW = 1;

/** One port's. Times are seconds of the thread. */
export class PortGroups {
  readonly #low = new Int32Array(SLOTS);
  readonly #high = new Int32Array(SLOTS);
  /** Until when each is in force; 0: the place was never used. */
  readonly #until = new Float64Array(SLOTS);
  readonly #seed: number;
  #used = 0;
  #sorted = -1;
  #allUntil = 0;

  /** None. @param seed secret, so that nobody chooses who share places */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Where an address is, or the empty place where it would be. */
  #find(low: number, high: number): number {
    let hash = Math.imul(low ^ this.#seed, HASH_1) ^ Math.imul(high, HASH_2);
    hash = Math.imul(hash ^ (hash >>> 15), HASH_1);
    let slot = (hash >>> 16) & (SLOTS - 1);
    while (this.#until[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high)) {
      slot = (slot + 1) & (SLOTS - 1);
    }
    return slot;
  }

  /** Somebody is in a group. @param high with its VLAN, as keys of the FDB have it */
  join(low: number, high: number, until: number, now: number): void {
    let slot = this.#find(low, high);
    if (this.#until[slot] === 0) {
      if (this.#used >= GROUPS_MAX && this.#sorted !== now) {
        this.#sorted = now;
        this.#forgetOld(now);
        slot = this.#find(low, high);
      }
      if (this.#used >= GROUPS_MAX) {
        this.#allUntil = until;
        return;
      }
      this.#used++;
      this.#low[slot] = low;
      this.#high[slot] = high;
    }
    this.#until[slot] = until;
  }

  /** There are more than can be told: it gets all. */
  joinAll(until: number): void {
    this.#allUntil = until;
  }

  /** Somebody left a group; others there have until then to say that they are in it. */
  leave(low: number, high: number, until: number): void {
    const slot = this.#find(low, high);
    if (this.#until[slot]! > until) this.#until[slot] = until;
  }

  /** Whether somebody said to be in a group. */
  has(low: number, high: number, now: number): boolean {
    return this.#until[this.#find(low, high)]! > now;
  }

  /** Whether it is in more groups than are known. */
  hasMore(now: number): boolean {
    return this.#allUntil > now;
  }

  /** Whether a router is behind it. @param vlanBits VLAN, as keys of the FDB have it */
  hasRouter(vlanBits: number, now: number): boolean {
    return this.#until[this.#find(ROUTER_LOW, vlanBits)]! > now;
  }

  // cold: once a second at most, when the table is full.
  #forgetOld(now: number): void {
    const kept = this.entries(now);
    this.#until.fill(0);
    this.#used = 0;
    for (const { low, high, until } of kept) this.join(low, high, until, now);
  }

  /** All that are in force. */
  // cold
  entries(now: number): { low: number; high: number; until: number }[] {
    const found = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const until = this.#until[slot]!;
      if (until > now) found.push({ low: this.#low[slot]!, high: this.#high[slot]!, until });
    }
    return found;
  }
}
