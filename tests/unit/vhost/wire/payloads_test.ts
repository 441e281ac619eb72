/** Payloads read into numbers: what is exact, and what is said not to be. */
import { strict as assert } from "node:assert";
import { isRefusal } from "../../../../lib/vhost/reasons.ts";
import { VRING_ADDR } from "../../../../lib/vhost/wire/payloads.ts";

const DESC_AT = 8;
const USED_AT = 16;
const AVAIL_AT = 24;
const LOG_AT = 32;

Deno.test("addresses of a vring are known if each of the three is exact", () => {
  const read = (at: number | null): { addresses: object | null; logGuestAddr: number | null } => {
    const view = new DataView(new ArrayBuffer(VRING_ADDR.bytesMin));
    if (at !== null) view.setBigUint64(at, 2n ** 53n, true);
    const places = VRING_ADDR.decode(view, 0);
    assert(!isRefusal(places));
    return places;
  };
  assert.deepEqual(read(null).addresses, { desc: 0, used: 0, avail: 0 });
  for (const at of [DESC_AT, USED_AT, AVAIL_AT]) {
    assert.equal(read(at).addresses, null, `address at ${at}`);
    assert.equal(read(at).logGuestAddr, 0);
  }
  assert.deepEqual(read(LOG_AT), { ...read(null), logGuestAddr: null });
});
