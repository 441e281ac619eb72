/**
 * Validations that no test can miss, each with the reason: what is taken away there changes nothing
 * that can be seen, but for speed.
 *
 * @module
 */

/** One of them, as `deno task mutate --list` names it. */
export interface Equivalent {
  readonly file: string;
  readonly key: string;
  readonly why: string;
}

/** All of them. */
export const EQUIVALENTS: readonly Equivalent[] = [];
