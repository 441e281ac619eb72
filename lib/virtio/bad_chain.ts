/**
 * Chains that are no good and cost nothing but themselves: they go back to the driver in their turn,
 * with length 0. A ring is given up only where nobody can tell what comes next in it, or whose memory
 * it is about; see ring.ts.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { DESC_BYTES } from "./ring.ts";

/** Result of a walk in place of a segment's index: the chain goes back and the ring goes on. */
export const BAD_CHAIN: number = -2;

/** A device-writable buffer in a chain to send, or a readable one in a chain to receive. */
export const CHAIN_BAD_DIRECTION = 0;
/** An indirect table that is no table, or may not be one. */
export const CHAIN_BAD_INDIRECT = 1;
/** A chain to receive that cannot hold a virtio-net header. */
export const CHAIN_NO_ROOM = 2;

/** Code and meaning of the reasons above, by number. */
export const CHAIN_REASON_ROWS = [
  [
    "bad-direction",
    "a writable buffer in a chain to send, or a readable one in a chain to receive",
  ],
  [
    "bad-indirect",
    "an indirect table that is empty, cut, too long, nested, continued, or was not negotiated",
  ],
  ["no-room", "a chain to receive that cannot hold a virtio-net header"],
] as const satisfies readonly (readonly [code: string, meaning: string])[];

assert(CHAIN_REASON_ROWS.length === CHAIN_NO_ROOM + 1, "every reason has its row");

/** What a virtqueue remembers of its bad chains until they are told. */
export interface BadChains {
  /** How many there were. */
  badChains: number;
  /** Their reasons: bit n is reason n. */
  badReasons: number;
  /** Reasons that were told since the ring was set up. */
  toldReasons: number;
}

/** Remembers a bad chain. */
export function noteBadChain(queue: BadChains, reason: number): void {
  queue.badChains++;
  queue.badReasons |= 1 << reason;
}

/**
 * Entries that an indirect table may have in any ring, and more if the ring has more. The
 * specification ends at the ring's size (virtio-v1.3 §2.7.5.3.1), Linux and FreeBSD do not: in a
 * small ring their tables may be longer than it. Linux's have as many entries as a frame has pieces,
 * FreeBSD's 64 at most whatever the ring. QEMU takes as many as this.
 */
export const TABLE_ENTRIES_MAX = 1024;

/** Whether an indirect table cannot have this length. @param length bytes, below 0 from 2^31 on */
export function isBadTable(length: number, ringSize: number): boolean {
  const entries = ringSize > TABLE_ENTRIES_MAX ? ringSize : TABLE_ENTRIES_MAX;
  return length <= 0 || length % DESC_BYTES !== 0 || length > DESC_BYTES * entries;
}
