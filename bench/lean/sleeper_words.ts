/**
 * What eventfd_alone.ts and the thread it wakes share.
 *
 * @module
 */

/** int32 words that both see: the thread is ready. */
export const READY = 0;
/** How often it woke. */
export const WOKEN = 1;
/** It is to end. */
export const END = 2;
/** How many words there are. */
export const WORDS = 3;
/** It wakes by itself after this time, ms. */
export const WAKE_MS_MAX = 1000;

/** The thread's first message. */
export interface SleeperStart {
  /** The eventfd it sleeps on. */
  readonly fd: number;
  /** Its processor. */
  readonly cpu: number;
  readonly words: SharedArrayBuffer;
}
