/**
 * The time that policies go by: the loop sets it whenever it looks at its clock, which it does once in
 * some thousand frames and in every round without any, so that nothing here ever asks for the time.
 *
 * @module
 */

/** Data-plane thread only. */
export const clock: { /** Monotonic, ms and fractions. */ ms: number } = { ms: 0 };
