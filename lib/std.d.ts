/**
 * Types of the functions of Deno std that are used here, as std declares them: the npm package has
 * the code without its types. An import of `@std/…` meets these names wherever it stands;
 * docs/develop.md says what is to change where JSR can be reached.
 *
 * @module
 */

declare module "@std/async/deadline" {
  export interface DeadlineOptions {
    signal?: AbortSignal;
  }
  /** The same promise; it rejects with a `TimeoutError` after `ms`. */
  export function deadline<T>(p: Promise<T>, ms: number, options?: DeadlineOptions): Promise<T>;
}

declare module "@std/async/delay" {
  export interface DelayOptions {
    signal?: AbortSignal;
    /** Whether the process lives as long as the timer; it does if nothing is said. */
    persistent?: boolean;
  }
  /** Resolves after `ms`. */
  export function delay(ms: number, options?: DelayOptions): Promise<void>;
}

declare module "@std/async/retry" {
  export interface RetryOptions {
    multiplier?: number;
    /** Longest pause, ms. */
    maxTimeout?: number;
    maxAttempts?: number;
    /** First pause, ms. */
    minTimeout?: number;
    /** Part of a pause that is left to chance, 0 to 1. */
    jitter?: number;
    isRetriable?: (err: unknown) => boolean;
  }
  /** Calls `fn` until it succeeds, with pauses in between. */
  export function retry<T>(fn: (() => Promise<T>) | (() => T), options?: RetryOptions): Promise<T>;
}

declare module "@std/bytes/concat" {
  /** A copy of all of them, one behind the other. */
  export function concat(buffers: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
}

declare module "@std/encoding/hex" {
  /** Two lower-case digits a byte. */
  export function encodeHex(src: string | Uint8Array | ArrayBuffer): string;
}

declare module "@std/fmt/bytes" {
  export interface FormatOptions {
    bits?: boolean;
    binary?: boolean;
    signed?: boolean;
    locale?: boolean | string | string[];
    minimumFractionDigits?: number;
    maximumFractionDigits?: number;
  }
  /** A size in words: three digits and a unit. */
  export function format(num: number, options?: FormatOptions): string;
}

declare module "@std/text/levenshtein-distance" {
  /** Letters to change, add or drop to make one word of the other. */
  export function levenshteinDistance(str1: string, str2: string): number;
}

declare module "@std/yaml/parse" {
  export interface ParseOptions {
    allowDuplicateKeys?: boolean;
  }
  /** The document in a text of YAML; throws a `SyntaxError` that says where it is none. */
  export function parse(content: string, options?: ParseOptions): unknown;
}
