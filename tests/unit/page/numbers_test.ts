/** How numbers are written for people. */
import { strict as assert } from "node:assert";
import { bits, count, duration, percent, short, tick } from "../../../lib/page/numbers.ts";

function plain(text: string): string {
  return text.replaceAll("\u202f", " ");
}

Deno.test("numbers are short, and no unit is left behind", () => {
  for (
    const [value, text] of [
      ...[[0, "0"], [0.25, "0.3"], [7, "7"], [9.96, "10"], [999, "999"], [999.4, "999"]] as const,
      ...[[999.6, "1.00 k"], [1234, "1.23 k"], [12345, "12.3 k"], [99960, "100 k"]] as const,
      ...[[999_499, "999 k"], [999_600, "1.00 M"], [2.5e9, "2.50 G"], [7e13, "70.0 T"]] as const,
    ]
  ) {
    assert.equal(plain(short(value)), text);
  }
  assert.deepEqual(
    [0, 0.5, 20, 1000, 1500, 20_000, 800_000, 1.25e6].map((each) => plain(tick(each))),
    [
      ...["0", "0.5", "20", "1 k", "1.5 k", "20 k", "800 k", "1.25 M"],
    ],
  );
  assert.deepEqual([0, 1e6, 5].map((each) => plain(bits(each))), [
    "0 bit/s",
    "8.00 Mbit/s",
    "40 bit/s",
  ]);
  assert.deepEqual([0, 0.0123, 0.5, 1].map((each) => plain(percent(each))), [
    ...["0.0 %", "1.2 %", "50 %", "100 %"],
  ]);
  assert.deepEqual([5, 1234, 1234567].map((each) => plain(count(each))), [
    "5",
    "1 234",
    "1 234 567",
  ]);
  assert.deepEqual([59.9, 60, 3600, 90061].map((each) => plain(duration(each))), [
    ...["59 s", "1 min", "1 h 0 min", "1 d 1 h"],
  ]);
});
