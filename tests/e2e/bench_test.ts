/**
 * The bench's own guests at a real switch: what they send arrives, whatever the ring. How fast is
 * no matter here.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { LeanGuest } from "../../bench/lean/guest.ts";
import { awaitSwitch, flood, type Pair, ping, rate, wake } from "../../bench/lean/loads.ts";
import { IdleGuests } from "../../bench/load/idle_guests.ts";
import { Bed } from "../harness/bed.ts";

const SECONDS = 0.05;

for (const ring of ["split", "packed"] as const) {
  Deno.test(`lean guests with ${ring} rings ping, wake, keep a rate and flood`, async () => {
    await using bed = await Bed.make(2);
    const shape = { packed: ring === "packed", bytes: 64, ringSize: 64 };
    using one = await LeanGuest.start(bed.socket(1), 0, shape);
    using other = await LeanGuest.start(bed.socket(2), 1, shape);
    const pair: Pair = [one, other];
    await awaitSwitch(pair);
    for (const times of [ping(pair, SECONDS), await wake(pair, SECONDS, 2)]) {
      assert(times.length > 0 && times.every((us, i) => us > 0 && us >= (times[i - 1] ?? 0)));
    }
    const paced = await rate(pair, 50_000, SECONDS);
    assert(paced.offered >= 2000 && paced.offered <= 2500, `${paced.offered}`);
    assert(paced.received > 0 && paced.received <= paced.offered);
    let full = await flood(pair, SECONDS, 40);
    while (full.offered < 400) full = await flood(pair, SECONDS, 40);
    assert(full.received > 0 && full.received <= full.offered);
    assert.equal((await bed.process.fdb()).length, 40, "each station has talked");
    for (const { rx, tx } of pair) {
      rx.check();
      tx.check();
    }
  });
}

Deno.test("idle guests have their links up, and are gone together", async () => {
  await using bed = await Bed.make(3);
  const guests = await IdleGuests.start([1, 2, 3].map((port) => bed.socket(port)));
  for (const port of [1, 2, 3]) assert.equal((await bed.port(port)).link, "up");
  guests[Symbol.dispose]();
  await assert.rejects(IdleGuests.start([bed.socket(1), `${bed.socket(2)}.none`]));
});
