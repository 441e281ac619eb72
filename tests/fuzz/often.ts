/**
 * What every fuzzer's cases are made with.
 *
 * @module
 */
import fc from "fast-check";

/** Arbitraries by how often they are wanted. */
export function often<T>(
  ...list: readonly (readonly [number, fc.Arbitrary<T>])[]
): fc.Arbitrary<T> {
  return fc.oneof(...list.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}
