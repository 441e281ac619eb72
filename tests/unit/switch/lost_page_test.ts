/** Senders whose memory the kernel does not find when it is to copy out of it. */
import { strict as assert } from "node:assert";
import type { Sink } from "../../../lib/switch/ports/port.ts";
import type { Vring } from "../../../lib/switch/ports/vring.ts";
import { RING_BAD_PAGE } from "../../../lib/virtio/ring.ts";
import { makeDatapath } from "../../harness/datapath.ts";
import { ScriptPort } from "../../harness/script_port.ts";
import { Bench, frameOf, poll } from "../../model/two_ports.ts";

for (const packed of [false, true]) {
  Deno.test(`a ring breaks once when a page of its frames is lost: ${packed ? "packed" : "split"}`, () => {
    const shape = { packed, size: 16, mergeable: true, eventIdx: false, start: 0 };
    const [liar, other] = [new Bench(0, shape, 0), new Bench(1, shape, 0)];
    const broken: Vring[] = [];
    // An uplink that finds no page where the frames of one port are.
    const uplink = new ScriptPort(2);
    const path = makeDatapath([liar.port, other.port, uplink], {
      host: { ringBroken: (vring) => broken.push(vring) },
    });
    let taken = 0;
    const deliver: Sink["deliver"] = ({ sender }, _list, _start, count) => {
      taken += count;
      if (sender?.port === liar.port) { for (let i = 0; i < count; i++) sender.losePage?.(); }
    };
    uplink.deliver = deliver;
    for (const bench of [liar, other]) {
      for (let i = 0; i < 3; i++) assert(bench.send(frameOf(100, i, false), [], false));
      assert.equal(poll(path, bench), 3);
      assert.equal(bench.tx.takeUsed().length, 3, "buffers go back");
      assert(bench.send(frameOf(100, 9, false), [], false));
    }
    assert.deepEqual(broken, [liar.port.vrings[1]]);
    assert.equal(liar.port.vrings[1]?.queue.broken, RING_BAD_PAGE);
    path.refresh();
    assert(!path.sources.includes(liar.port.vrings[1] as Vring), "it is served no more");
    assert.equal(poll(path, liar), 0);
    assert.equal(poll(path, other), 1);
    assert(taken >= 7);
    uplink.release();
  });
}
