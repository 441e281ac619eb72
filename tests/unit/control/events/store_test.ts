/** Events that are kept and followed: all of it bounded, and nobody loses without being told. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  ALL_EVENTS,
  EVENTS_MAX,
  EventStore,
  type Follower,
  FOLLOWERS_MAX,
  type SwitchEvent,
  WAITING_MAX,
} from "../../../../lib/control/events/store.ts";
import { controlError } from "../support.ts";

function add(store: EventStore, component: string, event: string, times = 1): void {
  for (let i = 0; i < times; i++) store.add("info", component, event, `${event} ${i}`);
}

function names(events: readonly SwitchEvent[]): string[] {
  return events.map(({ event }) => event);
}

/** What a follower has now. */
async function taken(follower: Follower): Promise<[string[], number]> {
  const batch = await follower.next(0);
  assert(batch);
  return [names(batch.events), batch.lost];
}

Deno.test("events are kept in order, and found by port and name", () => {
  const store = new EventStore("s");
  store.add("warn", "port vm1", "closed", "gone", { reason: "bad-size" }, 0);
  add(store, "switch", "metrics");
  add(store, "port vm2", "closed");
  const [first] = store.list();
  assert.deepEqual(first, {
    ...{ id: "s-1", ts: "1970-01-01T00:00:00.000Z", level: "warn", component: "port vm1" },
    ...{ port: "vm1", event: "closed", msg: "gone", fields: { reason: "bad-size" } },
  });
  assert.equal(store.list()[1]?.port, null);
  assert.deepEqual(names(store.list({ port: "vm2", types: [] })), ["closed"]);
  assert.deepEqual(names(store.list({ port: null, types: ["metrics"] })), ["metrics"]);
  assert.deepEqual(names(store.list(ALL_EVENTS, 2)), ["metrics", "closed"]);
  assert.deepEqual(store.list(ALL_EVENTS, 0), []);
});

Deno.test("a port that makes many events costs the others' none", () => {
  const store = new EventStore();
  add(store, "switch", "metrics", 3);
  for (let i = 0; i < 50; i++) add(store, `port vm${i}`, "link-up", 2);
  add(store, "port noisy", "refused", 20 * EVENTS_MAX);
  assert.equal(store.list().length, EVENTS_MAX);
  assert.equal(store.list({ port: "noisy", types: [] }).length, EVENTS_MAX - 103);
  for (let i = 0; i < 50; i++) assert.equal(store.list({ port: `vm${i}`, types: [] }).length, 2);
  const last = store.list({ port: "noisy", types: [] }).at(-1);
  assert.equal(last?.msg, `refused ${20 * EVENTS_MAX - 1}`, "the newest are kept");
});

Deno.test("a follower gets what happens, and waits while nothing does", async () => {
  const store = new EventStore();
  add(store, "switch", "metrics");
  const follower = store.follow({ port: "vm1", types: ["link-up", "link-down"] }, null);
  assert.deepEqual(await taken(follower), [[], 0], "nothing of the past");
  const waiting = follower.next(60_000);
  add(store, "port vm2", "link-up");
  add(store, "port vm1", "closed");
  add(store, "port vm1", "link-up");
  assert.deepEqual(names((await waiting)?.events ?? []), ["link-up"]);
  const ended = follower.next(60_000);
  follower.close();
  follower.close();
  assert.equal(await ended, null);
  assert.equal(store.followers, 0);
});

Deno.test("a slow follower loses its oldest events, and is told how many", async () => {
  const store = new EventStore();
  const slow = store.follow(ALL_EVENTS, null);
  const other = store.follow({ port: "vm2", types: [] }, null);
  add(store, "port vm1", "refused", WAITING_MAX + 5);
  add(store, "port vm2", "link-up");
  const batch = await slow.next(0);
  assert.equal(batch?.lost, 6);
  assert.equal(batch?.events.length, WAITING_MAX);
  assert.deepEqual(await taken(other), [["link-up"], 0], "what it does not want costs it nothing");
  slow.close();
  other.close();
});

Deno.test("who comes back goes on where it was, also at another switch", async () => {
  const store = new EventStore("b");
  add(store, "port vm1", "connected");
  add(store, "port vm1", "link-up");
  add(store, "port vm2", "link-up");
  const back = async (after: string | null): Promise<[string[], number]> => {
    const follower = store.follow(ALL_EVENTS, after);
    const got = await taken(follower);
    follower.close();
    return got;
  };
  assert.deepEqual(await back("b-1"), [["link-up", "link-up"], 0]);
  assert.deepEqual(await back("b-3"), [[], 0]);
  const all = ["connected", "link-up", "link-up"];
  for (const other of ["a-2", "b-0", "", "b", "nonsense", "b-x", "-", "b-1-1", "é".repeat(99)]) {
    assert.deepEqual(await back(other), [all, 0], other);
  }
  add(store, "port vm1", "refused", 2 * EVENTS_MAX);
  const follower = store.follow(ALL_EVENTS, "b-3");
  const batch = await follower.next(0);
  assert.equal((batch?.lost ?? 0) + (batch?.events.length ?? 0), 2 * EVENTS_MAX);
  follower.close();
});

Deno.test("as many follow as may, and the next is told so", () => {
  const store = new EventStore();
  const all = Array.from({ length: FOLLOWERS_MAX }, () => store.follow(ALL_EVENTS, null));
  assert.throws(
    () => store.follow(ALL_EVENTS, null),
    controlError("conflict", /^16 programs follow events already$/),
  );
  all[0]?.close();
  store.follow(ALL_EVENTS, null).close();
  store.close();
  assert.equal(store.followers, 0);
});

Deno.test("whatever happens, counts add up: what came and what was lost is what happened", async () => {
  const step = fc.oneof(
    fc.record({ port: fc.integer({ min: 0, max: 4 }), times: fc.integer({ min: 1, max: 400 }) }),
    fc.constant("take" as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const store = new EventStore();
      const follower = store.follow(ALL_EVENTS, null);
      let [happened, got, last] = [0, 0, 0];
      for (const each of [...steps, "take" as const]) {
        if (each !== "take") {
          add(store, `port vm${each.port}`, "refused", each.times);
          happened += each.times;
          continue;
        }
        const batch = await follower.next(0);
        assert(batch);
        got += batch.events.length + batch.lost;
        for (const { id } of batch.events) {
          const number = Number(id.split("-")[1]);
          assert(number > last, "in order");
          last = number;
        }
      }
      assert.equal(got, happened);
      assert(store.list().length <= EVENTS_MAX);
      follower.close();
    }),
    { numRuns: 30 },
  );
});
