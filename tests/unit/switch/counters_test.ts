/** Where counters stand: no name of one block may lie in another. */
import { strict as assert } from "node:assert";
import {
  ASLEEP_SINCE,
  asleepUs,
  AWAKE,
  counterBytes,
  PORT,
  PORT_COUNTERS,
  portBase,
  VRING,
  vringBase,
  WORKER,
  WORKER_BASE,
} from "../../../lib/switch/counters.ts";

Deno.test("every counter of every block has a place of its own", () => {
  const [ports, vrings] = [3, 2];
  const places: number[] = [ASLEEP_SINCE];
  places.push(...Object.values(WORKER).map((at) => WORKER_BASE + at));
  for (let port = 0; port < ports; port++) {
    places.push(...Object.values(PORT).map((at) => portBase(port, vrings) + at));
    for (let vring = 0; vring < vrings; vring++) {
      places.push(...Object.values(VRING).map((at) => vringBase(port, vring, vrings) + at));
    }
  }
  assert.equal(new Set(places).size, places.length);
  assert(Math.max(...places) < counterBytes(ports, vrings) / 8);
  assert.equal(new Set(PORT_COUNTERS).size, PORT_COUNTERS.length, "no name twice");
});

Deno.test("a sleep counts while it lasts, once, and never goes back", () => {
  const counters = new Float64Array(counterBytes(1, 2) / 8);
  const at = WORKER_BASE + WORKER.asleepUs;
  counters[at] = 500;
  assert.equal(asleepUs(counters, 1000, 0), 500);
  counters[ASLEEP_SINCE] = 1000;
  assert.equal(asleepUs(counters, 1000, 500), 500);
  assert.equal(asleepUs(counters, 1250.5, 500), 251_000);
  // It wakes: between its two words the sleep is nowhere, and what was read before stands.
  counters[ASLEEP_SINCE] = AWAKE;
  assert.equal(asleepUs(counters, 1300, 251_000), 251_000);
  counters[at] = 300_500;
  assert.equal(asleepUs(counters, 1301, 251_000), 300_500);
});
