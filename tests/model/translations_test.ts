/** The IOTLB's map against a naive one that knows every address by itself. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { Translations } from "../../lib/virtio/memory/translations.ts";

const SPAN = 64;

/** What stands at one address. */
interface Known {
  readonly target: number;
  readonly owner: number;
  readonly permission: number;
}

type Step =
  | { readonly kind: "update"; at: number; size: number; known: Known }
  | { readonly kind: "invalidate"; at: number; size: number };

const range = { at: fc.nat(SPAN - 1), size: fc.integer({ min: 1, max: 20 }) };
const known = fc.record({
  // Few enough that neighbours often continue each other.
  target: fc.nat(3).map((n) => 100 * n),
  owner: fc.nat(1),
  permission: fc.integer({ min: 1, max: 3 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("update" as const), ...range, known }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("invalidate" as const), ...range }) },
);

/** The map's view of one address. */
function lookUp(map: Translations, address: number): Known | undefined {
  const index = map.find(address);
  if (index < 0) return undefined;
  const target = (map.target[index] as number) + address - (map.start[index] as number);
  const owner = map.owner[index] as number;
  const permission = map.permission[index] as number;
  assert.equal(map.permissionAt(address), permission);
  return { target, owner, permission };
}

function checkOrder(map: Translations): void {
  for (let i = 0; i < map.count; i++) {
    assert((map.start[i] as number) < (map.end[i] as number), "no entry is empty");
    if (i > 0) assert((map.end[i - 1] as number) <= (map.start[i] as number), "in order");
  }
}

/** Runs a script on both; the model is told when the map is allowed to forget. */
function run(script: readonly Step[], capacity: number): void {
  const map = new Translations(capacity);
  const naive = new Map<number, Known>();
  for (const one of script) {
    const end = one.at + one.size;
    if (one.kind === "update") {
      // The target of an address follows from where it is, so that ranges continue each other.
      const { known: { target, owner, permission } } = one;
      map.update(one.at, one.size, target + one.at, owner, permission);
      for (let address = one.at; address < end; address++) {
        naive.set(address, { target: target + address, owner, permission });
      }
    } else {
      let had = false;
      for (let address = one.at; address < end; address++) {
        had = naive.delete(address) || had;
      }
      const removed = map.invalidate(one.at, one.size);
      if (removed) assert(had);
      if (had && capacity >= 2 * SPAN) assert(removed);
    }
    assert(map.count <= capacity);
    checkOrder(map);
    for (let address = 0; address < SPAN + 24; address++) {
      const got = lookUp(map, address);
      const wanted = naive.get(address);
      // A full map may forget, but never invents and never keeps what was invalidated.
      if (got !== undefined || capacity >= 2 * SPAN) assert.deepEqual(got, wanted);
      else naive.delete(address);
    }
    if (one.kind === "update") {
      for (let address = one.at; address < end; address++) {
        assert(map.find(address) >= 0, "what came last is there");
      }
    }
  }
}

Deno.test("a roomy map knows exactly what a naive one knows", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (script) => run(script, 256)), {
    numRuns: 300,
  });
});

Deno.test("a full map forgets, keeps its size, and never invents", () => {
  for (const capacity of [2, 3, 5, 8]) {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (script) => run(script, capacity)), {
      numRuns: 150,
    });
  }
});

Deno.test("ranges that continue each other are one entry, whatever order they come in", () => {
  for (const order of [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [3, 0, 2, 1]]) {
    const map = new Translations(8);
    for (const n of order) map.update(4096 * n, 4096, 9e9 + 4096 * n, 0, 3);
    assert.deepEqual([map.count, map.start[0], map.end[0]], [1, 0, 4 * 4096]);
    map.invalidate(4096, 4096);
    assert.equal(map.count, 2);
    assert.deepEqual([0, 4096, 8192].map((address) => map.permissionAt(address)), [3, 0, 3]);
    assert.equal((map.target[1] as number) - 9e9, 8192);
  }
});

Deno.test("the entry written longest ago makes room: nobody who asks again and again starves", () => {
  const map = new Translations(16);
  for (let n = 0; n < 1000; n++) {
    map.update(8192 * n, 4096, 0, n & 1, 1);
    for (let back = 0; back < Math.min(16, n + 1); back++) {
      assert(map.find(8192 * (n - back)) >= 0, "the last 16 are there");
    }
  }
  assert.equal(map.count, 16);
});

Deno.test("everything at once can be invalidated", () => {
  const map = new Translations(16);
  for (let n = 0; n < 10; n++) map.update(2 ** 40 * n, 1, 0, 0, 1);
  assert(map.invalidate(0, 2 ** 64));
  assert.equal(map.count, 0);
  assert.equal(map.invalidate(0, 2 ** 64), false);
});
