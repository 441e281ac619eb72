/** Addresses that move between ports: what is counted where, and what is a flap. */
import { makeDatapath } from "../../harness/datapath.ts";
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { counterBytes, PORT, portBase } from "../../../lib/switch/counters.ts";
import type { Fdb } from "../../../lib/switch/fdb.ts";
import { VhostPort } from "../../../lib/switch/ports/vhost_port.ts";

const PORTS = 4;
const START = 1000;

interface Flap {
  readonly macLo: number;
  readonly macHi: number;
  readonly from: number;
  readonly to: number;
}

/** A switch's table and counters with ports that have no queues. */
class Table {
  readonly fdb: Fdb;
  readonly flaps: Flap[] = [];
  readonly #counters = new Float64Array(counterBytes(PORTS, 2) / 8);

  constructor(entriesMax = 64, seed = 7) {
    const ports = Array.from({ length: PORTS }, (_, i) => new VhostPort(i, portBase(i, 2), 2));
    this.fdb = makeDatapath(ports, {
      ...{ entriesMax, seed, counters: this.#counters },
      host: {
        macFlap: (macLo, macHi, from, to) => void this.flaps.push({ macLo, macHi, from, to }),
      },
    }).fdb;
  }

  /** The address is seen at ports 1 and 2 in turn, once at each of these seconds. */
  move(mac: number, seconds: readonly number[]): void {
    for (const now of seconds) {
      const to = this.fdb.lookup(mac, 0, now) === 1 ? 2 : 1;
      this.fdb.learn(mac, 0, to, now);
    }
  }

  count(name: "macMovesIn" | "macMovesOut" | "macFlaps"): number[] {
    return Array.from(
      { length: PORTS },
      (_, i) => this.#counters[portBase(i, 2) + PORT[name]] ?? NaN,
    );
  }

  /** Known at port 0 before anything happens. */
  static with(mac: number): Table {
    const table = new Table();
    table.fdb.learn(mac, 0, 0, START);
    return table;
  }
}

function every(seconds: number, count: number, start = START): number[] {
  return Array.from({ length: count }, (_, i) => start + Math.floor(i * seconds));
}

Deno.test("ten moves of an address are a flap, told once however long it lasts", () => {
  const table = Table.with(2);
  table.move(2, every(0, 9));
  assert.deepEqual([table.flaps, table.fdb.isFlapping(2, 0, START)], [[], false]);
  table.move(2, every(0, 1));
  assert.deepEqual(table.flaps, [{ macLo: 2, macHi: 0, from: 1, to: 2 }]);
  table.move(2, every(0.001, 100_000));
  table.move(2, every(40, 500, START + 100));
  assert.equal(table.flaps.length, 1);
  assert.equal(table.fdb.counters().flaps, 1);
  assert.equal(table.fdb.counters().moved, 100_510);
  assert.deepEqual(table.count("macMovesIn"), [0, 50_255, 50_255, 0]);
  assert.deepEqual(table.count("macMovesOut"), [1, 50_255, 50_254, 0]);
  assert.deepEqual(table.count("macFlaps"), [0, 1, 1, 0]);
});

Deno.test("a flap lasts until the address stood still for a minute, and another is told again", () => {
  const table = Table.with(2);
  table.move(2, every(1, 20));
  assert(table.fdb.isFlapping(2, 0, START + 19 + 50));
  assert(!table.fdb.isFlapping(2, 0, START + 19 + 60));
  table.move(2, every(1, 9, START + 80));
  assert.equal(table.flaps.length, 1, "nine moves are none");
  assert(!table.fdb.isFlapping(2, 0, START + 90));
  table.move(2, every(1, 1, START + 90));
  assert.equal(table.flaps.length, 2);
  assert(table.fdb.isFlapping(2, 0, START + 90));
});

Deno.test("ten moves within 50 s are always a flap, over more than a minute never", () => {
  const within = (least: number, most: number): fc.Arbitrary<number[]> =>
    fc.tuple(
      fc.integer({ min: 0, max: 100 }),
      fc.integer({ min: least, max: most }),
      fc.array(fc.integer({ min: 0, max: most }), { minLength: 8, maxLength: 8 }),
    ).map(([shift, span, inner]) =>
      [0, ...inner.map((each) => Math.min(each, span)), span].map((at) => START + shift + at).sort(
        (a, b) => a - b,
      )
    );
  const flaps = (seconds: number[]): number => {
    const table = Table.with(2);
    table.move(2, seconds);
    return table.flaps.length;
  };
  fc.assert(fc.property(within(0, 50), (seconds) => flaps(seconds) === 1));
  fc.assert(fc.property(within(61, 500), (seconds) => flaps(seconds) === 0));
});

Deno.test("migrations and failovers are no flap", () => {
  const table = Table.with(2);
  // There and back again every 20 s, for a day.
  table.move(2, every(20, 4320));
  assert.deepEqual(table.flaps, []);
  // All guests of a host at once, and back at once.
  const many = new Table(16384);
  for (const port of [0, 1, 2, 0, 1]) {
    for (let mac = 0; mac < 8192; mac++) many.fdb.learn(mac << 8, mac, port, START);
  }
  assert.deepEqual(many.flaps, []);
  assert.equal(many.fdb.counters().moved, 4 * 8192);
});

Deno.test("an address that is seen at one port alone never moves", () => {
  const table = Table.with(2);
  for (const now of every(0.01, 10_000)) table.fdb.learn(2, 0, 0, now);
  assert.deepEqual([table.flaps, table.count("macMovesIn")], [[], [0, 0, 0, 0]]);
});

Deno.test("a state from elsewhere, seen long ago, neither flaps nor hides a flap", () => {
  const table = Table.with(2);
  table.move(2, every(0, 5));
  // As a command that restores addresses gives them: the clock may not have run as long as that.
  table.fdb.learn(2, 0, 3, START - 900);
  table.fdb.learn(4, 0, 0, -200);
  table.fdb.learn(4, 0, 3, -200);
  table.move(2, every(0, 3));
  assert.deepEqual(table.flaps, []);
  table.move(2, every(0, 1));
  assert.equal(table.flaps.length, 1);
  table.move(4, every(0, 9));
  assert.equal(table.flaps.length, 1, "what moved when the clock began is over");
  table.move(4, every(0, 1));
  assert.equal(table.flaps.length, 2);
});

Deno.test("what is flushed begins anew, and so does another address in its slot", () => {
  const table = Table.with(2);
  table.move(2, every(0, 20));
  assert.equal(table.flaps.length, 1);
  table.fdb.flush();
  assert(!table.fdb.isFlapping(2, 0, START));
  table.fdb.learn(2, 0, 0, START);
  table.move(2, every(0, 9));
  assert.equal(table.flaps.length, 1);
  // In a table this small some of these take the slot of the first.
  table.move(2, every(0, 1));
  for (let port = 0; port < PORTS; port++) table.fdb.flushPort(port);
  for (let mac = 4; mac < 100; mac += 2) {
    table.fdb.learn(mac, 0, 0, START);
    table.move(mac, every(0, 9));
  }
  assert.equal(table.flaps.length, 2);
});

Deno.test("a thief who lets his link go after every frame hides nothing", () => {
  const table = Table.with(2);
  for (let i = 0; i < 9; i++) {
    table.fdb.learn(2, 0, 1, START);
    table.fdb.flushPort(1);
    assert(!table.fdb.isFlapping(2, 0, START));
    table.fdb.learn(2, 0, 0, START);
  }
  assert.deepEqual(table.flaps, []);
  table.fdb.learn(2, 0, 1, START);
  assert.deepEqual(table.flaps, [{ macLo: 2, macHi: 0, from: 0, to: 1 }]);
  table.fdb.flushPort(1);
  assert(!table.fdb.isFlapping(2, 0, START), "nobody has it");
  table.fdb.learn(2, 0, 0, START);
  assert(table.fdb.isFlapping(2, 0, START));
});

Deno.test("who comes with the number of a removed port begins anew, whoever has the address", () => {
  for (const moves of [20, 21]) {
    // Its link goes down first, and until it is removed the other one may have spoken.
    for (const flushed of ["no", "forgotten", "learned"]) {
      const table = Table.with(2);
      table.fdb.learn(4, 0, 0, START);
      table.move(2, every(0, moves));
      for (let i = 0; i < 20; i++) table.fdb.learn(4, 0, i % 2 === 0 ? 3 : 0, START);
      assert.equal(table.flaps.length, 2);
      if (flushed !== "no") table.fdb.flushPort(1);
      if (flushed === "learned") table.fdb.learn(2, 0, 2, START);
      table.fdb.removePort(1);
      assert(!table.fdb.isFlapping(2, 0, START));
      assert(table.fdb.isFlapping(4, 0, START), "flaps of others go on");
      table.fdb.learn(2, 0, 2, START);
      table.move(2, every(0, 9));
      assert.equal(table.flaps.length, 2);
      table.move(2, every(0, 1));
      assert.equal(table.flaps.length, 3, "it is told again");
    }
  }
});

Deno.test("moves stay with their address when others are forgotten around it", () => {
  // Half of the slots are taken: many entries are not where their hash says.
  const macs = Array.from({ length: 64 }, (_, i) => (i + 1) << 1);
  for (let seed = 1; seed <= 50; seed++) {
    const table = new Table(64, seed);
    for (const mac of macs) table.fdb.learn(mac, 0, mac % 4 === 0 ? 3 : 0, START);
    const steady = macs.filter((mac) => mac % 4 !== 0);
    steady.forEach((mac, i) => table.move(mac, every(0, i % 9)));
    table.fdb.flushPort(3);
    assert.deepEqual(table.flaps, []);
    steady.forEach((mac, i) => {
      table.move(mac, every(0, 9 - i % 9));
      assert.equal(table.flaps.length, i, "not one move was made up");
      table.move(mac, every(0, 1));
      assert.deepEqual(table.flaps[i]?.macLo, mac, "nor lost");
    });
  }
});
