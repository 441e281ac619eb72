/** Every MAC address survives as a number. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { formatMac, macNumber, macOfNumber, parseMac } from "../../../lib/base/mac.ts";

Deno.test("a MAC address is the same after a way as one number, its VLAN left out", () => {
  const word = fc.oneof(fc.integer(), fc.constantFrom(-1, 0, 1, 0x7fffffff, -0x80000000));
  const high = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 0x7fff, 0x8000, 0xffff));
  fc.assert(fc.property(word, high, fc.nat(0xfff), (low, high, vlan) => {
    const number = macNumber(low, high | (vlan << 16));
    assert(Number.isSafeInteger(number) && number >= 0 && number < 2 ** 48);
    assert.deepEqual(macOfNumber(number), { low, high });
    assert.deepEqual(parseMac(formatMac(low, high)), { low, high });
  }));
  assert.equal(macNumber(1, 0), 1);
});
