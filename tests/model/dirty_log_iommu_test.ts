/**
 * The dirty log of guests behind an IOMMU: rings and buffers are known by I/O virtual addresses only,
 * and still every page that changed is logged where it is in guest memory.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { pollSource } from "../../lib/switch/datapath.ts";
import { DirtyLog } from "../../lib/virtio/memory/dirty_log.ts";
import { LOG_BY_PLACE } from "../../lib/virtio/ring.ts";
import { windowView } from "../../lib/virtio/memory/window.ts";
import { IommuGuest, makeIommuPath } from "./iommu_guest.ts";

const PAGE_WORDS = 1024;

/** A guest, its log, and its memory as it was before the device had its turn. */
class Logged {
  readonly guest: IommuGuest;
  readonly log: DirtyLog;
  readonly #ram: Int32Array;
  #before = new Int32Array();

  constructor(index: number, packed: boolean, mergeable: boolean) {
    this.guest = new IommuGuest(index, packed, 128, mergeable);
    const { port, rx, tx } = this.guest;
    const [region] = port.memory.regions;
    assert(region);
    const { windows } = region;
    const view = windowView[windows.window(0)];
    assert(view);
    this.#ram = new Int32Array(view.buffer);
    const bytes = this.#ram.length / PAGE_WORDS / 8;
    this.log = new DirtyLog(new ArrayBuffer(bytes), 0, bytes);
    port.log = this.log;
    port.logAll = true;
    for (const [number, { areas }] of [rx, tx].entries()) {
      const queue = port.vrings[number]?.queue;
      assert(queue);
      const [desc, , device] = areas;
      queue.descArea = { windows, mappingOffset: desc };
      queue.deviceArea = { windows, mappingOffset: device };
      queue.logGuestAddr = LOG_BY_PLACE;
    }
    port.refreshLogs();
  }

  look(): void {
    this.#before = this.#ram.slice();
    this.log.bytes.fill(0);
  }

  /** @returns how many pages the device has changed; all of them are logged */
  check(): number {
    let changed = 0;
    for (let word = 0; word < this.#ram.length; word++) {
      if (this.#ram[word] === this.#before[word]) continue;
      const page = Math.floor(word / PAGE_WORDS);
      word = (page + 1) * PAGE_WORDS - 1;
      changed++;
      const bits = this.log.bytes[Math.floor(page / 8)] ?? 0;
      assert((bits & (1 << (page % 8))) !== 0, `page ${page} changed and is not logged`);
    }
    return changed;
  }
}

function frameOf(bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes).map((_, i) => (i * 31) & 0xff);
  frame.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
  return frame;
}

const setting = fc.record({
  packed: fc.tuple(fc.boolean(), fc.boolean()),
  mergeable: fc.boolean(),
  indirect: fc.boolean(),
  rounds: fc.array(fc.array(fc.integer({ min: 60, max: 9000 }), { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 6,
  }),
});

Deno.test("behind an IOMMU every page that changes is logged, translations coming late", () => {
  fc.assert(
    fc.property(setting, ({ packed, mergeable, indirect, rounds }) => {
      const sender = new Logged(0, packed[0], mergeable);
      const receiver = new Logged(1, packed[1], mergeable);
      const both = [sender, receiver];
      const path = makeIommuPath(both.map(({ guest }) => guest));
      const transmit = sender.guest.port.vrings[1];
      assert(transmit);
      for (const sizes of rounds) {
        while (receiver.guest.offer(mergeable ? [1536] : [12, 9000], indirect));
        for (const bytes of sizes) assert(sender.guest.send(frameOf(bytes), [100], indirect));
        for (const one of both) one.look();
        do {
          pollSource(path, transmit);
          path.refresh();
        } while (both.map(({ guest }) => guest.answer(path)).includes(true));
        assert(sender.check() > 0 && receiver.check() > 0);
        assert.equal(sender.guest.reclaim(), sizes.length);
        assert.deepEqual(receiver.guest.receive(), sizes.map(frameOf));
      }
    }),
    { numRuns: 25 },
  );
});
