/**
 * Guests behind an IOMMU, translations coming late, in any order, and going at any time: every frame
 * arrives once, whole and in order, and nothing unmapped is read or written.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { PORT } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { askAgain } from "../../lib/switch/stalled/untranslated.ts";
import { IommuGuest, makeIommuPath } from "./iommu_guest.ts";

function frameOf(serial: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes).map((_, i) => (i * 31 + serial * 7) & 0xff);
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
  new DataView(frame.buffer).setUint16(14, serial);
  return frame;
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      bytes: fc.oneof(fc.integer({ min: 60, max: 200 }), fc.integer({ min: 60, max: 9000 })),
      pieces: fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 3 }),
      indirect: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("poll" as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("answer" as const), who: fc.nat(1), n: fc.nat(6) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("collect" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("invalidate" as const), who: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("table" as const), who: fc.nat(1) }) },
);

const setting = fc.record({
  packed: fc.tuple(fc.boolean(), fc.boolean()),
  mergeable: fc.boolean(),
  indirect: fc.boolean(),
  steps: fc.array(step, { minLength: 60, maxLength: 250, size: "max" }),
});
type Setting = Parameters<Parameters<typeof setting.chain>[0]>[0];

/** A sender and a receiver, and what has become of their frames. */
class Journey {
  readonly guests: readonly [IommuGuest, IommuGuest];
  readonly path: Datapath;
  readonly sent: Uint8Array[] = [];
  readonly got: Uint8Array[] = [];
  readonly #setting: Setting;

  constructor(setting: Setting) {
    this.#setting = setting;
    const [from, to] = setting.packed;
    const { mergeable } = setting;
    this.guests = [new IommuGuest(0, from, 64, mergeable), new IommuGuest(1, to, 128, mergeable)];
    this.path = makeIommuPath(this.guests, 4);
    this.offer();
  }

  offer(): void {
    const [, receiver] = this.guests;
    const { mergeable, indirect } = this.#setting;
    while (receiver.offer(mergeable ? [1536] : [12, 9000], indirect));
  }

  poll(): void {
    const vring = this.guests[0].port.vrings[1];
    assert(vring);
    pollSource(this.path, vring);
    this.path.refresh();
  }

  collect(): void {
    this.guests[0].reclaim();
    this.got.push(...this.guests[1].receive());
    this.offer();
  }

  take(one: Setting["steps"][number]): void {
    switch (one.kind) {
      case "send": {
        const frame = frameOf(this.sent.length, one.bytes);
        // So few that the receiver has always room for all that are on their way.
        const underWay = this.sent.length - this.got.length;
        if (underWay < 16 && this.guests[0].send(frame, one.pieces, one.indirect)) {
          this.sent.push(frame);
        }
        return;
      }
      case "poll":
        return this.poll();
      case "answer":
        for (let i = 0; i < one.n; i++) this.guests[one.who as 0 | 1].answer(this.path);
        return;
      case "collect":
        return this.collect();
      case "invalidate": {
        const { iotlb } = this.guests[one.who as 0 | 1];
        iotlb.invalidate(2 ** 30, 2 ** 64);
        return;
      }
      case "table":
        this.guests[one.who as 0 | 1].replaceMemory();
        return;
    }
  }

  /** Everything is answered from now on, as often as it is asked. */
  finish(): void {
    for (let round = 0; round < 1000 && this.got.length < this.sent.length; round++) {
      this.poll();
      for (const guest of this.guests) {
        while (guest.answer(this.path));
        // A table that was replaced took questions and answers with it: they are asked again.
        for (const waiting of guest.port.waiting.values()) waiting.pauseMs = 0;
        askAgain(this.path, guest.port);
      }
      this.collect();
    }
  }

  count(guest: 0 | 1, name: keyof typeof PORT): number {
    return this.path.counters[this.guests[guest].port.counterBase + PORT[name]] ?? 0;
  }
}

Deno.test("whatever comes and goes, every frame arrives once, whole and in order", () => {
  let frames = 0;
  let parked = 0;
  let misses = 0;
  fc.assert(
    fc.property(setting, (setting) => {
      const journey = new Journey(setting);
      for (const one of setting.steps) journey.take(one);
      journey.finish();
      assert.equal(journey.got.length, journey.sent.length);
      journey.got.forEach((frame, i) => assert.deepEqual(frame, journey.sent[i]));
      for (const guest of [0, 1] as const) {
        assert.equal(journey.count(guest, "txDroppedUntranslated"), 0);
        assert.equal(journey.count(guest, "txDroppedNoBuffer"), 0);
      }
      frames += journey.sent.length;
      parked += journey.count(1, "txParked");
      misses += journey.count(0, "iotlbMisses") + journey.count(1, "iotlbMisses");
    }),
    { numRuns: 120 },
  );
  console.log(`${frames} frames, ${parked} of them parked, ${misses} misses`);
  assert(parked > frames / 10 && misses > frames / 4, "the model meets misses");
});

Deno.test("a guest that migrates finds every page logged that the device has written", () => {
  let pages = 0;
  fc.assert(
    fc.property(setting, (setting) => {
      const journey = new Journey(setting);
      const [, receiver] = journey.guests;
      const log = receiver.startLog();
      const before = new Uint8Array(receiver.bytes.length);
      for (const one of setting.steps) {
        before.set(receiver.bytes);
        log.fill(0);
        journey.take(one);
        // What the guest does itself is not the device's to log.
        if (one.kind !== "poll" && one.kind !== "answer") continue;
        for (let page = 0; page * 4096 < before.length; page++) {
          const now = receiver.bytes.subarray(page * 4096, (page + 1) * 4096);
          const then = before.subarray(page * 4096, (page + 1) * 4096);
          if (Buffer.compare(now, then) === 0) continue;
          pages++;
          assert.notEqual((log[page >> 3] ?? 0) & 1 << (page & 7), 0, `page ${page} is logged`);
        }
      }
    }),
    { numRuns: 30 },
  );
  assert(pages > 100, `${pages} pages changed`);
});
