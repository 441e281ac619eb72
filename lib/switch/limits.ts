/**
 * How much one switch holds.
 *
 * @module
 */

/** Ports one switch can hold. */
export const PORTS_MAX = 256;
