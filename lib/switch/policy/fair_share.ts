// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A fair share of a receiver's ring for each sender, while there is too little room in it.
 *
 * Whoever is first fills a ring, and a flooder always is: the few frames of others met a ring without
 * buffers. So from the moment on that a frame found none, and until none was dropped for CALM_MS,
 * senders that have more than their part of what a port gets leave room for the others:
 *
 * - A sender is heavy if it had 1 / (n + 1) of the frames of late or more, n being the senders there
 *   are. So those that share a ring evenly are all heavy, and one alone is.
 * - A heavy one takes its n-th part of the room there is, less a part of the most room that there was
 *   of late: a quarter, or a sixteenth where all senders are heavy. What is beyond that is dropped
 *   (`txDroppedShare`).
 * - Any other one takes what it finds.
 * - Where that part is less than a frame, as of a ring with fewer buffers than senders, or of large
 *   frames, heavy ones take a frame each in turn.
 *
 * Of late: counts are halved every HALVE_MS. A frame counts, and takes room, as its buffers of 2 KiB.
 * Nothing of this is looked at for a port that has room.
 *
 * @module
 */
import { PORTS_MAX } from "../../base/limits.ts";
import { BURST_FRAMES, frameBytes } from "../../virtio/burst.ts";
import { clock } from "./clock.ts";

const CALM_MS = 1000;
const HALVE_MS = 10;
/** Without a frame for so long there is nothing of late, ms. */
const FORGET_MS = 100;
/** A buffer does not wait longer for whose turn it is, ms. */
const TURN_MS = 1;
/** Part of the room that is left to others, while there are any: a quarter; and if not, a sixteenth. */
const LEFT_SHIFT = 2;
const LEFT_SHIFT_ALONE = 4;
/** Others are there for so long after their last frame, ms. */
const LIGHT_MS = 100;
/** The most room of late is forgotten by a quarter each time. */
const FORGET_SHIFT = 2;
/** Bytes of a buffer, as a power of 2. */
const BUFFER_SHIFT = 11;

/** What is kept, as times: a frame found no room, counts were halved, another one than the heavy sent. */
const DROPPED = 0;
const HALVED = 1;
const LIGHT = 2;
/** What all senders had of late. */
const ALL = 3;
/** Since when a buffer waits for whose turn it is, ms; 0: none does. Turns there were. */
const WAITS = 4;
const TURNS = 5;

/** Buffers that a frame of the burst takes. */
function buffersOf(frame: number): number {
  return 1 + (frameBytes[frame]! >> BUFFER_SHIFT);
}

/** The senders to one receiver. Data-plane thread only. */
export class FairShare {
  /** What each sender had of late, or tried to have: 1 at least each time. */
  readonly #had = new Float64Array(PORTS_MAX);
  /** The number of each one's last turn. */
  readonly #turn = new Float64Array(PORTS_MAX);
  #senders = 0;
  #roomMost = 0;
  /** See above: numbers in fields of their own would be garbage each time. */
  readonly #at = Float64Array.of(clock.ms, clock.ms, -LIGHT_MS, 0, 0, PORTS_MAX);

  /** Nobody had anything yet. */
  begin(): void {
    this.#had.fill(0);
    this.#senders = 0;
    this.#roomMost = 0;
    this.#at[HALVED] = clock.ms;
    this.#at[LIGHT] = -LIGHT_MS;
    this.#at[ALL] = 0;
    this.#at[WAITS] = 0;
  }

  /** A frame found no room. */
  dropped(): void {
    this.#at[DROPPED] = clock.ms;
  }

  /** Whether there was room for so long that nobody need share. */
  get isCalm(): boolean {
    return clock.ms - this.#at[DROPPED]! > CALM_MS;
  }

  /**
   * How many of a sender's frames may go to the receiver, the first ones.
   * @param room buffers that are there, as far as {@linkcode roomMost} asks
   */
  admits(sender: number, room: number, list: Uint16Array, start: number, count: number): number {
    if (clock.ms - this.#at[HALVED]! >= HALVE_MS) this.#halve();
    this.#roomMost = Math.max(this.#roomMost, room);
    const had = this.#had[sender]!;
    if (had === 0) this.#senders++;
    let left = room;
    if ((had + count) * (this.#senders + 1) >= this.#at[ALL]! + count) {
      const alone = clock.ms - this.#at[LIGHT]! >= LIGHT_MS;
      const kept = this.#roomMost >> (alone ? LEFT_SHIFT_ALONE : LEFT_SHIFT);
      left = Math.max(0, Math.floor((room - kept) / this.#senders));
      const first = buffersOf(list[start]!);
      if (first > left && this.#isNext(sender, first, room, kept)) left = first;
    } else this.#at[LIGHT] = clock.ms;
    let taken = 0;
    let cost = 0;
    while (taken < count) {
      const next = cost + buffersOf(list[start + taken]!);
      // What finds no room at all is dropped where it was always dropped.
      if (next > left && left < room) break;
      cost = next;
      taken++;
    }
    const got = Math.min(cost, room);
    this.#had[sender]! += Math.max(got, 1);
    this.#at[ALL]! += Math.max(got, 1);
    return taken;
  }

  /** Whether it is a heavy sender's turn to have a frame of so many buffers, more than is its part. */
  #isNext(sender: number, buffers: number, room: number, kept: number): boolean {
    // What is kept for others is not kept from a frame that would never fit beside it.
    if (buffers > room || (buffers > room - kept && buffers <= this.#roomMost - kept)) return false;
    const turns = this.#at[TURNS]!;
    if (turns - this.#turn[sender]! < this.#senders - 1) {
      if (this.#at[WAITS] === 0) this.#at[WAITS] = clock.ms;
      if (clock.ms - this.#at[WAITS]! < TURN_MS) return false;
    }
    this.#turn[sender] = this.#at[TURNS] = turns + 1;
    this.#at[WAITS] = 0;
    return true;
  }

  /** Buffers that must be looked for, at most. */
  roomMost(count: number): number {
    return (count + BURST_FRAMES) * Math.max(2, this.#senders);
  }

  #halve(): void {
    if (clock.ms - this.#at[HALVED]! >= FORGET_MS) {
      this.begin();
      return;
    }
    this.#at[HALVED] = clock.ms;
    // To the last one: a driver may have few buffers from now on.
    this.#roomMost = Math.max(0, this.#roomMost - 1 - (this.#roomMost >> FORGET_SHIFT));
    this.#at[ALL] = 0;
    this.#senders = 0;
    for (let sender = 0; sender < PORTS_MAX; sender++) {
      const had = this.#had[sender]! / 2;
      this.#had[sender] = had < 0.5 ? 0 : had;
      if (had < 0.5) continue;
      this.#at[ALL]! += had;
      this.#senders++;
    }
  }
}
