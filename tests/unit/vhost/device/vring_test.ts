/** Where a ring stands, as front-ends are told and say it. */
import { strict as assert } from "node:assert";
import { decodePacked, encodePosition } from "../../../../lib/vhost/device/vring.ts";

Deno.test("encodePosition() and decodePacked() are inverse, 0 apart", () => {
  for (const availIndex of [0, 1, 255, 32767]) {
    for (const usedIndex of [0, 7, 32767]) {
      for (const wraps of [0, 1, 2, 3]) {
        const position = { availIndex, availWrap: wraps & 1, usedIndex, usedWrap: wraps >> 1 };
        const wire = encodePosition(true, position);
        if (wire >>> 16 === 0) continue;
        assert.deepEqual(decodePacked(wire, false), position);
        assert.deepEqual(decodePacked(wire, true), position);
      }
    }
  }
});

Deno.test("encodePosition() says the next available index of a split ring, upper half 0", () => {
  const position = { availIndex: 65535, availWrap: 1, usedIndex: 3, usedWrap: 1 };
  assert.equal(encodePosition(false, position), 65535);
});

Deno.test("decodePacked() takes used for available where the upper half is 0", () => {
  const at = (index: number, wrap: number): unknown => ({
    availIndex: index,
    availWrap: wrap,
    usedIndex: index,
    usedWrap: wrap,
  });
  assert.deepEqual(decodePacked(0x8000, false), at(0, 1));
  assert.deepEqual(decodePacked(0x8005, false), at(5, 1));
  assert.deepEqual(decodePacked(0x0005, true), at(5, 0));
});
