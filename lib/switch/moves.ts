// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * How often each address of the FDB moved between ports of late, and which of them flap: move
 * faster than a guest can. A migration or a failover is one move, or a few.
 *
 * Moves are counted by periods of 10 s, the last six of them: 10 moves within 50 s are always a
 * flap, 10 moves that take longer than 60 s never. A flap lasts until an address has not moved in
 * any of six periods.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import { PORTS_MAX } from "../base/limits.ts";

/** Moves that are a flap. */
const FLAP_MOVES = 10;
const PERIOD_SECONDS = 10;
const PERIODS = 6;
const PERIOD_BITS = 4;
const PERIOD_MASK = (1 << PERIOD_BITS) - 1;
const COUNTS_MASK = (1 << (PERIODS * PERIOD_BITS)) - 1;
/** In place of counts, while a flap lasts. */
const FLAPPING = COUNTS_MASK;

assert(FLAP_MOVES <= PERIOD_MASK, "a period can count all moves before the last one of a flap");
assert(sum(COUNTS_MASK) >= FLAP_MOVES, "counts are never what says that a flap lasts");

/**
 * Words of a slot: moves of each period in bits 0-23, the newest lowest, or FLAPPING, and above them
 * the port that the last move went to; the newest period in bits 0-23, which is enough for years, and
 * above it the port that the last move came from.
 */
export const MOVE_WORDS = 2;
/** The two words. */
const COUNTS = 0;
const LAST = 1;
const PORT_SHIFT = 24;
const LAST_MASK = (1 << PORT_SHIFT) - 1;

function sum(counts: number): number {
  let moves = 0;
  for (let rest = counts; rest !== 0; rest >>>= PERIOD_BITS) moves += rest & PERIOD_MASK;
  return moves;
}

assert(PERIODS * PERIOD_BITS <= PORT_SHIFT, "counts fit beside a port's number");
assert(PORTS_MAX <= 1 << (32 - PORT_SHIFT), "a port's number fits beside a period");

/** Periods from the last move on, or below 0. */
function periodsSince(last: number, period: number): number {
  return ((period - last) << (32 - PORT_SHIFT)) >> (32 - PORT_SHIFT);
}

/** The moves of all slots. Only the data plane calls what changes them. */
export class Moves {
  readonly #words: Int32Array;

  /** The moves of slots in `words`. @param words MOVE_WORDS of each slot */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** A slot is another address's now, which has not moved yet. */
  begin(slot: number): void {
    this.#words[slot * MOVE_WORDS + COUNTS] = 0;
  }

  /** The address of slot `from` is in slot `to` now. */
  carry(from: number, to: number): void {
    this.#words[to * MOVE_WORDS + COUNTS] = this.#words[from * MOVE_WORDS + COUNTS]!;
    this.#words[to * MOVE_WORDS + LAST] = this.#words[from * MOVE_WORDS + LAST]!;
  }

  /**
   * Whether the last move of a slot's address was from or to this port. Where the address is now does
   * not tell: it may have been flushed since, and learned elsewhere, which is no move.
   */
  concern(slot: number, port: number): boolean {
    const at = slot * MOVE_WORDS;
    return this.#words[at + LAST]! >>> PORT_SHIFT === port ||
      this.#words[at + COUNTS]! >>> PORT_SHIFT === port;
  }

  /** An address moved between ports. @param now seconds @returns whether a flap begins */
  count(slot: number, from: number, to: number, now: number): boolean {
    const words = this.#words;
    const at = slot * MOVE_WORDS;
    const period = Math.floor(now / PERIOD_SECONDS);
    const last = words[at + LAST]!;
    const passed = periodsSince(last, period);
    let counts = words[at + COUNTS]! & COUNTS_MASK;
    // A state from elsewhere has seen its addresses before now: that counts as now.
    words[at + LAST] = (from << PORT_SHIFT) | ((passed > 0 ? period : last) & LAST_MASK);
    const lasts = counts === FLAPPING && passed < PERIODS;
    if (passed >= PERIODS) counts = 0;
    else if (passed > 0) counts = (counts << (PERIOD_BITS * passed)) & COUNTS_MASK;
    const begins = !lasts && sum(++counts) >= FLAP_MOVES;
    words[at + COUNTS] = (to << PORT_SHIFT) | (lasts || begins ? FLAPPING : counts);
    return begins;
  }

  /** Whether a flap of this slot's address lasts. Any thread. @param now seconds */
  isFlapping(slot: number, now: number): boolean {
    const words = this.#words;
    const at = slot * MOVE_WORDS;
    if ((Atomics.load(words, at + COUNTS) & COUNTS_MASK) !== FLAPPING) return false;
    const last = Atomics.load(words, at + LAST);
    return periodsSince(last, Math.floor(now / PERIOD_SECONDS)) < PERIODS;
  }
}

/** Hears of every address that is learned or moves. Must neither block nor allocate. */
export interface MoveListener {
  /** An address that was nowhere is on a port now. */
  learned(macLo: number, macHi: number, port: number): void;
  /** An address is on another port now. @param flaps a flap begins with it */
  moved(macLo: number, macHi: number, from: number, to: number, flaps: boolean): void;
  /** Whether a port is in service: what is on another one is free for whoever speaks. */
  serves(port: number): boolean;
}

/** Counts the moves of each port, and has addresses that come here announced. */
export class PortMoves implements MoveListener {
  readonly #path: Datapath;

  /** Counts in the blocks of the path's ports. */
  constructor(path: Datapath) {
    this.#path = path;
  }

  serves(port: number): boolean {
    const known = this.#path.ports[port];
    return known !== null && known !== undefined && known.receivers.length > 0;
  }

  learned(macLo: number, macHi: number, port: number): void {
    this.#path.announcer.learned(macLo, macHi, port, -1);
  }

  moved(macLo: number, macHi: number, from: number, to: number, flaps: boolean): void {
    this.#path.announcer.learned(macLo, macHi, to, from);
    const path = this.#path;
    const { counters } = path;
    const source = path.ports[from]!;
    const target = path.ports[to]!;
    counters[source.counterBase + PORT.macMovesOut]!++;
    counters[target.counterBase + PORT.macMovesIn]!++;
    if (!flaps) return;
    counters[source.counterBase + PORT.macFlaps]!++;
    counters[target.counterBase + PORT.macFlaps]!++;
    path.host.macFlap?.(macLo, macHi, from, to);
  }
}
