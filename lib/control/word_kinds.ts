/**
 * Kinds of words that the glossary has.
 *
 * @module
 */

/** Kinds of words, each with what it is a word of. */
export const WORD_KINDS = {
  drop: "why frames were dropped",
  counter: "what a counter counts",
  reason: "why the switch refused a front-end, ended its connection, or answered with a failure",
  "ring-reason": "why a ring was stopped",
  "chain-reason": "why a descriptor chain went back unused",
  problem: "what is wrong with a port now",
  verdict: "what is said of a port in a line",
  event: "what a line of the log is about",
  metric: "what a metric is",
} as const;

/** A kind of word. */
export type WordKind = keyof typeof WORD_KINDS;
