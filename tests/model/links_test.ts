/**
 * Which port hears which frame, among ports that are linked, waiting, taken down and switching,
 * against a model that knows nothing of bursts, lists and rings.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ethernet } from "../../lib/guest/frames.ts";
import { PORT_COUNTERS } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { LINK_WAITING, NOT_LINKED } from "../../lib/switch/port.ts";
import { makePath, MemoryGuest, pollAll } from "./memory_guest.ts";

const PORTS = 5;
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const GROUP = "01:00:5e:00:00:fb";
const RESERVED = "01:80:c2:00:00:02";
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
      to: fc.oneof(ownMac, fc.constantFrom(BROADCAST, GROUP, RESERVED, NOBODY)),
      from: fc.oneof({ weight: 8, arbitrary: ownMac }, fc.constantFrom(GROUP, ZERO)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("link" as const), port, other: port }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), port }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("unlink" as const), port }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("admin" as const), port }) },
);

/** Ports as a person would think of them. */
class Model {
  readonly linkedTo: number[] = Array(PORTS).fill(NOT_LINKED);
  readonly up: boolean[] = Array(PORTS).fill(true);
  readonly learned = new Map<string, number>();

  /** Ports that hear a frame. */
  hearers(from: number, to: string, source: string): number[] {
    if (!this.up[from]) return [];
    const peer = this.linkedTo[from] as number;
    if (peer !== NOT_LINKED) return this.up[peer] ? [peer] : [];
    if (source === GROUP || source === ZERO || to === RESERVED) return [];
    this.learned.set(source, from);
    const known = this.learned.get(to);
    if (known !== undefined) return known === from ? [] : [known];
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

type Step = { kind: string; port: number; other?: number; to?: string; from?: string };

function run(steps: readonly Step[]): void {
  const guests = Array.from({ length: PORTS }, (_, i) => new MemoryGuest(i, 1, i % 2 === 1));
  const path = makePath(guests);
  for (const guest of guests) guest.offer();
  const model = new Model();
  steps.forEach(({ kind, port, other = 0, to = "", from = "" }, serial) => {
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
  const frames = [[RESERVED, macOf(0)], [BROADCAST, GROUP], [macOf(0), macOf(0)], [GROUP, ZERO]];
  const one = { kind: "link", port: 0, other: 1 };
  run([one, ...frames.map(([to, from]) => ({ kind: "send", port: 0, to, from } as Step))]);
});
