/**
 * Lines that no test comes by, each with the reason.
 *
 * @module
 */

/** One of them: what begins there is not missed. */
export interface Excuse {
  readonly file: string;
  /** The line, without the blanks around it. */
  readonly line: string;
  readonly why: string;
}

/** All of them. */
export const EXCUSED: readonly Excuse[] = [];
