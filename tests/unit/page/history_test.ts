/** Rates of the last minutes: what is kept, of whom, and what a browser gets of it. */
import { strict as assert } from "node:assert";
import type { PortStatus } from "../../../lib/control/types.ts";
import { History, MINUTE, SAMPLES_MAX } from "../../../lib/page/history.ts";
import { fakePort, fakeSwitch } from "./fake_switch.ts";

/** A history that looks at ports a second after the other. */
class Looking {
  readonly history = new History();
  ports: PortStatus[] = [];
  readonly #served = fakeSwitch(() => this.ports);
  #atMs = 1_000_000;

  look(ports: readonly (readonly [name: string, count: number])[], seconds = 1): void {
    this.ports = ports.map(([name, count]) => fakePort(name, "", count));
    this.#atMs += 1000 * seconds;
    const { control } = this.#served;
    this.history.take(control.status(), control.workers(), this.#atMs);
  }
}

const DROPS =
  Object.keys(fakePort("", "").counters).filter((name) => /^[rt]xDropped/.test(name)).length;

Deno.test("rates are growth by time, of each port and of all", () => {
  const looking = new Looking();
  looking.look([["a", 10], ["b", 0]]);
  assert.equal(looking.history.rates("a").rxFrames, 0);
  looking.look([["a", 30], ["b", 4]], 2);
  assert.deepEqual(looking.history.rates("a"), {
    ...{ rxFrames: 10, rxBytes: 10, txFrames: 10, txBytes: 10, drops: 10 * DROPS },
  });
  assert.equal(looking.history.rates(null).rxFrames, 12);
  assert.equal(looking.history.growth("b")["rxFrames"], 4);
  assert.equal(looking.history.dropsOfMinute("rxDroppedVlan"), 24);
});

Deno.test("a port that is removed and added again begins anew, and never counts back", () => {
  const looking = new Looking();
  looking.look([["a", 500]]);
  looking.look([["a", 3]]);
  assert.equal(looking.history.rates("a").rxFrames, 0);
  looking.look([]);
  assert.equal(looking.history.rates("a").rxFrames, 0);
  assert.deepEqual(looking.history.since("a", 0).at, []);
  looking.look([["a", 900]]);
  assert.equal(looking.history.rates(null).rxFrames, 0);
  looking.look([["a", 905]]);
  assert.equal(looking.history.rates("a").rxFrames, 5);
  assert.deepEqual(looking.history.since("a", 0).rxFrames, [null, null, null, null, 5]);
});

Deno.test("as much is kept as will ever be, and a browser gets what is new to it", () => {
  const looking = new Looking();
  for (let i = 0; i < SAMPLES_MAX + 20; i++) looking.look([["a", i]]);
  const all = looking.history.since("a", 0);
  assert.equal(all.at.length, SAMPLES_MAX);
  assert(all.rxFrames.every((value) => value === 1));
  const [newest = 0] = all.at.slice(-1);
  assert.deepEqual(looking.history.since("a", newest).at, []);
  looking.look([["a", 1000]]);
  assert.deepEqual(looking.history.since(null, newest).at, [newest + 1]);
  assert.equal(looking.history.newest("a", "rxFrames", MINUTE).length, MINUTE);
  assert.equal(
    looking.history.dropsOfMinute("rxDroppedVlan"),
    MINUTE - 1 + 1000 - (SAMPLES_MAX + 19),
  );
});
