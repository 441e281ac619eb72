/**
 * Checks of our own invariants. What fails here is a bug of this program, never something a tenant
 * or an operator did: those get a reason code or an error with a hint.
 *
 * @module
 */

/** A broken invariant: a bug. Ends the process with the message. */
export class AssertionError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "AssertionError";
}

/** Ends what runs if `condition` is false. @throws {AssertionError} */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** `value` where our own logic says that it is there. @throws {AssertionError} */
export function present<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `Missing ${what}`);
  return value;
}
