/** Commands on ports and their virtqueues: what changes, and what does not when they fail. */
import { makeDatapath } from "../../../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { PORT, PORT_COUNTERS, portBase } from "../../../../lib/switch/counters.ts";
import type { Datapath } from "../../../../lib/switch/datapath.ts";
import { NullPort } from "../../../../lib/switch/ports/null_port.ts";
import { LINK_WAITING, NOT_LINKED } from "../../../../lib/switch/ports/port.ts";
import { VhostPort } from "../../../../lib/switch/ports/vhost_port.ts";
import { VRINGS_PER_PORT } from "../../../../lib/base/limits.ts";
import type { Commands } from "../../../../lib/worker/commands/mod.ts";
import type { Command, Given, Result } from "../../../../lib/worker/wire.ts";
import { vlanWords } from "../../../../lib/switch/vlan/port_vlans.ts";
import { LOG_OFF, RING_OK } from "../../../../lib/virtio/ring.ts";
import { BYTES, makeCommands, MappedPort } from "./mapped_port.ts";

const PORTS = 3;
const MAC = { macLo: 0x10005452, macHi: 0x0100 };

class Bench {
  readonly path: Datapath;
  readonly #commands: Commands;

  constructor() {
    this.path = makeDatapath([], {
      portsMax: PORTS,
      vringsPerPort: VRINGS_PER_PORT,
      entriesMax: 16,
    });
    this.#commands = makeCommands(this.path);
    for (let port = 0; port < PORTS; port++) {
      assert.equal(this.run("addPort", { kind: "vhost" }), port);
    }
  }

  run<C extends Command>(name: C, given: Given<C>): Result<C> {
    return this.#commands.run(name, given);
  }

  /** Ports of the FDB's entries. */
  learned(): number[] {
    return Array.from(this.path.fdb.entries(0), (entry) => entry.port);
  }
}

Deno.test("a guest that has moved is learned on its port, unless that is linked or down", () => {
  const bench = new Bench();
  for (const flood of [false, true]) {
    bench.run("announce", { port: 0, ...MAC, flood });
    assert.deepEqual(bench.learned(), [0]);
    bench.run("setLink", { port: 0, to: 1 });
    assert.deepEqual(bench.learned(), [], "a link forgets what was learned");
    for (const to of [1, LINK_WAITING]) {
      bench.run("setLink", { port: 0, to });
      bench.run("announce", { port: 0, ...MAC, flood });
      assert.deepEqual(bench.learned(), []);
    }
    bench.run("setLink", { port: 0, to: NOT_LINKED });
    bench.run("setPortUp", { port: 0, up: false });
    bench.run("announce", { port: 0, ...MAC, flood });
    assert.deepEqual(bench.learned(), []);
    bench.run("setPortUp", { port: 0, up: true });
  }
});

Deno.test("addresses of another switch are learned where there is room, unless linked or down", () => {
  const bench = new Bench();
  const learn = (port: number, ...lows: number[]): number =>
    bench.run("learnMacs", {
      port,
      macs: lows.map((macLo) => ({ macLo, macHi: 0, ageSeconds: 0 })),
    });
  const many = Array.from({ length: 20 }, (_, i) => 2 * i + 2);
  assert.equal(learn(0, ...many), 16, "as many as the table holds");
  assert.equal(bench.learned().length, 16);
  assert.equal(learn(1, ...many.slice(0, 3)), 3, "known ones move");
  assert.deepEqual(bench.learned().filter((port) => port === 1).length, 3);
  bench.run("flushFdb", {});
  bench.run("setLink", { port: 0, to: 1 });
  bench.run("setPortUp", { port: 1, up: false });
  assert.deepEqual([learn(0, 2), learn(1, 2), bench.learned().length], [0, 0, 0]);
  assert.equal(learn(2), 0);
});

Deno.test("counters of another switch are added to a port's own, and to no other's", () => {
  const bench = new Bench();
  const base = portBase(1, VRINGS_PER_PORT);
  const { counters } = bench.path;
  counters[base] = 5;
  const counts = new Array<number>(PORT_COUNTERS.length).fill(2);
  const before = Array.from(counters);
  bench.run("addPortCounters", { port: 1, counts });
  const changed = before.flatMap((value, i) => counters[i] === value ? [] : [i]);
  assert.deepEqual(changed, Array.from({ length: PORT_COUNTERS.length }, (_, i) => base + i));
  assert.equal(counters[base], 7);
});

Deno.test("a virtqueue that cannot start leaves its port as it was", () => {
  using bench = new MappedPort(false);
  assert.throws(
    () => bench.start(false, LOG_OFF, bench.address + BYTES - 64),
    (error: Error) => error.name === "Error" && /no mapping holds \d+ bytes/.test(error.message),
  );
  assert.deepEqual(bench.port?.vrings.filter((vring) => vring), []);
  assert.deepEqual(bench.path.sources, []);
  bench.start();
  const { eventIdx, indirect, mergeable } = bench.port?.vrings[0]?.features ?? {};
  assert.deepEqual({ eventIdx, indirect, mergeable }, {
    ...{ eventIdx: true, indirect: true, mergeable: true },
  });
  assert.equal(bench.broken, RING_OK);
});

Deno.test("reserved addresses that pass are a port's own, and a new port's are none", () => {
  const bench = new Bench();
  bench.run("setReserved", { port: 1, mask: 0x4004 });
  assert.deepEqual(bench.path.ports.map((port) => port?.reservedMask), [
    0,
    0x4004,
    ...Array(PORTS - 2).fill(0),
  ]);
  bench.run("removePort", { port: 1 });
  assert.equal(bench.run("addPort", { kind: "vhost" }), 1);
  assert.equal(bench.path.ports[1]?.reservedMask, 0);
});

Deno.test("a port is of the kind that was asked for, with counters at 0, and can be removed", () => {
  const bench = new Bench();
  for (const [kind, made] of [["null", NullPort], ["vhost", VhostPort]] as const) {
    bench.path.counters.fill(7, portBase(1, VRINGS_PER_PORT), portBase(2, VRINGS_PER_PORT));
    bench.run("removePort", { port: 1 });
    assert.equal(bench.path.ports.indexOf(null), 1);
    assert.equal(bench.run("addPort", { kind }), 1);
    const port = bench.path.ports[1];
    assert(port instanceof made, kind);
    assert.equal(bench.path.counters[port.counterBase], 0);
    bench.path.refresh();
    assert.equal(port.receivers.length, kind === "null" ? 1 : 0, "only a null port takes frames");
  }
});

Deno.test("a port that is removed takes its part in a flap with it", () => {
  const bench = new Bench();
  const { fdb } = bench.path;
  const flap = (): void => {
    for (let i = 0; i < 10; i++) {
      for (const port of [0, 1]) fdb.learn(MAC.macLo, MAC.macHi, port, 0);
    }
  };
  flap();
  for (let again = 2; again < 4; again++) {
    // The address is where it stays.
    fdb.learn(MAC.macLo, MAC.macHi, 0, 0);
    bench.run("removePort", { port: 1 });
    assert.equal(bench.run("addPort", { kind: "vhost" }), 1);
    flap();
    assert.equal(fdb.counters().flaps, again, "another one is told again");
  }
});

/** VLANs of a port, as commands have them. */
function vlans(
  vids: readonly number[],
  native: number,
  access: boolean,
): Given<"setVlans">["vlans"] {
  return { members: [...vlanWords(vids.map((vid) => [vid, vid]))], native, access };
}

/** Port and VLAN of the FDB's entries. */
function places({ path }: Bench): string[] {
  return Array.from(path.fdb.entries(0), ({ port, macHi }) => `${port} in ${macHi >>> 16}`).sort();
}

Deno.test("the first port with VLANs forgets all addresses, the next ones their own", () => {
  const bench = new Bench();
  bench.run("announce", { port: 0, ...MAC, flood: false });
  assert.deepEqual(places(bench), ["0 in 0"]);
  bench.run("setVlans", { port: 1, vlans: vlans([10], 10, true) });
  assert.deepEqual(places(bench), []);
  for (const port of [0, 1]) bench.run("announce", { port, ...MAC, flood: false });
  assert.deepEqual(places(bench), ["0 in 1", "1 in 10"], "one address, two VLANs");
  bench.run("setVlans", { port: 1, vlans: vlans([20], 20, true) });
  assert.deepEqual(places(bench), ["0 in 1"]);
  bench.run("useVlans", { on: true });
  assert.deepEqual(places(bench), ["0 in 1"], "nothing changes");
  bench.run("useVlans", { on: false });
  assert.deepEqual(places(bench), []);
});

Deno.test("a guest that has moved is learned in the VLAN of its untagged frames, if there is one", () => {
  const bench = new Bench();
  bench.run("setVlans", { port: 0, vlans: vlans([10, 20], 20, false) });
  bench.run("setVlans", { port: 1, vlans: vlans([10, 20], 0, false) });
  for (const port of [0, 1]) bench.run("announce", { port, ...MAC, flood: false });
  assert.deepEqual(places(bench), ["0 in 20"]);
});

Deno.test("a guest that is announced for is learned in each VLAN of its trunk, if they are few", () => {
  const bench = new Bench();
  const announce = (port: number): string[] => {
    bench.run("flushFdb", {});
    bench.run("announce", { port, ...MAC, flood: true });
    return places(bench);
  };
  const dropped = (port: number): number =>
    bench.path.counters[portBase(port, VRINGS_PER_PORT) + PORT.rxDroppedVlan] ?? NaN;
  bench.run("setVlans", { port: 0, vlans: vlans([10, 20, 4094], 20, false) });
  bench.run("setVlans", { port: 1, vlans: vlans([10, 20], 0, false) });
  bench.run("setVlans", { port: 2, vlans: vlans([10], 10, true) });
  assert.deepEqual(announce(0), ["0 in 10", "0 in 20", "0 in 4094"]);
  assert.deepEqual(announce(1), ["1 in 10", "1 in 20"]);
  assert.deepEqual(announce(2), ["2 in 10"]);
  assert.deepEqual([0, 1, 2].map(dropped), [0, 0, 0], "nothing is sent in VLANs it is not in");
  const many = Array.from({ length: 66 }, (_, i) => i + 100);
  bench.run("setVlans", { port: 0, vlans: vlans(many, 100, false) });
  assert.deepEqual(announce(0), ["0 in 100"], "65 are too many to say");
  bench.run("setVlans", { port: 0, vlans: vlans(many.slice(1), 0, false) });
  assert.deepEqual(announce(0), []);
  bench.run("setVlans", { port: 0, vlans: null });
  assert.deepEqual(announce(0), ["0 in 1"], "who says nothing is in all");
});

Deno.test("addresses of another switch are learned in VLANs that the port is in here", () => {
  const bench = new Bench();
  const macs = [0, 1, 10, 20].map((vid) => ({ macLo: 2, macHi: vid << 16, ageSeconds: 0 }));
  assert.equal(bench.run("learnMacs", { port: 0, macs }), 4);
  assert.deepEqual(places(bench), ["0 in 0"], "without VLANs they are one");
  bench.run("setVlans", { port: 0, vlans: vlans([10], 10, true) });
  assert.equal(bench.run("learnMacs", { port: 0, macs }), 2);
  assert.deepEqual(places(bench), ["0 in 10"], "those of VLAN 10 and of none");
});

Deno.test("a static address is so in all VLANs of its port, and in none of another's", () => {
  const bench = new Bench();
  bench.run("setVlans", { port: 0, vlans: vlans([10, 20], 10, false) });
  bench.run("setVlans", { port: 1, vlans: vlans([10], 10, true) });
  bench.run("setLock", { port: 0, on: true });
  assert.equal(bench.run("setStatic", { port: 0, ...MAC }), "done");
  const macs = [10, 20].map((vid) => ({
    ...MAC,
    macHi: MAC.macHi | (vid << 16),
    ageSeconds: 0,
  }));
  assert.equal(bench.run("learnMacs", { port: 0, macs }), 2);
  assert.equal(bench.run("learnMacs", { port: 1, macs }), 0, "nowhere else");
  bench.run("announce", { port: 1, ...MAC, flood: true });
  assert.deepEqual(places(bench), ["0 in 0"]);
});
