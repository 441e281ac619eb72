/**
 * A datapath for tests: a table, counters and ports in plain memory, and a host that is told things.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { portBase } from "../../lib/switch/counters.ts";
import { Datapath, type DatapathHost } from "../../lib/switch/datapath.ts";
import { Fdb } from "../../lib/switch/fdb.ts";
import type { Port } from "../../lib/switch/ports/port.ts";

/** What a test may want otherwise. */
export interface DatapathOptions {
  /** Ports there is room for; those that are given, if left out. */
  readonly portsMax?: number;
  readonly vringsPerPort?: number;
  readonly entriesMax?: number;
  readonly portEntriesMax?: number;
  readonly seed?: number;
  readonly counters?: Float64Array;
  readonly host?: Partial<DatapathHost>;
}

/** A broken ring and a refused access fail the test; everything else is taken note of. */
const STRICT: DatapathHost = {
  call: () => {},
  ringBroken: ({ port, number, queue }) =>
    assert.fail(`vring ${number} of port ${port.index} broke: ${queue.broken}`),
  badChain: () => true,
  untranslated: () => true,
  accessFailed: ({ port, number }) =>
    assert.fail(`vring ${number} of port ${port.index} was refused an access`),
};

/** A datapath with these ports, each at its own index. */
export function makeDatapath(ports: readonly Port[], options: DatapathOptions = {}): Datapath {
  const { portsMax = ports.length, vringsPerPort = 2, entriesMax = 64, seed = 7 } = options;
  const { portEntriesMax = entriesMax, host = {} } = options;
  const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(entriesMax)), {
    ...{ entriesMax, portEntriesMax, ageSeconds: 0, seed },
  });
  const counters = options.counters ?? new Float64Array(portBase(portsMax, vringsPerPort));
  const path = new Datapath(portsMax, fdb, counters, { ...STRICT, ...host });
  for (const port of ports) path.ports[port.index] = port;
  path.refresh();
  return path;
}
