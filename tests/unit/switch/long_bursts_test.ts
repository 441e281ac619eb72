/** A visit takes no more bytes than one of common frames has, whatever frames a driver sends. */
import { strict as assert } from "node:assert";
import {
  allowPlainBursts,
  BURST_BYTES_MAX,
  BURST_FRAMES,
  CHAIN_BYTES_MAX,
  FRAME_BYTES_MAX,
  isPlainBurst,
} from "../../../lib/virtio/burst.ts";
import { Bench, frameOf, makePath, poll } from "../../model/two_ports.ts";

const HEADER = new Uint8Array(10);

for (const packed of [false, true]) {
  for (const plain of [false, true]) {
    for (const csum of [false, true]) {
      const word = `${packed ? "packed" : "split"}, ${plain ? "plain" : "general"}`;
      Deno.test(`long frames end a visit: ${word}, ${csum ? "with" : "without"} offloads`, () => {
        const shape = { packed, size: 256, mergeable: true, eventIdx: false, start: 0 };
        const [a, b] = [0, 1].map((index) =>
          new Bench(index, { ...shape, offloads: { csum } }, 0, 12 << 20)
        );
        assert(a && b);
        const path = makePath([a, b]);
        const long = frameOf(FRAME_BYTES_MAX, 1, false);
        const common = frameOf(1514, 2, false);
        allowPlainBursts(plain);
        try {
          // What was translated once is plain.
          assert(a.send(common, [], false, HEADER));
          assert.equal(poll(path, a), 1);
          a.tx.takeUsed();
          for (let i = 0; i < 32; i++) assert(a.send(long, [], false, HEADER));
          for (let i = 0; i < BURST_FRAMES; i++) assert(a.send(common, [], false, HEADER));
          const most = Math.ceil(BURST_BYTES_MAX / CHAIN_BYTES_MAX);
          assert.equal(poll(path, a), most);
          assert.equal(isPlainBurst(), plain);
          let all = most;
          for (let count = poll(path, a); count > 0; count = poll(path, a)) all += count;
          assert.equal(all, 32 + BURST_FRAMES);
          a.tx.takeUsed();
          for (let i = 0; i < BURST_FRAMES; i++) assert(a.send(common, [], false, HEADER));
          assert.equal(poll(path, a), BURST_FRAMES, "common frames fill their burst");
        } finally {
          allowPlainBursts(true);
        }
      });
    }
  }
}
