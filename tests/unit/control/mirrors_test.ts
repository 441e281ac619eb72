/** Mirrors as an operator has them: no circles, and gone with their ports. */
import { strict as assert } from "node:assert";
import { readMirror } from "../../../lib/control/config/mirror_config.ts";
import { Mirrors } from "../../../lib/control/mirrors.ts";
import type { Placed } from "../../../lib/control/planes.ts";
import type { Given } from "../../../lib/worker/wire.ts";
import { controlError } from "./support.ts";

function bed(): { mirrors: Mirrors; told: Given<"setMirror">[]; names: string[] } {
  const told: Given<"setMirror">[] = [];
  const names = ["a", "b", "c", "d"];
  const commands = { setMirror: (given: Given<"setMirror">) => void told.push(given) };
  const placed = (name: string): Placed | null =>
    names.includes(name)
      ? { plane: { thread: { commands } }, number: names.indexOf(name) } as unknown as Placed
      : null;
  return { mirrors: new Mirrors({ placed, names: () => names }), told, names };
}

const ONE = { name: "m", from: ["a", "b"], to: "c", direction: "both" } as const;
const ONE_ON = { ...ONE, state: "mirroring", configured: false };

Deno.test("a mirror is told as it is, goes on without a port, and ends", () => {
  const { mirrors, told } = bed();
  assert.deepEqual(mirrors.add(ONE), ONE_ON);
  assert.deepEqual(mirrors.list(), [ONE_ON]);
  mirrors.add({ name: "n", from: ["d"], to: "c", direction: "in" });
  mirrors.portRemoved("a");
  assert.deepEqual(mirrors.list()[0], { ...ONE_ON, from: ["b"] });
  mirrors.portRemoved("d");
  assert.deepEqual(mirrors.list().map(({ name }) => name), ["m"]);
  mirrors.add({ name: "o", from: ["d"], to: "c", direction: "out" });
  mirrors.portRemoved("c");
  assert.deepEqual(mirrors.list(), []);
  assert.deepEqual(told, [
    { mirror: 0, to: 2, in: [0, 1], out: [0, 1] },
    { mirror: 1, to: 2, in: [3], out: [] },
    { mirror: 0, to: 2, in: [1], out: [1] },
    { mirror: 1, to: 2, in: [], out: [] },
    { mirror: 1, to: 2, in: [], out: [3] },
    { mirror: 0, to: 2, in: [], out: [] },
    { mirror: 1, to: 2, in: [], out: [] },
  ]);
});

Deno.test("what goes in circles, is missing or is there already is no mirror, and nothing is told", () => {
  const { mirrors, told } = bed();
  mirrors.add(ONE);
  const cases: [Parameters<Mirrors["add"]>[0], Parameters<typeof controlError>[0], RegExp][] = [
    [{ ...ONE, to: "d" }, "conflict", /m: there is one/],
    [{ ...ONE, name: "x", from: ["c"], to: "d" }, "conflict", /"c" would be copied from and to/],
    [{ ...ONE, name: "x", from: ["d"], to: "a" }, "conflict", /"a" would be copied from and to/],
    [{ ...ONE, name: "x", from: ["a"], to: "a" }, "invalid", /to itself/],
    [{ ...ONE, name: "x", from: [] }, "invalid", /needs ports/],
    [{ ...ONE, name: "x y" }, "invalid", /name must be/],
    [{ ...ONE, name: "x", from: ["e"] }, "not-found", /No port named "e"/],
    [{ ...ONE, name: "x", to: "e" }, "not-found", /No port named "e"/],
  ];
  for (const [mirror, kind, text] of cases) {
    assert.throws(() => mirrors.add(mirror), controlError(kind, text));
  }
  assert.throws(() => mirrors.remove("x"), controlError("not-found", /No mirror named "x"/));
  for (let i = 1; i < 16; i++) {
    mirrors.add({ name: `m${i}`, from: ["a"], to: "c", direction: "in" });
  }
  const more = { name: "more", from: ["a"], to: "c", direction: "in" } as const;
  assert.throws(() => mirrors.add(more), controlError("conflict", /which is the most/));
  assert.equal(told.length, 16);
  mirrors.remove("m7");
  assert.deepEqual(mirrors.add(more), { ...more, state: "mirroring", configured: false });
  assert.equal(told.at(-1)?.mirror, 7);
});

Deno.test("a request for a mirror says all there is to say", () => {
  assert.deepEqual(readMirror({ name: "m", from: ["a", "b", "a"], to: "c" }), ONE);
  for (
    const [body, text] of [
      [{}, /needs name/],
      [{ ...ONE, from: "a" }, /from, names of ports/],
      [{ ...ONE, from: [1] }, /from, names of ports/],
      [{ ...ONE, to: null }, /and to/],
      [{ ...ONE, direction: "up" }, /direction up must be/],
    ] as const
  ) {
    assert.throws(() => readMirror(body), controlError("invalid", text));
  }
});

Deno.test("a mirror of the configuration stays as it is written, and changes without a gap", () => {
  const { mirrors, told, names } = bed();
  const configured = { ...ONE, from: ["a", "x"], configured: true };
  mirrors.replace([configured]);
  const state = (): unknown => mirrors.list().map(({ from, state }) => [from.join(), state]);
  assert.deepEqual(state(), [["a,x", "mirroring"]]);
  names.push("x");
  mirrors.portAdded("x");
  mirrors.portRemoved("a");
  mirrors.portRemoved("c");
  names.splice(2, 1, "gone");
  assert.deepEqual(state(), [["a,x", "waiting"]]);
  mirrors.portAdded("x");
  names.splice(2, 1, "c");
  mirrors.portAdded("c");
  assert.deepEqual(state(), [["a,x", "mirroring"]]);
  const last = { mirror: 0, to: 2, in: [0, 4], out: [0, 4] };
  assert.deepEqual(told.splice(0), [
    { ...last, in: [0], out: [0] },
    last,
    { ...last, in: [4], out: [4] },
    { ...last, in: [], out: [] },
    last,
  ]);
  mirrors.replace([{ ...configured, from: ["x", "a"] }]);
  assert.deepEqual(told, [], "it is the same");
  mirrors.replace([{ ...configured, to: "d" }, {
    ...ONE,
    name: "n",
    from: ["b"],
    configured: true,
  }]);
  assert.deepEqual(told.splice(0), [
    { ...last, in: [], out: [] },
    { ...last, to: 3 },
    { mirror: 1, to: 2, in: [1], out: [1] },
  ]);
  mirrors.replace([]);
  assert.deepEqual([told.length, mirrors.list()], [2, []]);
});
