// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Who may have an address that is in use. Learning alone gives an address to whoever speaks with it,
 * so that a tenant takes another's frames by sending a few of its own. Here the one who has it keeps
 * it for as long as it speaks:
 *
 * - An address is in use while the port that has it is in service and spoke with it in the last
 *   {@linkcode Claims.holdSeconds}. Frames from elsewhere are dropped then; otherwise it moves at once.
 * - An announcement (announces.ts) from elsewhere claims it, as after a migration or a bond's failover:
 *   if the one who has it is silent for QUIET_MS, it moves. Frames that were under way when the claim
 *   was made do not count against it.
 * - Who is heard after all was still there: it gets the address back at once, and the other's
 *   announcements of this address are not believed for BELIEF_SECONDS.
 *
 * Of the frames of who has the address only one after each claim is looked at: the claim sets back the
 * time at which it was last seen, see fdb.ts.
 *
 * @module
 */
import { PORTS_MAX } from "../../base/limits.ts";
import { assert } from "../../base/assert.ts";
import { clock } from "./clock.ts";

/** Silence after which who claims an address gets it, ms. */
const QUIET_MS = 50;
/** Frames that were under way when an address was claimed, ms. */
const UNDER_WAY_MS = 10;
/** For so long a port that lost an address has it back for a word, and a false claim is remembered. */
const BELIEF_SECONDS = 60;
/** Claims that are waited for, in all and of one port: with the others it takes one frame more. */
const WAITING_MAX = 256;
const WAITING_OF_PORT = 16;

/** Words of a slot. */
const CLAIM_WORDS = 4;
/** Who claims the address, port + 1; 0: nobody. */
const BY = 0;
/** Since when, ms, 32 bits of it. */
const SINCE = 1;
/** From which port it came, and until when it gives it back: {@linkcode pact}. */
const FROM = 2;
/** Whose announcements are not believed, and until when. */
const BARRED = 3;

/** A port and a second in one word. */
const PORT_BITS = 9;
const PORT_MASK = (1 << PORT_BITS) - 1;
assert(PORTS_MAX < PORT_MASK, "a port fits beside a second");

function pact(port: number, now: number): number {
  return ((now + BELIEF_SECONDS) << PORT_BITS) | (port + 1);
}

/** Whether a word names this port and is still in force; seconds count modulo 2^23. */
function names(word: number, port: number, now: number): boolean {
  return (word & PORT_MASK) === port + 1 &&
    ((word & ~PORT_MASK) - (now << PORT_BITS) | 0) > 0;
}

/** The claims on the addresses of all slots of a table. Data-plane thread only. */
export class Claims {
  /** How long an address is in use after its last frame, seconds; 0: all addresses move at once. */
  readonly holdSeconds: number;
  readonly #words: Int32Array;
  readonly #low = new Int32Array(WAITING_MAX);
  readonly #high = new Int32Array(WAITING_MAX);
  readonly #port = new Int32Array(WAITING_MAX);
  readonly #ofPort = new Int32Array(PORTS_MAX);
  /** Ports that words may name. */
  readonly #named = new Uint8Array(PORTS_MAX);
  /** Claims that are waited for. */
  waiting = 0;

  /** No claims. @param slots of the table */
  constructor(slots: number, holdSeconds: number) {
    this.holdSeconds = holdSeconds;
    this.#words = new Int32Array(holdSeconds === 0 ? 0 : slots * CLAIM_WORDS);
  }

  /** A slot is another address's now. */
  begin(slot: number): void {
    if (this.holdSeconds !== 0) this.#words.fill(0, slot * CLAIM_WORDS, (slot + 1) * CLAIM_WORDS);
  }

  /** The address of slot `from` is in slot `to` now. */
  carry(from: number, to: number): void {
    if (this.holdSeconds === 0) return;
    this.#words.copyWithin(to * CLAIM_WORDS, from * CLAIM_WORDS, (from + 1) * CLAIM_WORDS);
  }

  /**
   * Whether an address in use moves to `port` all the same: it came from there, or is claimed from
   * there and who has it was silent.
   */
  mayMove(slot: number, port: number, now: number): boolean {
    const at = slot * CLAIM_WORDS;
    if (names(this.#words[at + FROM]!, port, now)) return true;
    return this.#words[at + BY] === port + 1 && this.#age(at) >= QUIET_MS;
  }

  #age(at: number): number {
    return (clock.ms | 0) - this.#words[at + SINCE]! | 0;
  }

  /** It moved. @param up whether the port that had it is in service */
  moved(slot: number, from: number, to: number, up: boolean, now: number): void {
    if (this.holdSeconds === 0) return;
    const at = slot * CLAIM_WORDS;
    const words = this.#words;
    const back = names(words[at + FROM]!, to, now);
    words[at + BY] = 0;
    words[at + BARRED] = back ? pact(from, now) : 0;
    words[at + FROM] = up && !back ? pact(from, now) : 0;
    this.#named[from] = 1;
  }

  /** An address in use was announced at a port. @returns whether the next word of its own is awaited */
  announced(slot: number, low: number, high: number, port: number, now: number): boolean {
    const at = slot * CLAIM_WORDS;
    const words = this.#words;
    if (words[at + BY] !== 0 || names(words[at + BARRED]!, port, now)) return false;
    words[at + BY] = port + 1;
    this.#named[port] = 1;
    words[at + SINCE] = clock.ms | 0;
    if (this.waiting < WAITING_MAX && this.#ofPort[port]! < WAITING_OF_PORT) {
      this.#low[this.waiting] = low;
      this.#high[this.waiting] = high;
      this.#port[this.waiting++] = port;
      this.#ofPort[port]!++;
    }
    return true;
  }

  /**
   * Who has the address spoke with it, for the first time since it was claimed or in this second.
   * @returns whether its next word is awaited still
   */
  spoke(slot: number, now: number): boolean {
    if (this.holdSeconds === 0) return false;
    const at = slot * CLAIM_WORDS;
    const words = this.#words;
    const by = words[at + BY]! - 1;
    if (by < 0) return false;
    if (this.#age(at) < UNDER_WAY_MS) return true;
    words[at + BY] = 0;
    words[at + BARRED] = pact(by, now);
    return false;
  }

  /**
   * Goes through what is waited for. Call now and then.
   * @param due has the address move if it may, and says whether that is settled
   */
  // cold
  settle(due: (low: number, high: number, port: number) => boolean): void {
    for (let i = this.waiting - 1; i >= 0; i--) {
      const port = this.#port[i]!;
      if (!due(this.#low[i]!, this.#high[i]!, port)) continue;
      this.#ofPort[port]!--;
      const last = --this.waiting;
      this.#low[i] = this.#low[last]!;
      this.#high[i] = this.#high[last]!;
      this.#port[i] = this.#port[last]!;
    }
  }

  /** Whether the address of a slot is claimed from a port, and undecided. */
  isClaimed(slot: number, port: number): boolean {
    return this.#words[slot * CLAIM_WORDS + BY] === port + 1;
  }

  /** A port is gone: its number may be another's soon. */
  // cold
  forgetPort(port: number): void {
    if (this.#named[port] === 0) return;
    this.#named[port] = 0;
    for (let at = 0; at < this.#words.length; at += CLAIM_WORDS) {
      if (this.#words[at + BY] === port + 1) this.#words[at + BY] = 0;
      for (const word of [at + FROM, at + BARRED]) {
        if ((this.#words[word]! & PORT_MASK) === port + 1) this.#words[word] = 0;
      }
    }
  }
}
