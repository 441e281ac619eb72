/**
 * The FDB against a naive model: a Map from address to port and time.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  Fdb,
  FDB_COUNTERS,
  FDB_FULL,
  FDB_KNOWN,
  FDB_MOVED,
  FDB_NEW,
  FDB_PORT_FULL,
} from "../../lib/switch/fdb.ts";

const LIMITS = { entriesMax: 12, portEntriesMax: 6, ageSeconds: 10, seed: 12345 };

/** Moves of an address by periods of 10 s, the last six. */
class Moves {
  #periods: number[] = [];
  #last = -Infinity;
  #flapping = false;

  /** @returns whether a flap begins */
  count(now: number): boolean {
    const period = Math.floor(now / 10);
    if (period - this.#last >= 6) this.#flapping = false;
    this.#last = period;
    this.#periods = [...this.#periods, period].filter((each) => period - each < 6);
    if (this.#flapping || this.#periods.length < 10) return false;
    return this.#flapping = true;
  }

  isFlapping(now: number): boolean {
    return this.#flapping && Math.floor(now / 10) - this.#last < 6;
  }
}

class Model {
  readonly entries = new Map<string, { port: number; seen: number; moves: Moves }>();
  /** What the table's listener should hear. */
  readonly heard: string[] = [];
  /** Addresses that were forgotten once: whether their moves were depends on who took the slot. */
  readonly forgotten = new Set<string>();

  forget(mac: string): void {
    this.entries.delete(mac);
    this.forgotten.add(mac);
  }

  /** A move as the listener hears it. */
  line(mac: string, from: number, to: number, flaps: boolean): string {
    return `${mac} from ${from} to ${to}, flaps ${this.forgotten.has(mac) ? "perhaps" : flaps}`;
  }

  learn(mac: string, port: number, now: number): number {
    const known = this.entries.get(mac);
    if (known?.port === port) {
      known.seen = now;
      return FDB_KNOWN;
    }
    if ([...this.entries.values()].filter((e) => e.port === port).length >= LIMITS.portEntriesMax) {
      return FDB_PORT_FULL;
    }
    if (!known && this.entries.size >= LIMITS.entriesMax) return FDB_FULL;
    const moves = known?.moves ?? new Moves();
    if (known) this.heard.push(this.line(mac, known.port, port, moves.count(now)));
    this.entries.set(mac, { port, seen: now, moves });
    return known ? FDB_MOVED : FDB_NEW;
  }

  lookup(mac: string, now: number): number {
    const known = this.entries.get(mac);
    return known && now - known.seen <= LIMITS.ageSeconds ? known.port : -1;
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("learn"), mac: fc.nat(24), port: fc.nat(3) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("fight"), mac: fc.nat(6), times: fc.nat(12) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("lookup"), mac: fc.nat(24) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), seconds: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait"), seconds: fc.nat(70) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("flush"), port: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("sweep") }) },
);

type Step = { kind: string; mac?: number; port?: number; seconds?: number; times?: number };

Deno.test("Fdb does what a Map would do, whatever the order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat(), (steps, seed) => {
      const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(LIMITS.entriesMax)), { ...LIMITS, seed });
      const model = new Model();
      let now = 100;
      const heard: string[] = [];
      let flaps = 0;
      fdb.listener = {
        learned: () => {},
        serves: () => true,
        moved: (low, high, from, to, flap) => {
          heard.push(model.line(`${low} ${high}`, from, to, flap));
          if (flap) flaps++;
        },
      };
      for (const { kind, mac = 0, port = 0, seconds = 0, times = 0 } of steps as Step[]) {
        // Addresses differ in both words.
        const [low, high] = [Math.imul(mac, 0x01000193) | 2, mac & 7];
        const key = `${low} ${high}`;
        if (kind === "learn") {
          assert.equal(fdb.learn(low, high, port, now), model.learn(key, port, now));
        } else if (kind === "fight") {
          for (let i = 0; i < times; i++) {
            assert.equal(fdb.learn(low, high, i % 2, now), model.learn(key, i % 2, now));
          }
        } else if (kind === "lookup") {
          assert.equal(fdb.lookup(low, high, now), model.lookup(key, now));
        } else if (kind === "wait") {
          now += seconds;
        } else if (kind === "flush") {
          fdb.flushPort(port);
          for (const [k, e] of model.entries) {
            if (e.port === port) model.forget(k);
          }
        } else {
          fdb.sweep(now, 1000);
          for (const [k, e] of model.entries) {
            if (now - e.seen > LIMITS.ageSeconds) model.forget(k);
          }
        }
        assert.equal(fdb.counters().entries, model.entries.size);
        const flapping = model.entries.get(key)?.moves.isFlapping(now) ?? false;
        if (!model.forgotten.has(key)) assert.equal(fdb.isFlapping(low, high, now), flapping);
      }
      assert.deepEqual(heard, model.heard);
      assert.equal(fdb.counters().flaps, flaps);
      const rows = Array.from(fdb.entries(now), (e) => `${e.macLo} ${e.macHi} ${e.port}`).sort();
      const wanted = [...model.entries].filter(([, e]) => now - e.seen <= LIMITS.ageSeconds)
        .map(([key, e]) => `${key} ${e.port}`).sort();
      assert.deepEqual(rows, wanted);
    }),
    { numRuns: 400 },
  );
});

Deno.test("Fdb ages nothing with age 0", () => {
  const options = { ...LIMITS, ageSeconds: 0 };
  const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(12)), options);
  fdb.learn(2, 1, 0, 0);
  fdb.sweep(1_000_000, 100);
  assert.equal(fdb.lookup(2, 1, 1_000_000), 0);
});

Deno.test("the table's counters go on beyond what 32 bits hold", () => {
  const buffer = new ArrayBuffer(Fdb.bytesFor(16));
  const fdb = new Fdb(buffer, { ...LIMITS, entriesMax: 16 });
  const head = new Float64Array(buffer, 0, FDB_COUNTERS.length);
  const grown = FDB_COUNTERS.filter((name) => name !== "entries");
  for (const name of grown) head[FDB_COUNTERS.indexOf(name)] = 2 ** 32 - 1;
  fdb.learn(2, 1, 0, 0);
  fdb.learn(2, 1, 1, 0);
  fdb.flushPort(1);
  const { learned, moved, flushed, entries } = fdb.counters();
  assert.deepEqual({ learned, moved, flushed, entries }, {
    ...{ learned: 2 ** 32, moved: 2 ** 32, flushed: 2 ** 32, entries: 0 },
  });
});

Deno.test("addresses in any pattern are all found again, for any seed", () => {
  const entriesMax = 4096;
  for (const seed of [0, 1, 0x5bd1e995, 0xffffffff]) {
    for (const shift of [0, 8, 16, 24]) {
      const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(entriesMax)), {
        entriesMax,
        portEntriesMax: entriesMax,
        ageSeconds: 0,
        seed,
      });
      for (let i = 0; i < 4000; i++) assert.equal(fdb.learn(i << shift, i, i & 255, 0), FDB_NEW);
      for (let i = 0; i < 4000; i++) assert.equal(fdb.lookup(i << shift, i, 0), i & 255);
    }
  }
});
