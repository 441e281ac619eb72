/** Stretches of a row of units: none is given twice, and what is given back is whole again. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { Stretches } from "../../../lib/base/stretches.ts";

const UNITS = 40;

Deno.test("Stretches gives each unit once, whatever is taken and given back", () => {
  const step = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ give: fc.nat() }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const row = new Stretches(UNITS);
    const taken: [number, number][] = [];
    const used = (): boolean[] => {
      const units = new Array<boolean>(UNITS).fill(false);
      for (const [first, count] of taken) units.fill(true, first, first + count);
      return units;
    };
    for (const action of steps) {
      if ("take" in action) {
        const first = row.take(action.take);
        const before = used().map((is) => is ? "#" : " ").join("");
        assert.equal(first < 0, !before.includes(" ".repeat(action.take)), "what fits is found");
        if (first < 0) continue;
        assert.equal(before.slice(first, first + action.take), " ".repeat(action.take));
        taken.push([first, action.take]);
      } else if (taken.length > 0) {
        const [gone] = taken.splice(action.give % taken.length, 1);
        if (gone) row.give(...gone);
      }
      const free = used().map((is) => is ? "#" : " ").join("").split("#").map((run) => run.length);
      assert.equal(row.free, free.reduce((sum, run) => sum + run, 0));
      assert.equal(row.longest, Math.max(...free));
    }
  }));
});

Deno.test("Stretches takes what was given back as late as can be", () => {
  const row = new Stretches(4);
  assert.deepEqual([row.take(1), row.take(1)], [0, 1]);
  row.give(0, 1);
  assert.deepEqual([row.take(1), row.take(1), row.take(1), row.take(1)], [2, 3, 0, -1]);
});

Deno.test("Stretches goes beyond the units it takes in turn only when it must", () => {
  const row = new Stretches(6, 3);
  const take = (): number => row.take(1);
  assert.deepEqual([take(), take()], [0, 1]);
  row.give(0, 1);
  assert.deepEqual([take(), take(), take()], [2, 0, 3]);
  row.give(1, 1);
  assert.deepEqual([take(), row.take(2), take()], [1, 4, -1]);
});

Deno.test("Stretches is not given what is free", () => {
  const row = new Stretches(4);
  row.take(2);
  for (const [first, count] of [[2, 1], [1, 2], [0, 3]] as const) {
    assert.throws(() => row.give(first, count), /free/);
  }
  assert.throws(() => row.take(0));
  assert.equal(new Stretches(0).take(1), -1);
});
