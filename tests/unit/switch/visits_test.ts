/** What is counted of visits to queues: how many frames each took, and which way they went. */
import { strict as assert } from "node:assert";
import { portBase, WORKER, WORKER_BASE } from "../../../lib/switch/counters.ts";
import { pollSource } from "../../../lib/switch/datapath.ts";
import { NullPort } from "../../../lib/switch/ports/null_port.ts";
import type { Source } from "../../../lib/switch/ports/port.ts";
import { beginBurst, beginPlainBurst, BURST_FRAMES } from "../../../lib/virtio/burst.ts";
import { makeDatapath } from "../../harness/datapath.ts";

Deno.test("pollSource counts each visit in the row of its size, and its frames by their way", () => {
  const port = new NullPort(0, portBase(0, 2));
  const path = makeDatapath([port]);
  const next = { count: 0, plain: true };
  const source: Source = {
    ...{ port, polled: false, setKicks: () => false, finish: beginBurst },
    // Frames are not opened: what they are does not matter here.
    enabled: false,
    take: () => {
      if (next.plain) beginPlainBurst();
      else beginBurst();
      return next.count;
    },
  };
  const get = (name: keyof typeof WORKER): number =>
    path.counters[WORKER_BASE + WORKER[name]] ?? NaN;
  pollSource(path, source);
  assert.equal(get("bursts"), 0, "a visit in vain is none");
  const rows = [1, 2, 4, 8, 16, 32, 64, 128] as const;
  for (let count = 1; count <= BURST_FRAMES; count++) {
    const row = rows.findLast((least) => least <= count);
    assert(row !== undefined);
    for (const plain of [true, false]) {
      Object.assign(next, { count, plain });
      const way = plain ? "plainFrames" : "generalFrames";
      const look = (): number[] => [get(`bursts${row}`), get(way), get("frames"), get("bursts")];
      const before = look();
      pollSource(path, source);
      const grown = look().map((value, i) => value - (before[i] ?? NaN));
      assert.deepEqual(grown, [1, count, count, 1]);
    }
  }
  const sum = rows.reduce((all, row) => all + get(`bursts${row}`), 0);
  assert.equal(sum, get("bursts"));
  assert.equal(get("plainFrames") + get("generalFrames"), get("frames"));
});
