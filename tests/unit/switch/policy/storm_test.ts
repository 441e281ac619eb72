// deno-lint-ignore-file no-non-null-assertion
/** Storm limits: each kind has its own, of its own time, and what goes to one port has none. */
import { strict as assert } from "node:assert";
import { PORT, portBase } from "../../../../lib/switch/counters.ts";
import { forward } from "../../../../lib/switch/datapath.ts";
import { clock } from "../../../../lib/switch/policy/clock.ts";
import { Storm } from "../../../../lib/switch/policy/storm.ts";
import { NullPort } from "../../../../lib/switch/ports/null_port.ts";
import { composeRarp } from "../../../../lib/switch/rarp.ts";
import { frameHead } from "../../../../lib/virtio/burst.ts";
import { makeDatapath } from "../../../harness/datapath.ts";

Deno.test("a bucket is as full as its rate, fills with time alone, and is its kind's own", () => {
  clock.ms = 5000;
  const storm = new Storm([100, 0, 7]);
  const admitted = (kind: number): number => {
    let count = 0;
    for (let i = 0; i < 1000; i++) if (storm.admits(kind)) count++;
    return count;
  };
  assert.deepEqual([admitted(0), admitted(1), admitted(2)], [100, 1000, 7]);
  assert.equal(admitted(0), 0);
  for (let i = 0; i < 100; i++) {
    clock.ms += 10;
    assert.equal(admitted(0), 1, "also in steps of less than one frame of another kind");
  }
  assert.equal(admitted(2), 7);
  clock.ms += 60_000;
  assert.deepEqual([admitted(0), admitted(2)], [100, 7]);
});

Deno.test("what is sent in one go is a tenth of a second's at most", () => {
  clock.ms = 0;
  const storm = new Storm([2000, 20_000, 50]);
  const counts = [0, 0, 0];
  for (clock.ms = 0; clock.ms < 1000; clock.ms++) {
    for (let i = 0; i < 3000; i++) {
      counts.forEach((_, kind) => counts[kind]! += +storm.admits(kind));
    }
    if (clock.ms === 0) assert.deepEqual(counts, [200, 2000, 50]);
  }
  const wanted = [2200, 22_000, 100];
  counts.forEach((count, kind) => assert(Math.abs(count - wanted[kind]!) <= 25, `${counts}`));
});

/** Sends frames from port 0, one a visit. @returns counters of the port by name */
function send(ports: number, words: readonly [number, number], frames: number): {
  flooded: number;
  dropped: number[];
  told: number[];
} {
  const all = Array.from({ length: ports }, (_, i) => new NullPort(i, portBase(i, 2)));
  const told: number[] = [];
  const path = makeDatapath(all, { host: { storm: (port, kind) => void told.push(port, kind) } });
  clock.ms = 0;
  all[0]!.storm = new Storm([10, 20, 30]);
  for (let i = 0; i < frames; i++) {
    composeRarp(2, 0);
    frameHead[0] = words[0];
    frameHead[1] = (frameHead[1]! & ~0xffff) | words[1];
    forward(path, all[0]!, 1);
  }
  const at = (name: keyof typeof PORT): number => path.counters[all[0]!.counterBase + PORT[name]]!;
  return {
    flooded: at("rxFloodedFrames"),
    dropped: [
      at("rxDroppedBroadcastStorm"),
      at("rxDroppedMulticastStorm"),
      at("rxDroppedUnknownStorm"),
    ],
    told: [...new Set(told)],
  };
}

Deno.test("frames to many above a limit are dropped, counted by kind and told", () => {
  const kinds = [[-1, 0xffff], [0x005e0001, 0x0100], [0x00000052, 0x0100]] as const;
  for (const [kind, words] of kinds.entries()) {
    const limit = 10 * (kind + 1);
    const dropped = [0, 0, 0];
    dropped[kind] = 100 - limit;
    assert.deepEqual(send(3, words, 100), {
      ...{ flooded: limit, dropped, told: [...new Set([0, kind])] },
    });
    assert.deepEqual(send(2, words, 100), { flooded: 100, dropped: [0, 0, 0], told: [] });
  }
});
