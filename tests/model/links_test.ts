// deno-lint-ignore-file no-non-null-assertion
/**
 * Which port hears which frame, among ports that are linked, waiting, taken down and switching, and
 * let some reserved addresses pass,
 * against a model that knows nothing of bursts, lists and rings.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ethernet } from "../../lib/guest/frames.ts";
import { PORT, PORT_COUNTERS } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { LINK_WAITING, NOT_LINKED } from "../../lib/switch/ports/port.ts";
import { reservedMask } from "../../lib/switch/reserved.ts";
import { makePath, MemoryGuest, pollAll } from "./memory_guest.ts";

const PORTS = 5;
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const GROUP = "01:00:5e:00:00:fb";
const RESERVED = ["01:80:c2:00:00:02", "01:80:c2:00:00:0e", "01:80:c2:00:00:00"];
const NOBODY = "02:00:00:00:00:ee";
const ZERO = "00:00:00:00:00:00";

function macOf(port: number): string {
  return `02:00:00:00:00:0${port}`;
}

const port = fc.nat(PORTS - 1);
const ownMac = port.map(macOf);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      port,
      to: fc.oneof(ownMac, fc.constantFrom(BROADCAST, GROUP, ...RESERVED, NOBODY)),
      from: fc.oneof({ weight: 8, arbitrary: ownMac }, fc.constantFrom(GROUP, ZERO)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("link" as const), port, other: port }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), port }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("unlink" as const), port }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("admin" as const), port }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("forward" as const),
      port,
      names: fc.subarray(["stp", "lacp", "lldp", "eapol"]),
    }),
  },
);

/** Ports as a person would think of them. */
class Model {
  readonly linkedTo: number[] = Array(PORTS).fill(NOT_LINKED);
  readonly up: boolean[] = Array(PORTS).fill(true);
  readonly learned = new Map<string, number>();
  /** Reserved addresses that each port lets pass. */
  readonly passing: string[][] = Array.from({ length: PORTS }, () => []);

  /** Ports that hear a frame. */
  hearers(from: number, to: string, source: string): number[] {
    if (!this.up[from]) return [];
    const peer = this.linkedTo[from] as number;
    if (peer !== NOT_LINKED) return this.up[peer] ? [peer] : [];
    if (source === GROUP || source === ZERO) return [];
    if (RESERVED.includes(to)) {
      const passes = (port: number): boolean => this.passing[port]?.includes(to) ?? false;
      const heard = passes(from) ? this.others(from).filter(passes) : [];
      if (heard.length > 0) this.learned.set(source, from);
      return heard;
    }
    this.learned.set(source, from);
    const known = this.learned.get(to);
    if (known !== undefined) return known === from ? [] : [known];
    return this.others(from);
  }

  /** Ports that a flood from a port reaches. */
  others(from: number): number[] {
    return this.up.flatMap((up, port) =>
      up && port !== from && this.linkedTo[port] === NOT_LINKED ? [port] : []
    );
  }

  setLink(port: number, to: number): void {
    this.linkedTo[port] = to;
    this.forget(port);
  }

  forget(port: number): void {
    for (const [mac, at] of this.learned) if (at === port) this.learned.delete(mac);
  }
}

/** Changes a port as the data plane's commands do, in model and datapath. */
function change(model: Model, path: Datapath, number: number, to: number): void {
  const real = path.ports[number];
  assert(real);
  real.linkedTo = to;
  path.fdb.flushPort(number);
  model.setLink(number, to);
}

function unlink(model: Model, path: Datapath, number: number): void {
  const peer = model.linkedTo[number] as number;
  if (peer >= 0) change(model, path, peer, NOT_LINKED);
  change(model, path, number, NOT_LINKED);
}

function setAdmin(model: Model, path: Datapath, number: number): void {
  const real = path.ports[number];
  assert(real);
  real.adminUp = !real.adminUp;
  path.fdb.flushPort(number);
  model.up[number] = real.adminUp;
  model.forget(number);
}

type Step = {
  readonly kind: string;
  readonly port: number;
  readonly other?: number;
  readonly to?: string;
  readonly from?: string;
  readonly names?: readonly string[];
};

function setForward(model: Model, path: Datapath, number: number, names: readonly string[]): void {
  const real = path.ports[number];
  assert(real);
  real.reservedMask = reservedMask(names);
  const digits: Record<string, string> = { stp: "0", lacp: "2", eapol: "3", lldp: "e" };
  model.passing[number] = names.map((name) => `01:80:c2:00:00:0${digits[name]}`);
}

function run(steps: readonly Step[]): void {
  const guests = Array.from({ length: PORTS }, (_, i) => new MemoryGuest(i, 1, i % 2 === 1));
  const path = makePath(guests);
  for (const guest of guests) guest.offer();
  const model = new Model();
  steps.forEach(({ kind, port, other = 0, to = "", from = "", names = [] }, serial) => {
    if (kind === "send") {
      const frame = ethernet(to, from, 0x88b5, Uint8Array.of(serial >> 8, serial));
      assert(guests[port]?.send(0, frame));
      pollAll(path);
      const wanted = model.hearers(port, to, from);
      guests.forEach((guest, number) => {
        const expected = wanted.includes(number) ? [frame] : [];
        assert.deepEqual(guest.received(0), expected, `step ${serial} at port ${number}`);
        guest.offer();
      });
      return;
    }
    if (kind === "link" && port !== other) {
      for (const each of [port, other]) unlink(model, path, each);
      change(model, path, port, other);
      change(model, path, other, port);
    } else if (kind === "wait") {
      unlink(model, path, port);
      change(model, path, port, LINK_WAITING);
    } else if (kind === "unlink") unlink(model, path, port);
    else if (kind === "admin") setAdmin(model, path, port);
    else if (kind === "forward") setForward(model, path, port, names);
    path.refresh();
  });
  assertCounted(path, steps.filter(({ kind }) => kind === "send").length);
}

/** Every frame sent is counted once, as received or as dropped on reception. */
function assertCounted(path: Datapath, sent: number): void {
  let counted = 0;
  for (const port of path.ports) {
    assert(port);
    PORT_COUNTERS.forEach((name, i) => {
      const lost = name === "rxDroppedDisabled" || name === "rxDroppedMalformed";
      if (name === "rxFrames" || lost) counted += path.counters[port.counterBase + i] as number;
    });
  }
  assert.equal(counted, sent);
}

Deno.test("linked, waiting and downed ports hear what they must and nothing else", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), run), { numRuns: 100 });
});

Deno.test("a link carries what a switch would not: group sources, reserved addresses", () => {
  const frames = [[RESERVED[0], macOf(0)], [BROADCAST, GROUP], [macOf(0), macOf(0)], [GROUP, ZERO]];
  const one = { kind: "link", port: 0, other: 1 };
  run([one, ...frames.map(([to, from]) => ({ kind: "send", port: 0, to, from } as Step))]);
});

Deno.test("a reserved address passes between ports that both have it, in bursts of others too", () => {
  const guests = Array.from({ length: 4 }, (_, i) => new MemoryGuest(i, 1, i % 2 === 1));
  const path = makePath(guests);
  for (const guest of guests) guest.offer();
  const masks = [["lldp", "lacp"], ["lldp"], ["lacp", "eapol"], []];
  masks.forEach((names, i) => guests[i]!.port.reservedMask = reservedMask(names));
  const frame = (to: string): Uint8Array => ethernet(to, macOf(0), 0x88cc, new Uint8Array(46));
  const digit = (i: number): string => `01:80:c2:00:00:0${i.toString(16)}`;
  // Every reserved address twice in a row, among frames that are flooded.
  const sent: Uint8Array[] = [];
  for (let i = 0; i < 16; i++) {
    for (const to of [digit(i), digit(i), BROADCAST]) {
      sent.push(frame(to));
      assert(guests[0]!.send(0, frame(to)));
    }
  }
  pollAll(path);
  const heard = (passing: readonly number[]): Uint8Array[] =>
    sent.filter((_, i) => i % 3 === 2 || passing.includes(Math.floor(i / 3)));
  [[0xe], [0x2], []].forEach((passing, i) => {
    assert.deepEqual(guests[i + 1]!.received(0), heard(passing));
  });
  const base = guests[0]!.port.counterBase;
  const count = (name: keyof typeof PORT): number => path.counters[base + PORT[name]!]!;
  assert.deepEqual(
    [count("rxDroppedReserved"), count("rxMulticastFrames"), count("rxFloodedFrames")],
    [28, 4, 20],
  );
});
