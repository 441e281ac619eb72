/** What a port takes along: from the data plane, from before its link went down, and into another. */
import { strict as assert } from "node:assert";
import { closeFd, createPipe, readTenantFd, writeTenantFd } from "../../../../ffi/mod.ts";
import { MovingState } from "../../../../lib/control/front_end/moving_state.ts";
import type { Reactor } from "../../../../lib/control/reactor.ts";
import { BlockingPool, TenantFds } from "../../../../lib/control/front_end/tenant_fds.ts";
import { PORT_COUNTERS } from "../../../../lib/switch/counters.ts";
import {
  decodeDeviceState,
  type DeviceState,
  encodeDeviceState,
} from "../../../../lib/vhost/wire/device_state.ts";
import { isRefusal, type Refusal } from "../../../../lib/vhost/reasons.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { FakeHost } from "../../vhost/fake_host.ts";
import { FakePlane } from "../fake_plane.ts";
import { onReactor } from "../on_reactor.ts";
import { untilIdle } from "../support.ts";

const ONE = { macLo: 2, macHi: 1, ageSeconds: 7 };
const TWO = { macLo: 2, macHi: 2, ageSeconds: 0 };
const EMPTY: DeviceState = { mac: null, mtu: null, queuePairs: 0, learned: [], counters: {} };

class Bench {
  readonly plane = new FakePlane();
  readonly host = new FakeHost();
  readonly session = new Session(
    this.host,
    makeOffer({ mtu: 4000, queuePairs: 4, mac: "52:54:00:00:00:07" }),
  );
  readonly number = this.plane.addPort();
  readonly blocking = new BlockingPool();
  readonly fds = new TenantFds(this.blocking);
  readonly log: string[] = [];
  readonly state: MovingState;

  constructor(reactor: Reactor) {
    this.session.device.protocolFeatures = this.session.device.offer.protocolFeatures;
    this.state = new MovingState({
      ...{ plane: this.plane, reactor, fds: this.fds, number: this.number },
      device: () => this.session.device,
      log: (_level, event, message) => this.log.push(`${event} ${message}`),
    });
  }

  async save(): Promise<DeviceState> {
    const [out, into] = createPipe();
    assert.equal(this.state.start("save", into), null);
    const all: number[] = [];
    const piece = new Uint8Array(new ArrayBuffer(4096));
    for (let got = -1; got !== 0;) {
      got = await readTenantFd(out, piece);
      all.push(...piece.subarray(0, got));
    }
    closeFd(out);
    assert.equal(await this.state.finish(), null);
    const state = decodeDeviceState(new Uint8Array(all));
    assert(!isRefusal(state));
    return state;
  }

  async load(state: DeviceState): Promise<Refusal | null> {
    const [out, into] = createPipe();
    assert.equal(this.state.start("load", out), null);
    const bytes = encodeDeviceState(state);
    assert.equal(await writeTenantFd(into, bytes), bytes.length);
    closeFd(into);
    return await this.state.finish();
  }
}

function bench(run: (bench: Bench) => Promise<void>): Promise<void> {
  return onReactor((reactor) => new Bench(reactor), run, ({ blocking }) => untilIdle(blocking));
}

Deno.test("MovingState saves what the port has learned, had before its link went down, and counted", () =>
  bench(async (b) => {
    b.plane.macs.set(b.number, [ONE]);
    b.state.linkChanges(false);
    b.plane.commands.flushPort({ port: b.number });
    b.plane.macs.set(b.number, [TWO]);
    const state = await b.save();
    const ages = new Map(state.learned.map((mac) => [mac.macHi, mac.ageSeconds]));
    assert.deepEqual([...ages.keys()].sort(), [1, 2]);
    assert((ages.get(1) ?? 0) >= 7);
    assert.deepEqual(state.counters, { rxFrames: 1 });
    assert.deepEqual([state.mac, state.mtu, state.queuePairs], [
      b.session.device.offer.mac,
      4000,
      0,
    ]);
    b.session.device.vring(3).size = 256;
    b.state.linkChanges(true);
    const later = await b.save();
    assert.deepEqual(later.learned, [TWO], "a link that came up again has what it has");
    assert.equal(later.queuePairs, 2);
  }));

Deno.test("MovingState remembers nothing for a front-end that cannot ask for it, or is gone", () =>
  bench(async (b) => {
    b.plane.macs.set(b.number, [ONE]);
    b.session.device.protocolFeatures = 0n;
    b.state.linkChanges(false);
    b.plane.commands.flushPort({ port: b.number });
    assert.deepEqual((await b.save()).learned, []);
    b.session.device.protocolFeatures = b.session.device.offer.protocolFeatures;
    b.plane.macs.set(b.number, [ONE]);
    b.state.linkChanges(false);
    b.plane.commands.flushPort({ port: b.number });
    b.state.close();
    assert.deepEqual((await b.save()).learned, []);
  }));

Deno.test("MovingState puts a state in force as a whole", () =>
  bench(async (b) => {
    b.plane.macsMax = 1;
    const counters = { rxFrames: 5, txBytes: 6, someday: 7 };
    const state: DeviceState = {
      ...{ mac: { low: 2, high: 9 }, mtu: 1400, queuePairs: 4, counters },
      learned: [{ ...TWO, ageSeconds: 2 ** 32 - 1 }, ONE],
    };
    assert.equal(await b.load(state), null);
    assert.deepEqual([b.session.device.config.mac, b.session.device.config.mtu, b.host.mtu], [
      state.mac,
      1400,
      1400,
    ]);
    const expected = PORT_COUNTERS.map((
      name,
    ) => ({ rxFrames: 5, txBytes: 6 }[name as "txBytes"] ?? 0));
    assert.deepEqual(b.plane.added.get(b.number), expected);
    assert.deepEqual(b.plane.portMacs(b.number), [ONE], "what there is room for, seen last first");
    assert.deepEqual(b.log, ["state-loaded state of another back-end loaded, 1 of 2 addresses"]);
    const again = await b.load({ ...EMPTY, learned: [{ ...TWO, ageSeconds: 2 ** 32 - 1 }] });
    assert.equal(again, null);
    assert.equal(b.plane.portMacs(b.number)[1]?.ageSeconds, 1_000_000, "an age the FDB can hold");
    assert.deepEqual(
      b.session.device.config.mac,
      state.mac,
      "a state without an address leaves it",
    );
  }));

Deno.test("MovingState refuses what this port cannot go on with, and changes nothing", () =>
  bench(async (b) => {
    assert.equal((await b.load({ ...EMPTY, queuePairs: 5, learned: [ONE] }))?.code, "bad-state");
    assert.equal((await b.load({ ...EMPTY, mtu: 4001, learned: [ONE] }))?.code, "bad-state");
    assert.equal((await b.state.finish())?.code, "no-state", "there is nothing more to ask about");
    assert.deepEqual([b.plane.portMacs(b.number), b.plane.added.size, b.host.mtu], [[], 0, null]);
    assert.deepEqual([b.session.device.config.mtu, b.session.device.config.mac], [
      4000,
      b.session.device.offer.mac,
    ]);
  }));

Deno.test("MovingState ends an earlier transfer when another one begins", () =>
  bench(async (b) => {
    const [out, silent] = createPipe();
    assert.equal(b.state.start("load", out), null);
    assert.equal(await b.load(EMPTY), null);
    assert.equal(await writeTenantFd(silent, new Uint8Array(1)), -1, "its pipe was closed");
    closeFd(silent);
  }));
