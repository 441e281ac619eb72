/**
 * The arithmetic behind the bench's claims.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { digits, median, pairRatios, quantile, spread } from "../../../bench/statistics.ts";

Deno.test("median() takes the middle of odd counts and the mean of the middle of even ones", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([10, 9, 100]), 10);
  assert(Number.isNaN(median([])));
});

Deno.test("spread() has median, ends and count, and is null for no runs", () => {
  assert.deepEqual(spread([5, 1, 3]), { median: 3, min: 1, max: 5, n: 3 });
  assert.equal(spread([]), null);
});

Deno.test("pairRatios() compares runs of the same round only, whatever the order they ran in", () => {
  const turns = (...values: (number | null)[]) => values.map((value, round) => ({ round, value }));
  assert.deepEqual(pairRatios(turns(30, 10, 24), turns(15, 4, 16).reverse()), [2, 2.5, 1.5]);
  assert.deepEqual(pairRatios(turns(30, null, 24), turns(15, 4)), [2]);
  assert.deepEqual(pairRatios(turns(30), turns(0)), [], "nothing came through: no ratio");
});

Deno.test("quantile() is the nearest rank: a value that was measured", () => {
  const sorted = Float64Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.equal(quantile(sorted, 0), 1);
  assert.equal(quantile(sorted, 0.5), 500);
  assert.equal(quantile(sorted, 0.999), 999);
  assert.equal(quantile(sorted, 1), 1000);
  assert.equal(quantile([7], 0.99), 7);
  assert(Number.isNaN(quantile([], 0.5)));
});

Deno.test("digits() keeps what was measured", () => {
  assert.equal(digits(9.87654321), 9.877);
  assert.equal(digits(0.000123456, 2), 0.00012);
  assert(Number.isNaN(digits(NaN)));
});
