/** Where counters stand: no name of one block may lie in another. */
import { strict as assert } from "node:assert";
import {
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
  const places: number[] = Object.values(WORKER).map((at) => WORKER_BASE + at);
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
