/** Links through ports that come and go: what the data plane is told, and what operators see. */
import { strict as assert } from "node:assert";
import { MappingPool } from "../../../lib/control/front_end/guest_memory.ts";
import { Links } from "../../../lib/control/links.ts";
import type { Placed } from "../../../lib/control/planes.ts";
import type { ControlError, LinkStatus } from "../../../lib/control/types.ts";
import { LINK_WAITING, NOT_LINKED } from "../../../lib/switch/ports/port.ts";
import { TestArena } from "../../harness/arena.ts";
import { FakePlane } from "./fake_plane.ts";
import { controlError } from "./support.ts";

const THREAD = new FakePlane();
const PLANE = { thread: THREAD, pool: new MappingPool(THREAD.commands, new TestArena()) };

/** A switch whose ports have the numbers of their letters. */
class Bench {
  readonly ports = new Map<string, number>();
  /** What the data plane was told last of each port. */
  readonly to = new Map<string, number>();
  /** Names that listeners may give. */
  readonly coming = new Set<string>();
  readonly links = new Links({
    placed: (name) => this.#placed(name),
    mayCome: (name) => this.coming.has(name),
    link: (port, to) => this.#tell(port, to?.number ?? LINK_WAITING),
    unlink: (port) => this.#tell(port, NOT_LINKED),
  });

  #placed(name: string): Placed | null {
    const number = this.ports.get(name);
    return number === undefined ? null : { plane: PLANE, number };
  }

  #tell(port: Placed, to: number): void {
    const name = [...this.ports].find(([, number]) => number === port.number)?.[0];
    assert(name, "only ports that are there are told");
    this.to.set(name, to);
  }

  constructor(...names: string[]) {
    for (const name of names) this.add(name);
  }

  add(name: string, number = name.charCodeAt(0) - 97): void {
    this.ports.set(name, number);
    this.to.set(name, NOT_LINKED);
    this.links.portAdded(name);
  }

  remove(name: string): void {
    this.links.portRemoved(name);
    this.ports.delete(name);
    this.to.delete(name);
  }

  states(): [string, LinkStatus["state"]][] {
    return this.links.list().map(({ ports, state }) => [ports.join(":"), state]);
  }
}

function refused(kind: ControlError["kind"], text: RegExp, run: () => unknown): void {
  assert.throws(run, controlError(kind, text));
}

Deno.test("a link an operator added ends with either of its ports", () => {
  const bench = new Bench("a", "b", "c");
  assert.deepEqual(bench.links.add(["a", "b"], false), {
    ports: ["a", "b"],
    configured: false,
    state: "linked",
  });
  assert.deepEqual([...bench.to.values()], [1, 0, NOT_LINKED]);
  assert.deepEqual([bench.links.peerOf("a"), bench.links.peerOf("b"), bench.links.peerOf("c")], [
    "b",
    "a",
    null,
  ]);
  bench.remove("b");
  assert.deepEqual([bench.to.get("a"), bench.links.list()], [NOT_LINKED, []]);
  bench.add("b");
  assert.equal(bench.to.get("b"), NOT_LINKED);
});

Deno.test("a link of the configuration waits for its ports, again and again", () => {
  const bench = new Bench();
  bench.links.add(["a", "b"], true);
  assert.deepEqual(bench.states(), [["a:b", "waiting"]]);
  bench.add("a");
  assert.equal(bench.to.get("a"), LINK_WAITING);
  // The other end gets whatever number is free.
  for (const number of [1, 7]) {
    bench.add("b", number);
    assert.deepEqual([bench.to.get("a"), bench.to.get("b")], [number, 0]);
    assert.deepEqual(bench.states(), [["a:b", "linked"]]);
    bench.remove("b");
    assert.equal(bench.to.get("a"), LINK_WAITING);
    assert.deepEqual(bench.states(), [["a:b", "waiting"]]);
  }
  bench.links.remove(["b", "a"]);
  assert.deepEqual([bench.to.get("a"), bench.states()], [NOT_LINKED, []]);
});

Deno.test("links that cannot be are refused in one line", () => {
  const bench = new Bench("a", "b", "c");
  bench.links.add(["a", "b"], false);
  refused("invalid", /Cannot link "a" with itself/, () => bench.links.add(["a", "a"], false));
  refused("not-found", /No port named "x"/, () => bench.links.add(["c", "x"], false));
  refused("conflict", /"b" is linked already: a with b/, () => bench.links.add(["c", "b"], false));
  for (const pair of [["a", "c"], ["c", "a"], ["x", "y"]] as const) {
    refused("not-found", /No link between/, () => bench.links.remove(pair));
  }
  assert.deepEqual(bench.states(), [["a:b", "linked"]]);
  bench.links.remove(["b", "a"]);
  assert.deepEqual([...bench.to.values()], [NOT_LINKED, NOT_LINKED, NOT_LINKED]);
});

Deno.test("a link with a port that may come waits for it, until nobody gives that name any more", () => {
  const bench = new Bench("a", "b");
  refused("not-found", /No port named "p"/, () => bench.links.add(["a", "p"], false));
  bench.coming.add("p");
  assert.equal(bench.links.add(["a", "p"], false).state, "waiting");
  assert.equal(bench.to.get("a"), LINK_WAITING);
  bench.add("p");
  assert.deepEqual([bench.to.get("a"), bench.to.get("p")], [15, 0]);
  bench.remove("p");
  assert.deepEqual([bench.to.get("a"), bench.states()], [LINK_WAITING, [["a:p", "waiting"]]]);
  bench.coming.clear();
  bench.links.listenerRemoved();
  assert.deepEqual([bench.to.get("a"), bench.states()], [NOT_LINKED, []]);
});

Deno.test("links are replaced without a moment in which a port that stays linked is not", () => {
  const bench = new Bench("a", "b", "c");
  bench.links.replace([{ ports: ["a", "b"], configured: true }]);
  bench.to.set("a", 99);
  bench.links.replace([{ ports: ["b", "a"], configured: false }]);
  assert.deepEqual(
    [bench.to.get("a"), bench.links.list()[0]?.configured],
    [99, false],
    "as it was",
  );
  bench.links.replace([{ ports: ["a", "c"], configured: true }]);
  assert.deepEqual([...bench.to.values()], [2, NOT_LINKED, 0]);
  bench.links.replace([]);
  assert.deepEqual([...bench.to.values()], [NOT_LINKED, NOT_LINKED, NOT_LINKED]);
});
