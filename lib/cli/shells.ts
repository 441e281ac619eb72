/**
 * Shells that can complete lines.
 *
 * @module
 */

/** Shells that `completion` has a script for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of them. */
export type Shell = typeof SHELLS[number];
