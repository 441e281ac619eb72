/**
 * Real drivers' layouts, one against another of its kind, until their rings have gone round several
 * times: every frame arrives whole, and every chain comes back.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { Segment } from "../../lib/guest/driver.ts";
import { type Layout, LAYOUTS } from "./driver_layouts.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "./two_ports.ts";

const LAPS = 5;
/** With the header, these are shorter than, as long as and longer than most pieces. */
const FRAME_BYTES = [14, 60, 100, 590, 1514];

/** Offers what the driver would, in memory of its own or in the same again. */
class Buffers {
  readonly #bench: Bench;
  readonly #layout: Layout;
  readonly #chains: Segment[][] = [];
  #next = 0;

  constructor(bench: Bench, layout: Layout) {
    this.#bench = bench;
    this.#layout = layout;
    const { receive, receiveIndirect, pending, sharedHeader, size } = layout;
    const most = receiveIndirect ? size : Math.floor(size / receive.length);
    const shared = bench.ram.take(16);
    for (let i = 0; i < Math.min(most, pending ?? most); i++) {
      this.#chains.push(receive.map((bytes, piece) => ({
        address: sharedHeader && piece === 0 ? shared : bench.ram.take(bytes, 2),
        bytes,
      })));
    }
  }

  get count(): number {
    return this.#chains.length;
  }

  offer(count: number): void {
    for (let i = 0; i < count; i++) {
      const chain = this.#chains[this.#next++ % this.count] as Segment[];
      assert(this.#bench.offerAt(chain, this.#layout.receiveIndirect === true));
    }
  }
}

for (const layout of LAYOUTS) {
  Deno.test(`drivers: ${layout.driver}`, () => {
    for (const packed of layout.packed) {
      const { size, mergeable, eventIdx, headerBytes } = layout;
      // Split indices go past 65,535.
      const shape: Shape = { packed, size, mergeable, eventIdx, headerBytes, start: 65_530 };
      const sender = new Bench(0, shape, 0);
      const receiver = new Bench(1, shape, 2 ** 32);
      const path = makePath([sender, receiver]);
      const buffers = new Buffers(receiver, layout);
      buffers.offer(buffers.count);
      for (let sent = 0; sent < LAPS * size;) {
        const frames: Uint8Array[] = [];
        // One at a time, then as many as there are buffers.
        const most = sent < size ? 1 : buffers.count;
        while (frames.length < most) {
          const frame = frameOf(FRAME_BYTES[sent % FRAME_BYTES.length] as number, sent, true);
          if (!sender.send(frame, layout.cuts, layout.sendIndirect === true)) break;
          frames.push(frame);
          sent++;
        }
        assert(frames.length > 0);
        let taken = 0;
        while (taken < frames.length) taken += poll(path, sender);
        assert.deepEqual(receiver.received(), frames);
        assert.equal(sender.tx.takeUsed().length, frames.length);
        buffers.offer(frames.length);
      }
      assert.equal(sender.tx.free, size);
      assert.deepEqual([...sender.badChains, ...receiver.badChains], []);
    }
  });
}
