/** Who may have an address: hold-down, claims, static entries, locks, and shares of the table. */
import { strict as assert } from "node:assert";
import {
  Fdb,
  FDB_FULL,
  FDB_IN_USE,
  FDB_KNOWN,
  FDB_LOCKED,
  FDB_MOVED,
  FDB_NEW,
  FDB_PORT_FULL,
  FDB_STATIC,
  type FdbOptions,
} from "../../../../lib/switch/fdb.ts";
import { clock } from "../../../../lib/switch/policy/clock.ts";

const HOLD = 5;
const OWNER = 1;
const OTHER = 2;

/** A table and its time. */
class Table {
  readonly fdb: Fdb;
  readonly down = new Set<number>();
  #ms = 100_000;

  constructor(options: Partial<FdbOptions> = {}) {
    const entriesMax = options.entriesMax ?? 4096;
    this.fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(entriesMax)), {
      ...{ entriesMax, portEntriesMax: 1024, ageSeconds: 300, seed: 7, holdSeconds: HOLD },
      ...options,
    });
    this.fdb.listener = {
      learned: () => {},
      moved: () => {},
      serves: (port) => !this.down.has(port),
    };
    this.wait(0);
  }

  get now(): number {
    return Math.floor(this.#ms / 1000);
  }

  wait(ms: number): void {
    this.#ms += ms;
    clock.ms = this.#ms;
    this.fdb.settleClaims(this.now);
  }

  speak(port: number, mac = 2): number {
    return this.fdb.learn(mac, 0, port, this.now);
  }

  /** A frame that says where its source is. */
  announce(port: number, mac = 2): number {
    const outcome = this.speak(port, mac);
    if (outcome === FDB_IN_USE) this.fdb.announce(mac, 0, port, this.now);
    return outcome;
  }

  at(mac = 2): number {
    return this.fdb.lookup(mac, 0, this.now);
  }
}

Deno.test("an address in use stays with who speaks, whatever another sends and how often", () => {
  for (const [everyMs, ownerMs] of [[100, 1], [1, 20], [1, 1000], [3, 4000]] as const) {
    const table = new Table();
    table.speak(OWNER);
    for (let ms = 1; ms <= 60_000; ms++) {
      table.wait(1);
      if (ms % everyMs === 0) assert.equal(table.speak(OTHER), FDB_IN_USE);
      if (ms % ownerMs === 0) assert.equal(table.speak(OWNER), FDB_KNOWN);
    }
    assert.equal(table.at(), OWNER);
  }
});

Deno.test("announcing takes no address from who speaks every 20 ms", () => {
  const table = new Table();
  table.speak(OWNER);
  for (let ms = 1; ms <= 200_000; ms++) {
    table.wait(1);
    table.announce(OTHER);
    if (ms % 20 === 0) table.speak(OWNER);
    assert.equal(table.at(), OWNER, `after ${ms} ms`);
  }
});

Deno.test("an address moves at once from a port out of service, or silent for too long", () => {
  const table = new Table();
  table.speak(OWNER);
  table.down.add(OWNER);
  assert.equal(table.speak(OTHER), FDB_MOVED);
  table.down.clear();
  assert.equal(table.speak(OWNER), FDB_IN_USE, "it was down: no right to have it back");
  table.wait(1000 * (HOLD + 1));
  assert.equal(table.speak(OWNER), FDB_MOVED);
});

Deno.test("one announcement moves an address 50 ms later without another frame, and back at once", () => {
  const table = new Table();
  table.speak(OWNER);
  table.announce(OTHER);
  // Frames that were under way.
  table.wait(5);
  table.speak(OWNER);
  table.wait(40);
  assert.equal(table.at(), OWNER);
  table.wait(10);
  assert.equal(table.at(), OTHER);
  assert.equal(table.speak(OTHER), FDB_KNOWN);
  assert.equal(table.speak(OWNER), FDB_MOVED, "who lost it has it back for a word");
  // And the other one is not believed for a minute, however silent the owner is for less than 5 s.
  for (let i = 0; i < 14; i++) {
    table.wait(4000);
    table.announce(OTHER);
    table.wait(100);
    assert.equal(table.at(), OWNER);
    table.speak(OWNER);
  }
  table.wait(10_000);
  assert.equal(table.speak(OTHER), FDB_MOVED, "unless it is silent for longer");
});

Deno.test("a claim that is not answered by its port is one, whoever claims besides", () => {
  const table = new Table();
  table.speak(OWNER);
  table.announce(OTHER);
  table.announce(3);
  table.wait(60);
  assert.equal(table.at(), OTHER);
});

Deno.test("more claims than are waited for take one frame more, and none is lost", () => {
  const table = new Table();
  const macs = Array.from({ length: 600 }, (_, i) => 2 * i + 2);
  for (const mac of macs) table.speak(OWNER, mac);
  for (const mac of macs) table.announce(OTHER, mac);
  table.wait(60);
  const moved = macs.filter((mac) => table.at(mac) === OTHER).length;
  assert.equal(moved, 16);
  for (const mac of macs) table.speak(OTHER, mac);
  assert(macs.every((mac) => table.at(mac) === OTHER));
});

Deno.test("claims stay with their address when others are forgotten around it, and end with a port", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const table = new Table({ entriesMax: 64, seed });
    const macs = Array.from({ length: 60 }, (_, i) => (i + 1) << 1);
    for (const mac of macs) table.speak(mac % 4 === 0 ? 3 : OWNER, mac);
    const claimed = macs.filter((mac) => mac % 4 !== 0).slice(0, 16);
    for (const mac of claimed) table.announce(OTHER, mac);
    table.fdb.flushPort(3);
    if (seed % 2 === 0) table.fdb.removePort(OTHER);
    table.wait(60);
    const steady = macs.filter((mac) => mac % 4 !== 0);
    for (const mac of steady) {
      const moves = seed % 2 !== 0 && claimed.includes(mac);
      assert.equal(table.at(mac), moves ? OTHER : OWNER);
    }
  }
});

Deno.test("without hold-down an address moves to whoever speaks", () => {
  const table = new Table({ holdSeconds: 0 });
  for (const port of [OWNER, OTHER, OWNER]) {
    table.speak(port);
    assert.equal(table.at(), port);
  }
});

Deno.test("a static address stays where it is: no age, no flush, no move, no limit of its port", () => {
  const table = new Table({ portEntriesMax: 1 });
  const { fdb } = table;
  table.speak(OWNER);
  assert.equal(fdb.setStatic(2, 0, OTHER), FDB_KNOWN);
  assert.equal(fdb.setStatic(4, 0, OTHER), FDB_KNOWN);
  assert.equal(fdb.setStatic(4, 0, OWNER), FDB_STATIC);
  assert.equal(table.speak(OWNER), FDB_STATIC);
  assert.equal(table.speak(OTHER), FDB_KNOWN);
  table.wait(1_000_000);
  fdb.sweep(table.now, 100_000);
  fdb.flushPort(OTHER);
  table.speak(OWNER, 6);
  fdb.flush();
  assert.deepEqual([table.at(2), table.at(4), table.at(6)], [OTHER, OTHER, -1]);
  assert.deepEqual(Array.from(fdb.entries(table.now), ({ isStatic }) => isStatic), [true, true]);
  assert.equal(fdb.counters().entries, 2);
  assert.deepEqual([fdb.unsetStatic(4, 0), fdb.unsetStatic(4, 0)], [true, false]);
  assert.equal(table.speak(OWNER, 4), FDB_NEW);
  fdb.removePort(OTHER);
  assert.equal(table.at(2), -1);
  assert.equal(fdb.counters().entries, 1);
});

Deno.test("a locked port has its static addresses, and none of those it had learned", () => {
  const table = new Table();
  table.speak(OWNER);
  table.fdb.setStatic(4, 0, OWNER);
  table.fdb.lock(OWNER, true);
  assert.equal(table.at(), -1);
  assert.equal(table.speak(OWNER), FDB_LOCKED);
  table.speak(OTHER, 6);
  table.down.add(OTHER);
  assert.equal(table.speak(OWNER, 6), FDB_LOCKED);
  assert.equal(table.speak(OWNER, 4), FDB_KNOWN);
  table.fdb.removePort(OWNER);
  assert.equal(table.speak(OWNER), FDB_NEW, "who has the number next is not locked");
});

Deno.test("ports that take all they get leave each other port its share, for good", () => {
  const table = new Table({ entriesMax: 16384 });
  let mac = 0;
  for (let port = 0; port < 16; port++) {
    for (let i = 0; i < 2000; i++) table.speak(port, mac += 2);
  }
  for (let port = 16; port < 256; port++) {
    for (let i = 0; i < 16; i++) assert.equal(table.speak(port, mac += 2), FDB_NEW);
    assert.equal(table.speak(port, mac += 2), FDB_FULL);
  }
  assert.equal(table.speak(0, mac += 2), FDB_PORT_FULL);
  assert.equal(table.fdb.counters().entries, 12288 + 16 * 256);
  for (let port = 0; port < 256; port++) table.fdb.flushPort(port);
  assert.equal(table.fdb.counters().entries, 0);
  for (let port = 0; port < 16; port++) {
    for (let i = 0; i < 512; i++) assert.equal(table.speak(port, mac += 2), FDB_NEW);
  }
});
