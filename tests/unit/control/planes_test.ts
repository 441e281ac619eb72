/** Several data planes behind one switch: what is told to which, and what is shown of all. */
import { strict as assert } from "node:assert";
import { Planes } from "../../../lib/control/planes.ts";
import { LINK_WAITING, NOT_LINKED } from "../../../lib/switch/ports/port.ts";
import type { DataPlaneThread } from "../../../lib/worker/supervisor.ts";
import { FakePlane } from "./fake_plane.ts";

/** A data plane of which only what the switch sums and ends is made up. */
class Thread extends FakePlane {
  ended = 0;
  stallUs = 0;
  readonly arena = { address: 2 ** 40, sizeBytes: 2 ** 33 };
  readonly fdb: Pick<DataPlaneThread["fdb"], "counters" | "isFlapping">;

  constructor(entries: number, flapping: boolean) {
    super();
    this.fdb = { counters: () => ({ entries, moved: 1 }), isFlapping: () => flapping };
  }

  workerCounters(): Record<string, number> {
    return { frames: 10, longestStallUs: this.stallUs };
  }

  shutdown(): void {
    this.ended++;
  }
}

function planesOf(...threads: Thread[]): Planes {
  return new Planes(threads as unknown as DataPlaneThread[]);
}

const MAC = { low: 2, high: 0 };

Deno.test("Planes shows all of them as one, and ends all", () => {
  const threads = [new Thread(3, false), new Thread(4, true)] as const;
  const planes = planesOf(...threads);
  threads[0].stallUs = 7;
  assert.deepEqual(planes.fdbCounters(), { entries: 7, moved: 2 });
  assert.deepEqual(planes.workerCounters(), { frames: 20, longestStallUs: 7 });
  assert.equal(planes.isFlapping(MAC), true);
  assert.equal(planesOf(threads[0]).isFlapping(MAC), false);
  planes.shutdown();
  assert.deepEqual(threads.map(({ ended }) => ended), [1, 1]);
  assert.throws(() => planesOf(), /A switch has a data plane/);
});

Deno.test("Planes links ports that one plane serves, and maps memory for each apart", () => {
  const threads = [new Thread(0, false), new Thread(0, false)] as const;
  const planes = planesOf(...threads);
  const plane = planes.forNewPort();
  const [here, there] = [threads[0].addPort(), threads[0].addPort()];
  const port = { plane, number: here };
  planes.link(port, { plane, number: there });
  assert.equal(threads[0].links.get(here), there);
  planes.link(port, null);
  assert.equal(threads[0].links.get(here), LINK_WAITING);
  planes.unlink(port);
  assert.equal(threads[0].links.get(here), NOT_LINKED);
  const [, other] = planes.all;
  assert.notEqual(other?.pool, plane.pool);
  const elsewhere = other && { plane: other, number: threads[1].addPort() };
  assert.throws(() => planes.link(port, elsewhere ?? null), /served by one plane/);
  assert.equal(threads[1].links.size, 0);
});
