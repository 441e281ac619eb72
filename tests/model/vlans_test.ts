// deno-lint-ignore-file no-non-null-assertion
/**
 * Which port hears which frame, and with which tag, among access ports, trunks and ports that say
 * nothing, against a bridge that knows nothing of bursts, segments and rings.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { PORT } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { ALL_VLANS, PortVlans, vlanWords } from "../../lib/switch/vlan/port_vlans.ts";
import { allowPlainBursts } from "../../lib/virtio/burst.ts";
import { accessOf, NaiveVlanBridge, type NaiveVlans, PLAIN, trunkOf } from "./naive_vlans.ts";
import { Bench, makePath, poll } from "./two_ports.ts";

const PORTS = 4;
const VIDS = [1, 10, 20, 4094];
const GROUP = [1, 0, 0x5e, 0, 0, 0xfb];
const BROADCAST = [255, 255, 255, 255, 255, 255];
const macOf = (port: number): number[] => [2, 0, 0, 0, 0, port];

const vlans: fc.Arbitrary<NaiveVlans> = fc.oneof(
  fc.constant(PLAIN),
  fc.constantFrom(...VIDS).map(accessOf),
  fc.record({
    vids: fc.subarray(VIDS, { minLength: 1 }),
    native: fc.option(fc.nat(VIDS.length - 1)),
  }).map(({ vids, native }) =>
    trunkOf(vids, native === null ? null : vids[native % vids.length] as number)
  ),
);

/** Type and control information of a tag; VLANs that are there, and that cannot be. */
const tag = fc.record({
  type: fc.constantFrom(0x8100, 0x8100, 0x8100, 0x88a8, 0x9100),
  vid: fc.constantFrom(0, 1, 10, 20, 10, 20, 30, 4094, 4095),
  priority: fc.constantFrom(0, 0, 5 << 13, 1 << 12, 15 << 12),
});

const frame = fc.record({
  to: fc.oneof(
    { weight: 3, arbitrary: fc.nat(PORTS - 1).map(macOf) },
    fc.constantFrom(GROUP, BROADCAST),
  ),
  /** Own address, another port's in this VLAN, or nobody's. */
  from: fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    fc.constantFrom(macOf(0), GROUP, [0, 0, 0, 0, 0, 0]),
  ),
  tags: fc.array(tag, { maxLength: 2 }),
  payload: fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 30, max: 140 })),
  cuts: fc.array(fc.nat(60), { maxLength: 5 }),
  indirect: fc.boolean(),
  /** Cut off behind its tag's type, as nobody would. */
  short: fc.boolean().map((short) => short),
});

type Frame = typeof frame extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      port: fc.nat(PORTS - 1),
      frames: fc.array(frame, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("set" as const), port: fc.nat(PORTS - 1), vlans }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Case {
  readonly vlans: readonly NaiveVlans[];
  readonly packed: readonly boolean[];
  readonly mergeable: readonly boolean[];
  readonly longest: readonly number[];
  readonly linked: boolean;
  readonly plain: boolean;
  readonly steps: readonly Step[];
}

const four = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> =>
  fc.array(one, { minLength: PORTS, maxLength: PORTS });

const cases: fc.Arbitrary<Case> = fc.record({
  ...{ vlans: four(vlans), packed: four(fc.boolean()), mergeable: four(fc.boolean()) },
  longest: four(fc.constantFrom(200, 200, 120)),
  linked: fc.nat(3).map((n) => n === 0),
  plain: fc.boolean(),
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
});

let serial = 0;

function bytesOf({ to, from, tags, payload, short }: Frame, port: number): Uint8Array {
  const words = tags.flatMap(({ type, vid, priority }) => [
    ...[type >> 8, type & 0xff],
    ...[(vid | priority) >> 8, vid & 0xff],
  ]);
  serial++;
  const rest = Uint8Array.from({ length: payload }, (_, i) => i === 0 ? serial : i * 29 + serial);
  const bytes = [...to, ...from ?? macOf(port), ...words, 0x88, 0xb5, ...rest];
  return Uint8Array.from(short && payload < 3 ? bytes.slice(0, Math.max(14, 17 - payload)) : bytes);
}

/** A port's VLANs as the switch has them. */
function real({ vids, native, access }: NaiveVlans): PortVlans {
  return new PortVlans(vlanWords(vids.map((vid) => [vid, vid])), native ?? 0, access);
}

function setVlans(path: Datapath, bench: Bench, naive: NaiveVlans): void {
  bench.port.vlans = naive === PLAIN ? ALL_VLANS : real(naive);
  path.fdb.flushPort(bench.port.index);
}

function offer(bench: Bench): void {
  const sizes = bench.shape.mergeable ? [40] : [90, 130];
  while (bench.rx.free > 2 && bench.offer(sizes, false));
}

function counted(path: Datapath, bench: Bench): Record<string, number> {
  return Object.fromEntries(
    Object.entries(PORT).filter(([name]) => name.startsWith("rxDropped")).map(([name, at]) => [
      name,
      path.counters[bench.port.counterBase + at] ?? 0,
    ]),
  );
}

function sendAll(
  { model, path, benches }: {
    readonly model: NaiveVlanBridge;
    readonly path: Datapath;
    readonly benches: readonly Bench[];
  },
  from: number,
  frames: readonly Frame[],
): void {
  const sender = benches[from]!;
  const heard: Uint8Array[][] = benches.map(() => []);
  const drops: Record<string, number> = counted(path, sender);
  for (const one of frames) {
    const bytes = bytesOf(one, from);
    assert(sender.send(bytes, one.cuts, one.indirect));
    const fate = model.send(from, bytes);
    if ("heard" in fate) { for (const [port, got] of fate.heard) heard[port]!.push(got); }
    else if (fate.drop in drops) drops[fate.drop]!++;
    else drops.rxDroppedOversize! += bytes.length > model.longest[from]! ? 1 : 0;
  }
  while (poll(path, sender) > 0);
  sender.tx.takeUsed();
  for (const [port, bench] of benches.entries()) {
    assert.deepEqual(bench.received(), heard[port], `from ${from}, at port ${port}`);
    offer(bench);
  }
  assert.deepEqual(counted(path, sender), drops);
}

function run({ vlans, packed, mergeable, longest, linked, plain, steps }: Case): void {
  const benches = packed.map((isPacked, i) =>
    new Bench(
      i,
      { packed: isPacked, size: 64, mergeable: mergeable[i]!, eventIdx: false, start: 0 },
      2 ** 20 * i,
      2 ** 20,
    )
  );
  const path = makePath(benches);
  path.setVlans(true);
  const model = new NaiveVlanBridge(vlans, longest);
  for (const [i, bench] of benches.entries()) {
    setVlans(path, bench, vlans[i]!);
    bench.port.frameBytesMax = longest[i]!;
    offer(bench);
  }
  if (linked) {
    model.link(0, 1);
    benches[0]!.port.linkedTo = 1;
    benches[1]!.port.linkedTo = 0;
    path.refresh();
  }
  allowPlainBursts(plain);
  try {
    for (const each of steps) {
      if (each.kind === "send") sendAll({ model, path, benches }, each.port, each.frames);
      else {
        model.set(each.port, each.vlans);
        setVlans(path, benches[each.port]!, each.vlans);
      }
    }
  } finally {
    allowPlainBursts(true);
  }
}

Deno.test("frames get to the ports of their VLAN, each with the tag it has there, and to no other", () => {
  fc.assert(fc.property(cases, run), { numRuns: 250 });
});
