/** How address space for guests' memory is shared out: nobody takes what the others have a right to. */
import { strict as assert } from "node:assert";
import { LIMITS } from "../../../../lib/base/port_limits.ts";
import type { MappedRegion } from "../../../../lib/control/front_end/guest_memory.ts";
import { MEMBER_GRANULES, MemoryShares } from "../../../../lib/control/front_end/memory_shares.ts";
import { PortPool } from "../../../../lib/control/front_end/port_pool.ts";
import { isRefusal } from "../../../../lib/vhost/reasons.ts";

const REGION = { guestAddr: 0, userAddr: 0, sizeBytes: 1, mmapOffset: 0 };

const GRANULES_MAX = LIMITS["address-space"].most;
/** As many as there are in 17 TiB. */
const GRANULES = 17408;

Deno.test("however many ports take all they can, each other one has its part", () => {
  for (const ports of [2, 12, 64, 256]) {
    const shares = new MemoryShares(GRANULES);
    const accounts = Array.from({ length: ports }, () => shares.open());
    const honest = accounts.pop();
    let used = 0;
    for (const account of accounts) {
      // Regions of 2 GiB have three granules each.
      while (account.take(3) === null);
      while (account.take(1) === null);
      assert(account.used <= GRANULES_MAX);
      used += account.used;
    }
    const part = Math.min(Math.floor(GRANULES / 2 / ports), GRANULES_MAX);
    assert.equal(honest?.take(part), null, `${ports} ports`);
    assert(used + part <= GRANULES);
    assert.match(accounts[0]?.take(1) ?? "", /the other ports leave 0$|of at most 1600$/);
  }
});

Deno.test("1 TiB in 509 regions finds room, and so does what was given back", () => {
  const shares = new MemoryShares(GRANULES);
  const account = shares.open();
  for (let i = 0; i < 509; i++) assert.equal(account.take(3), null);
  assert.match(account.take(74) ?? "", /1601 GiB of address space, of at most 1600/);
  account.give(account.used);
  assert.equal(account.take(GRANULES_MAX), null);
  // A port that is gone has no right to anything.
  const others = Array.from({ length: 255 }, () => shares.open());
  for (const other of others.slice(0, 9)) assert.equal(other.take(800), null);
  const last = others[254];
  while (last?.take(1) === null);
  const before = last?.used ?? 0;
  for (const other of others.slice(9, 254)) other.close();
  while (last?.take(1) === null);
  assert((last?.used ?? 0) > before);
});

Deno.test("the front-ends of one socket share one account, with room for each", () => {
  const shares = new MemoryShares(GRANULES);
  const many = shares.open(16);
  const one = shares.open();
  assert.equal(many.limit, GRANULES_MAX + 15 * MEMBER_GRANULES);
  // 1 TiB each.
  let taken = 0;
  while (many.take(1025) === null) taken++;
  assert.equal(taken, 2);
  assert.equal(one.take(512), null);
});

Deno.test("a port pays for each mapping once, and for none that it cannot pay", () => {
  const shares = new MemoryShares(GRANULES);
  const account = shares.open();
  let next = "a";
  const held: string[] = [];
  const take = (): MappedRegion => {
    held.push(next);
    return {
      ...{ key: next, file: "", granules: 1000 },
      placed: { guestAddr: 0, sizeBytes: 1, address: 0, mapping: 1 },
    };
  };
  const port = new PortPool({
    acquire: take,
    acquireOwn: take,
    retain: (region) => region,
    release: ({ key }) => void held.splice(held.indexOf(key), 1),
    lostPage: () => null,
  }, account);
  const first = port.acquire(REGION, 3);
  const again = port.acquire(REGION, 3);
  assert(!isRefusal(first) && !isRefusal(again));
  assert.equal(account.used, 1000);
  next = "b";
  const refusal = port.acquire(REGION, 3);
  assert(isRefusal(refusal) && refusal.code === "memory-budget", JSON.stringify(refusal));
  assert.deepEqual(held, ["a", "a"], "nothing of it stays");
  port.retain(first);
  for (const left of [1000, 1000, 0]) {
    port.release(first);
    assert.equal(account.used, left);
  }
});
