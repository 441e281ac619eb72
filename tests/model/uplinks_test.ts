/** Where frames go with uplinks among the ports, against the rules as they are told. */
import { strict as assert } from "node:assert";
import { PORT, type PORT_COUNTERS } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { ScriptPort } from "../harness/script_port.ts";

const PORTS = 5;
const ADDRESSES = 12;
const BROADCAST = [255, 255, 255, 255, 255, 255];
const RARP = 0x8035;

function address(number: number): number[] {
  return [2, 0, 0, 0, 1, number];
}

function frame(to: readonly number[], from: readonly number[], number: number): Uint8Array {
  const bytes = new Uint8Array(60);
  bytes.set([...to, ...from, 0x88, 0xb5, number >> 8, number & 255]);
  return bytes;
}

function typeOf(bytes: Uint8Array): number {
  return ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
}

function count(path: Datapath, port: ScriptPort, name: (typeof PORT_COUNTERS)[number]): number {
  return path.counters[port.counterBase + PORT[name]] ?? NaN;
}

function announced(port: ScriptPort): string[] {
  return port.got.filter((bytes) => typeOf(bytes) === RARP)
    .map((bytes) => bytes.subarray(6, 12).join()).sort();
}

function run(path: Datapath): void {
  for (const source of path.sources) while (pollSource(path, source) > 0);
  while (path.announcer.waiting) path.announcer.run();
}

class Bench implements Disposable {
  readonly ports = Array.from({ length: PORTS }, (_, index) => new ScriptPort(index));
  readonly path: Datapath;

  constructor(uplinks: readonly number[], portEntriesMax = ADDRESSES, unknownToUplinks = false) {
    for (const uplink of uplinks) this.port(uplink).isUplink = true;
    this.path = makeDatapath(this.ports, { portEntriesMax });
    this.path.unknownToUplinks = unknownToUplinks;
  }

  port(index: number): ScriptPort {
    const port = this.ports[index];
    assert(port);
    return port;
  }

  /** Sends a frame from a port. @returns the ports that it came to, RARP requests aside */
  send(from: number, bytes: Uint8Array): number[] {
    for (const port of this.ports) port.got.length = 0;
    this.port(from).out.push(bytes);
    run(this.path);
    return this.ports.flatMap(({ got, index }) =>
      got.some((it) => typeOf(it) !== RARP) ? [index] : []
    );
  }

  [Symbol.dispose](): void {
    for (const port of this.ports) port.release();
  }
}

/** The rules, as an operator is told them. */
class Rules {
  readonly where = new Map<number, number>();
  readonly uplinks: ReadonlySet<number>;
  readonly most: number;
  readonly unknownToUplinks: boolean;

  constructor(uplinks: readonly number[], most: number, unknownToUplinks: boolean) {
    this.uplinks = new Set(uplinks);
    this.most = most;
    this.unknownToUplinks = unknownToUplinks;
  }

  /** @param to an address' number, or null: all @returns where the frame goes */
  send(port: number, to: number | null, from: number): number[] {
    const here = [...this.where.values()].filter((each) => each === port).length;
    const known = this.where.get(from) === port || here < this.most;
    if (known) this.where.set(from, port);
    const all = Array.from({ length: PORTS }, (_, index) => index);
    const found = to === null ? undefined : this.where.get(to);
    let targets = found === undefined ? all : [found];
    if (to !== null && found === undefined && this.unknownToUplinks) targets = [...this.uplinks];
    return targets.filter((target) => {
      if (target === port) return false;
      if (!this.uplinks.has(target)) return true;
      return known && !this.uplinks.has(port);
    });
  }
}

Deno.test("frames go where the rules of uplinks say, whatever is sent", () => {
  let seed = 11;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  for (let round = 0; round < 60; round++) {
    const uplinks = Array.from({ length: PORTS }, (_, i) => i).filter(() => random(3) === 0);
    const [most, unknown] = [1 + random(ADDRESSES), random(2) === 0];
    using bench = new Bench(uplinks, most, unknown);
    const rules = new Rules(uplinks, most, unknown);
    for (let number = 0; number < 200; number++) {
      const [port, from] = [random(PORTS), random(ADDRESSES)];
      const to = random(4) === 0 ? null : random(ADDRESSES);
      const got = bench.send(
        port,
        frame(to === null ? BROADCAST : address(to), address(from), number),
      );
      const expected = rules.send(port, to, from);
      const what = `round ${round}, frame ${number}: ${from} at ${port} to ${to}, up ${uplinks}`;
      assert.deepEqual(got, expected, `${what}, most ${most}, unknown ${unknown}`);
    }
  }
});

Deno.test("an address is announced to uplinks when it appears or comes from outside", () => {
  using bench = new Bench([3, 4]);
  const told = (): string[][] => [3, 4].map((uplink) => announced(bench.port(uplink)));
  const mine = address(1).join();
  bench.send(0, frame(address(9), address(1), 0));
  assert.deepEqual(told(), [[mine], [mine]], "it has appeared");
  assert.equal(count(bench.path, bench.port(3), "txAnnounced"), 1);
  const [rarp] = bench.port(3).got.filter((bytes) => typeOf(bytes) === RARP);
  assert.equal(rarp?.length, 60);
  assert.deepEqual([...rarp?.subarray(0, 6) ?? []], BROADCAST);
  bench.send(0, frame(address(9), address(1), 1));
  assert.deepEqual(told(), [[], []], "it is there still");
  bench.send(1, frame(address(9), address(1), 2));
  assert.deepEqual(told(), [[], []], "from guest to guest nothing changes outside");
  bench.send(3, frame(address(9), address(1), 3));
  assert.deepEqual(told(), [[], []], "what is outside is not announced");
  bench.send(1, frame(address(9), address(1), 4));
  assert.deepEqual(told(), [[mine], [mine]], "it has come back");
  for (const local of [0, 1, 2]) {
    assert.deepEqual(announced(bench.port(local)), [], "to nobody else");
  }
});

Deno.test("all local addresses are announced, how many there may be, and no others", () => {
  using bench = new Bench([4], 4000);
  const path = makeDatapath(bench.ports, { entriesMax: 8192, portEntriesMax: 4000 });
  const local: string[] = [];
  for (let number = 0; number < 3000; number++) {
    const [low, high] = [0x0202 | (number << 16), number >> 16 | 0x100];
    const outside = number % 3 === 0;
    path.fdb.learn(low, high, outside ? 4 : number % 2, 0);
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setInt32(0, low, true);
    bytes.setInt32(4, high, true);
    if (!outside) local.push(new Uint8Array(bytes.buffer, 0, 6).join());
  }
  for (const twice of [false, true]) {
    bench.port(4).got.length = 0;
    if (twice) path.announcer.all();
    let rounds = 0;
    for (; path.announcer.waiting; rounds++) path.announcer.run();
    const told = announced(bench.port(4));
    // What is learned while all are told is told once more.
    assert.deepEqual([...new Set(told)], local.toSorted());
    if (twice) assert.equal(told.length, local.length);
    assert(rounds > 100, "a few in each round");
  }
});

Deno.test("what is dropped for the sake of an uplink has its reason", () => {
  using bench = new Bench([3, 4], 1, true);
  const { path } = bench;
  bench.send(4, frame(BROADCAST, address(7), 0));
  assert.deepEqual(bench.send(3, frame(address(7), address(8), 0)), []);
  assert.equal(count(path, bench.port(3), "rxDroppedUplinks"), 1);
  bench.send(0, frame(BROADCAST, address(1), 0));
  assert.deepEqual(bench.send(0, frame(address(7), address(2), 0)), [], "refused for the limit");
  assert.deepEqual(bench.send(0, frame(address(9), address(2), 0)), []);
  assert.equal(count(path, bench.port(0), "rxDroppedLimit"), 2);
  assert.deepEqual(bench.send(0, frame(BROADCAST, address(2), 0)), [1, 2], "guests still hear it");
  assert.deepEqual(bench.send(3, frame(address(9), address(8), 0)), []);
  assert.equal(count(path, bench.port(3), "rxDroppedNoPort"), 1);
});

Deno.test("two uplinks that are linked by hand are a cable", () => {
  using bench = new Bench([3, 4]);
  bench.port(3).linkedTo = 4;
  bench.port(4).linkedTo = 3;
  bench.path.refresh();
  assert.deepEqual(bench.send(3, frame(address(7), address(8), 0)), [4]);
  bench.path.announcer.all();
  run(bench.path);
  assert.deepEqual(announced(bench.port(4)), [], "what is linked hears nobody but its peer");
});

Deno.test("reserved addresses pass from guests to uplinks that let them, never between uplinks", () => {
  using bench = new Bench([3, 4], 1);
  for (const port of bench.ports) port.reservedMask = 1 << 0xe;
  const lldp = [1, 0x80, 0xc2, 0, 0, 0xe];
  assert.deepEqual(bench.send(0, frame(lldp, address(1), 0)), [1, 2, 3, 4]);
  assert.deepEqual(bench.send(3, frame(lldp, address(2), 0)), [0, 1, 2]);
  assert.deepEqual(bench.send(0, frame(lldp, address(3), 0)), [1, 2], "refused for the limit");
  for (const port of bench.ports) port.reservedMask = 0;
  assert.deepEqual(bench.send(0, frame(lldp, address(1), 0)), []);
});
