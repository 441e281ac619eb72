/**
 * The lean driver against a naive device, and the search for a rate.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { LeanPacked, type LeanRing, LeanSplit } from "../../../bench/lean/ring.ts";
import { confirmRate, searchRate } from "../../../bench/lean/search.ts";

const SIZE = 8;
const AREAS = [0, 0x100, 0x200] as const;
const BYTES = 77;

/** A device that gives back what it got, in order or not. */
interface Device {
  readonly ring: LeanRing;
  /** Buffers it may have and has not looked at. @returns ids */
  fetch(): number[];
  giveBack(ids: readonly number[]): void;
  /** Whether it wants kicks. */
  wantKicks(wanted: boolean): void;
}

/** virtio-v1.3 §2.7, without chains. */
function splitDevice(held: number): Device {
  const view = new DataView(new ArrayBuffer(0x400));
  view.setUint16(AREAS[1] + 2, held, true);
  const ring = new LeanSplit({ buffer: view.buffer, areas: AREAS, size: SIZE }, held);
  let [seen, used] = [0, 0];
  return {
    ring,
    fetch(): number[] {
      const ids: number[] = [];
      for (
        const end = view.getUint16(AREAS[1] + 2, true);
        seen !== end;
        seen = (seen + 1) & 0xffff
      ) {
        ids.push(view.getUint16(AREAS[1] + 4 + 2 * (seen % SIZE), true));
      }
      return ids;
    },
    giveBack(ids): void {
      for (const id of ids) view.setUint32(AREAS[2] + 4 + 8 * (used++ % SIZE), id, true);
      view.setUint16(AREAS[2] + 2, used, true);
    },
    wantKicks: (wanted) => view.setUint16(AREAS[2], wanted ? 0 : 1, true),
  };
}

/** virtio-v1.3 §2.8, without chains. */
function packedDevice(held: number): Device {
  const view = new DataView(new ArrayBuffer(0x400));
  const ring = new LeanPacked({ buffer: view.buffer, areas: AREAS, size: SIZE }, held, BYTES, true);
  for (let slot = 0; slot < held; slot++) {
    view.setUint16(16 * slot + 12, slot, true);
    view.setUint16(16 * slot + 14, 0x82, true);
    view.setUint32(16 * slot + 8, BYTES, true);
  }
  let [seen, seenWrap, used, usedWrap] = [0, 1, 0, 1];
  return {
    ring,
    fetch(): number[] {
      const ids: number[] = [];
      for (;;) {
        const flags = view.getUint16(16 * seen + 14, true);
        if (((flags >> 7) & 1) !== seenWrap || flags >> 15 === seenWrap) return ids;
        assert.equal(flags & 2, 2, "the device may write");
        assert.equal(view.getUint32(16 * seen + 8, true), BYTES);
        ids.push(view.getUint16(16 * seen + 12, true));
        if (++seen === SIZE) [seen, seenWrap] = [0, seenWrap ^ 1];
      }
    },
    giveBack(ids): void {
      for (const id of ids) {
        view.setUint32(16 * used + 8, 5, true);
        view.setUint16(16 * used + 12, id, true);
        view.setUint16(16 * used + 14, usedWrap === 1 ? 0x8082 : 0x0002, true);
        if (++used === SIZE) [used, usedWrap] = [0, usedWrap ^ 1];
      }
    },
    wantKicks: (wanted) => view.setUint16(AREAS[2] + 2, wanted ? 0 : 1, true),
  };
}

for (const [name, make] of [["split", splitDevice], ["packed", packedDevice]] as const) {
  Deno.test(`a lean ${name} ring gives and takes over many laps, past every wrap`, () => {
    for (const held of [0, SIZE]) {
      const { ring, fetch, giveBack } = make(held);
      assert.equal(ring.take(), 0);
      let [next, free] = [0, SIZE - held];
      const waiting = fetch();
      assert.equal(waiting.length, held);
      // 65536 is where a split ring's index starts over.
      let step = 1;
      for (let posted = 0; posted < 70_000; step = step % 5 + 1) {
        const count = Math.min(step, free);
        if (count > 0) {
          assert.equal(ring.next, (held + posted) % SIZE);
          ring.post(count);
        }
        posted += count;
        waiting.push(...fetch());
        free -= count;
        assert.equal(waiting.length, SIZE - free);
        const back = waiting.splice(0, Math.max(1, waiting.length - step));
        for (const id of back) assert.equal(id, next++ % SIZE);
        giveBack(back);
        assert.equal(ring.take(), back.length);
        free += back.length;
        assert.equal(ring.held, SIZE - free);
      }
      ring.check();
    }
  });

  Deno.test(`a lean ${name} ring kicks when the device wants it, and tells of disorder`, () => {
    const { ring, fetch, giveBack, wantKicks } = make(0);
    assert.equal(ring.post(1), true);
    wantKicks(false);
    assert.equal(ring.post(2), false);
    const [first = 0, second = 0, third = 0] = fetch();
    giveBack([first]);
    assert.equal(ring.take(), 1);
    ring.check();
    giveBack([third, second]);
    assert.equal(ring.take(), 2);
    assert.throws(() => ring.check(), /out of order/);
  });
}

/** A switch that loses a tenth of what exceeds its rate. */
function losing(above: number): { tried: number[]; trial: (pps: number) => Promise<number> } {
  const tried: number[] = [];
  return {
    tried,
    trial: (pps): Promise<number> => {
      tried.push(pps);
      return Promise.resolve(pps <= above ? 0 : 0.1 * (pps - above) / pps);
    },
  };
}

Deno.test("searchRate() finds the highest rate without a loss within the resolution", async () => {
  for (const above of [13, 500, 777, 999]) {
    const { trial, tried } = losing(above);
    const { pps } = await searchRate(trial, { ppsMax: 1000, lossMax: 0, resolution: 0.01 });
    assert(pps <= above && above - pps <= 10, `${above}: ${pps}`);
    assert(tried.length <= 8);
  }
});

Deno.test("searchRate() ends at the most it may try, and at nothing", async () => {
  const search = { ppsMax: 1000, lossMax: 0, resolution: 0.01 };
  const fast = losing(5000);
  assert.deepEqual((await searchRate(fast.trial, search)).pps, 1000);
  assert.deepEqual(fast.tried, [1000]);
  assert.equal((await searchRate(() => Promise.resolve(1), search)).pps, 0);
});

Deno.test("a second search with more loss allowed begins where the first one left off", async () => {
  const { trial, tried } = losing(600);
  const search = { ppsMax: 1000, resolution: 0.01 };
  const strict = await searchRate(trial, { ...search, lossMax: 0 });
  tried.length = 0;
  const known = strict.trials;
  const lax = await searchRate(trial, { ...search, lossMax: 0.01, known });
  assert(lax.pps > 650 && lax.pps < 670, `${lax.pps}`);
  assert(Math.min(...tried) > 600, "nothing that is known to pass is tried again");
  assert(Math.max(...tried) < 1000, "nor what is known to fail");
});

Deno.test("confirmRate() goes down until a longer trial passes, and gives up", async () => {
  const { trial, tried } = losing(880);
  assert.equal(Math.round(await confirmRate(trial, 1000, 0, { step: 0.05, tries: 6 })), 857);
  assert.equal(tried.length, 4);
  assert.equal(await confirmRate(trial, 1000, 0, { step: 0.01, tries: 2 }), 0);
  assert.equal(await confirmRate(trial, 0, 0, { step: 0.01, tries: 2 }), 0);
});
