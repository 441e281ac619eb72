// deno-lint-ignore-file no-non-null-assertion
/**
 * Isolation groups among all that leads a frame anywhere (flooding, learned and static addresses, links,
 * reserved addresses, VLANs, announcements, uplinks), against the same switch without groups: each port
 * hears what it would have heard, but for frames of ports of its group, of which it hears none.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT } from "../../lib/switch/counters.ts";
import { type Datapath, forward, pollSource } from "../../lib/switch/datapath.ts";
import { NOT_LINKED } from "../../lib/switch/ports/port.ts";
import { composeRarp } from "../../lib/switch/rarp.ts";
import { ALL_VLANS, PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { ScriptPort } from "../harness/script_port.ts";

const PORTS = 6;
/** The last port is an uplink, and in no group. */
const GUESTS = PORTS - 1;
const macOf = (port: number): number[] => [2, 0, 0, 0, 0, port];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const GROUP = [1, 0, 0x5e, 0, 0, 0xfb];
const RESERVED = [1, 0x80, 0xc2, 0, 0, 0x0e];

const port = fc.nat(PORTS - 1);
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      port,
      to: fc.oneof(port.map(macOf), fc.constantFrom(BROADCAST, GROUP, RESERVED, macOf(99))),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("link" as const), port, other: port }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unlink" as const), port }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("static" as const), port, of: port }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("access" as const), port, vid: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("announce" as const), port }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One switch, with groups or without. */
class Side {
  readonly ports = Array.from({ length: PORTS }, (_, index) => new ScriptPort(index));
  readonly path: Datapath = makeDatapath(this.ports);

  constructor(groups: readonly number[]) {
    for (const [index, port] of this.ports.entries()) {
      port.reservedMask = 1 << 0x0e;
      if (index < GUESTS) port.isolation = groups[index]!;
      else port.isUplink = true;
    }
    this.path.refresh();
  }

  unlink(index: number): void {
    const other = this.ports[index]!.linkedTo;
    for (const each of [index, other]) if (each >= 0) this.ports[each]!.linkedTo = NOT_LINKED;
  }

  /** @param number of the step, which its frames carry */
  run(step: Step, number: number): void {
    const { path, ports } = this;
    const port = ports[step.port]!;
    if (step.kind === "send") {
      for (let i = 0; i < step.count; i++) {
        const payload = [0x88, 0xb5, step.port, number >> 8, number & 255, i];
        port.out.push(
          Uint8Array.from([...step.to, ...macOf(step.port), ...payload, ...Array(40).fill(7)]),
        );
      }
      pollSource(path, port);
    } else if (step.kind === "link") {
      if (step.port === step.other) return;
      for (const each of [step.port, step.other]) this.unlink(each);
      port.linkedTo = step.other;
      ports[step.other]!.linkedTo = step.port;
    } else if (step.kind === "unlink") this.unlink(step.port);
    else if (step.kind === "static") {
      const [, , , , , last] = macOf(step.of);
      path.fdb.setStatic(2, last! << 8, step.port);
    } else if (step.kind === "access") {
      const { vid } = step;
      port.vlans = vid === 0 ? ALL_VLANS : new PortVlans(vlanWords([[vid, vid]]), vid, true);
      path.setVlans(ports.some(({ vlans }) => vlans !== ALL_VLANS));
      path.fdb.flushPort(step.port);
    } else {
      composeRarp(2, step.port << 8);
      forward(path, port, 1);
    }
    path.refresh();
  }

  take(index: number): string[] {
    return this.ports[index]!.got.splice(0).map((frame) => frame.join());
  }

  dropped(index: number): number {
    return this.path.counters[this.ports[index]!.counterBase + PORT.rxDroppedIsolated]!;
  }
}

Deno.test("ports of a group hear nothing of one another, and all else as without groups", () => {
  const seen = { kept: 0, passed: 0, dropped: 0 };
  fc.assert(
    fc.property(
      fc.array(fc.nat(2), { minLength: GUESTS, maxLength: GUESTS }),
      fc.array(step, { minLength: 5, maxLength: 60 }),
      (groups, steps) => {
        const sides = [new Side(groups), new Side(groups.map(() => 0))] as const;
        try {
          for (const [number, each] of steps.entries()) {
            for (const side of sides) side.run(each, number);
            for (let to = 0; to < PORTS; to++) {
              const [heard, wanted] = [sides[0].take(to), sides[1].take(to)];
              const group = groups[to] ?? 0;
              const apart = group !== 0 && to !== each.port && groups[each.port] === group;
              assert.deepEqual(heard, apart ? [] : wanted, `port ${to}, step ${number}`);
              seen[apart ? "kept" : "passed"] += wanted.length;
            }
          }
          for (let from = 0; from < PORTS; from++) seen.dropped += sides[0].dropped(from);
        } finally {
          for (const side of sides) for (const port of side.ports) port.release();
        }
      },
    ),
    { numRuns: 150 },
  );
  assert(seen.kept > 100 && seen.passed > 500 && seen.dropped > 5, JSON.stringify(seen));
});

Deno.test("what is not delivered for a group is counted where it came from", () => {
  const side = new Side([1, 1, 2, 0, 1]);
  try {
    const count = (index: number, name: keyof typeof PORT): number =>
      side.path.counters[side.ports[index]!.counterBase + PORT[name]]!;
    side.run({ kind: "send", port: 1, to: BROADCAST, count: 1 }, 0);
    assert.deepEqual([0, 2, 3, 4, 5].map((to) => side.take(to).length), [0, 1, 1, 0, 1]);
    assert.equal(count(1, "rxDroppedIsolated"), 0, "a flood passes by as the group's name says");
    side.run({ kind: "send", port: 0, to: macOf(1), count: 3 }, 1);
    assert.equal(count(0, "rxDroppedIsolated"), 3);
    side.run({ kind: "link", port: 0, other: 4 }, 2);
    side.run({ kind: "send", port: 4, to: BROADCAST, count: 2 }, 3);
    assert.equal(count(4, "rxDroppedIsolated"), 2);
    assert.deepEqual([0, 1].map((to) => side.take(to).length), [0, 0]);
  } finally {
    for (const port of side.ports) port.release();
  }
});

Deno.test("a port whose group is all there is has nobody to flood to", () => {
  const side = new Side([1, 1, 1, 1, 1]);
  try {
    side.ports[GUESTS]!.adminUp = false;
    side.path.refresh();
    side.run({ kind: "send", port: 0, to: BROADCAST, count: 2 }, 0);
    const { counterBase } = side.ports[0]!;
    assert.equal(side.path.counters[counterBase + PORT.rxDroppedNoPort], 2);
    assert.equal(side.path.counters[counterBase + PORT.rxFloodedFrames], 0);
  } finally {
    for (const port of side.ports) port.release();
  }
});
