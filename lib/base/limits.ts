/**
 * How much one switch holds.
 *
 * @module
 */

/** Ports one switch can hold. */
export const PORTS_MAX = 256;
/** Queue pairs of one port at most. */
export const QUEUE_PAIRS_MAX = 32;
/** Virtqueues of one port at most: even index = to the guest, odd = from the guest. */
export const VRINGS_PER_PORT: number = 2 * QUEUE_PAIRS_MAX;
/** Memory regions of one port at most: what Linux allows a virtual machine on x86-64. */
export const MEM_SLOTS_MAX = 509;
/** Mirrors at once: a bit each in a word. */
export const MIRRORS_MAX = 16;
