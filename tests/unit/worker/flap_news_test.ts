/** News of flaps leave room for other events, whatever tenants do. */
import { strict as assert } from "node:assert";
import { macOfNumber } from "../../../lib/base/mac.ts";
import { createEvents, EVENT, EventReader, EventWriter } from "../../../lib/worker/events.ts";
import { FlapNews } from "../../../lib/worker/flap_news.ts";

Deno.test("a flap is told with its address and both ports", () => {
  const memory = createEvents();
  const news = new FlapNews(new EventWriter(memory, () => {}));
  news.tell(-2, 0xfffe, 3, 250, 1);
  const [event, ...others] = new EventReader(memory).take();
  assert.deepEqual([event?.kind, event?.port, event?.vring, others], [EVENT.macFlap, 250, 3, []]);
  assert.deepEqual(macOfNumber(event?.value ?? 0), { low: -2, high: 0xfffe });
});

Deno.test("one port's flaps are 32 events a second at most, and leave others theirs", () => {
  const memory = createEvents();
  const reader = new EventReader(memory);
  const news = new FlapNews(new EventWriter(memory, () => {}));
  const takenOf = (): Map<number, number> => {
    const counts = new Map<number, number>();
    for (const { port } of reader.take()) counts.set(port, (counts.get(port) ?? 0) + 1);
    return counts;
  };
  for (let mac = 0; mac < 16384; mac++) news.tell(mac, 0, 2, 1, 7);
  news.tell(0, 0, 1, 2, 7);
  assert.deepEqual(takenOf(), new Map([[1, 32], [2, 1]]));
  news.tell(0, 0, 2, 1, 7);
  assert.deepEqual(takenOf(), new Map());
  for (let mac = 0; mac < 100; mac++) news.tell(mac, 0, 2, 1, 8);
  assert.deepEqual(takenOf(), new Map([[1, 32]]));
  assert.equal(reader.dropped, 0);
});
