/** Commands on ports: what is learned and counted of a guest that has moved, by the port's state. */
import { deepEqual, equal } from "node:assert/strict";
import { PORT_COUNTERS, portBase } from "../../../lib/switch/counters.ts";
import { Datapath } from "../../../lib/switch/datapath.ts";
import { Fdb } from "../../../lib/switch/fdb.ts";
import { LINK_WAITING, NOT_LINKED } from "../../../lib/switch/port.ts";
import { Commands } from "../../../lib/worker/commands.ts";
import { COMMAND } from "../../../lib/worker/mailbox.ts";
import { VRINGS_PER_PORT } from "../../../lib/worker/types.ts";

const PORTS = 3;
const MAC = [0x10005452, 0x0100] as const;

class Bench {
  readonly path: Datapath;
  readonly #commands: Commands;
  readonly #results = new Float64Array(8);

  constructor() {
    const options = { entriesMax: 16, portEntriesMax: 16, ageSeconds: 0, seed: 1 };
    const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(16)), options);
    const counters = new Float64Array(portBase(PORTS, VRINGS_PER_PORT));
    this.path = new Datapath(PORTS, fdb, counters, {
      call: () => {},
      ringBroken: () => {},
      badChain: () => true,
      untranslated: () => true,
      accessFailed: () => {},
    });
    const host = { watchKick: () => {}, forgetKick: () => {}, stop: () => {} };
    this.#commands = new Commands(this.path, host);
    for (let port = 0; port < PORTS; port++) equal(this.run(COMMAND.addPort), port);
  }

  run(command: number, ...numbers: number[]): number {
    this.#commands.run(command, Float64Array.from(numbers), this.#results);
    return this.#results[0] as number;
  }

  /** Ports of the FDB's entries. */
  learned(): number[] {
    return Array.from(this.path.fdb.entries(0), (entry) => entry.port);
  }
}

Deno.test("a guest that has moved is learned on its port, unless that is linked or down", () => {
  const bench = new Bench();
  for (const flood of [0, 1]) {
    bench.run(COMMAND.announce, 0, ...MAC, flood);
    deepEqual(bench.learned(), [0]);
    bench.run(COMMAND.setLink, 0, 1);
    deepEqual(bench.learned(), [], "a link forgets what was learned");
    for (const to of [1, LINK_WAITING]) {
      bench.run(COMMAND.setLink, 0, to);
      bench.run(COMMAND.announce, 0, ...MAC, flood);
      deepEqual(bench.learned(), []);
    }
    bench.run(COMMAND.setLink, 0, NOT_LINKED);
    bench.run(COMMAND.setPortUp, 0, 0);
    bench.run(COMMAND.announce, 0, ...MAC, flood);
    deepEqual(bench.learned(), []);
    bench.run(COMMAND.setPortUp, 0, 1);
  }
});

Deno.test("addresses of another switch are learned where there is room, unless linked or down", () => {
  const bench = new Bench();
  const learn = (port: number, ...lows: number[]): number =>
    bench.run(COMMAND.learnMacs, port, lows.length, ...lows.flatMap((low) => [low, 0, 0]));
  const many = Array.from({ length: 20 }, (_, i) => 2 * i + 2);
  equal(learn(0, ...many), 16, "as many as the table holds");
  equal(bench.learned().length, 16);
  equal(learn(1, ...many.slice(0, 3)), 3, "known ones move");
  deepEqual(bench.learned().filter((port) => port === 1).length, 3);
  bench.run(COMMAND.flushFdb);
  bench.run(COMMAND.setLink, 0, 1);
  bench.run(COMMAND.setPortUp, 1, 0);
  deepEqual([learn(0, 2), learn(1, 2), bench.learned().length], [0, 0, 0]);
  equal(learn(2), 0);
});

Deno.test("counters of another switch are added to a port's own, and to no other's", () => {
  const bench = new Bench();
  const base = portBase(1, VRINGS_PER_PORT);
  const { counters } = bench.path;
  counters[base] = 5;
  const all = new Array<number>(100).fill(2);
  const before = Array.from(counters);
  bench.run(COMMAND.addPortCounters, 1, all.length, ...all);
  const changed = before.flatMap((value, i) => counters[i] === value ? [] : [i]);
  deepEqual(changed, Array.from({ length: PORT_COUNTERS.length }, (_, i) => base + i));
  equal(counters[base], 7);
});

Deno.test("reserved addresses that pass are a port's own, and a new port's are none", () => {
  const bench = new Bench();
  bench.run(COMMAND.setReserved, 1, 0x4004);
  deepEqual(bench.path.ports.map((port) => port?.reservedMask), [
    0,
    0x4004,
    ...Array(PORTS - 2).fill(0),
  ]);
  bench.run(COMMAND.removePort, 1);
  equal(bench.run(COMMAND.addPort), 1);
  equal(bench.path.ports[1]?.reservedMask, 0);
});

Deno.test("a port that is removed takes its part in a flap with it", () => {
  const bench = new Bench();
  const { fdb } = bench.path;
  const flap = (): void => {
    for (let i = 0; i < 10; i++) for (const port of [0, 1]) fdb.learn(...MAC, port, 0);
  };
  flap();
  for (let again = 2; again < 4; again++) {
    // The address is where it stays.
    fdb.learn(...MAC, 0, 0);
    bench.run(COMMAND.removePort, 1);
    equal(bench.run(COMMAND.addPort), 1);
    flap();
    equal(fdb.counters().flaps, again, "another one is told again");
  }
});
