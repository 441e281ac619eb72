/** In-band calls: none is lost, and one driver's do not crowd the others' events out. */
import { strict as assert } from "node:assert";
import { VhostPort } from "../../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../../lib/switch/ports/vring.ts";
import { makeVirtqueue } from "../../../lib/virtio/virtqueue.ts";
import { createEvents, EVENT, EventReader, EventWriter } from "../../../lib/worker/events.ts";
import { InBandCalls } from "../../../lib/worker/in_band_calls.ts";
import { IN_BAND } from "../../../lib/worker/wire.ts";

const AREA = { buffer: new ArrayBuffer(8192), offset: 0 };

/** A virtqueue in service on a port of its own. */
function vring(port: number): Vring {
  const shape = {
    ...{ size: 8, eventIdx: false, indirect: false, mergeable: false, headerBytes: 12 },
    ...{ desc: AREA, driver: AREA, device: AREA },
  };
  const position = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
  const queue = makeVirtqueue(false, shape, position);
  const made = new Vring(new VhostPort(port, 0, 2), 0, queue, 0, IN_BAND);
  made.callFd = IN_BAND;
  made.port.vrings[0] = made;
  return made;
}

class Bench {
  readonly #memory = createEvents();
  readonly writer = new EventWriter(this.#memory, () => {});
  readonly reader = new EventReader(this.#memory);
  readonly calls = new InBandCalls(this.writer);

  /** Ports of the calls that are there. */
  taken(): number[] {
    return this.reader.take().filter(({ kind }) => kind === EVENT.call).map(({ port }) => port);
  }

  fill(): void {
    while (this.writer.write(EVENT.miss, 9, 0, 0));
  }
}

Deno.test("a call that is still to be read stands for those after it, read it does not", () => {
  const b = new Bench();
  const [one, two] = [vring(1), vring(2)];
  for (let i = 0; i < 100_000; i++) b.calls.call(one);
  b.calls.call(two);
  assert.deepEqual(b.taken(), [1, 2]);
  b.calls.call(one);
  assert.deepEqual(b.taken(), [1]);
  assert.deepEqual(b.taken(), []);
});

Deno.test("a call that finds no room is tried again until there is some", () => {
  const b = new Bench();
  const [one, two] = [vring(1), vring(2)];
  b.fill();
  for (let i = 0; i < 3; i++) b.calls.call(one);
  b.calls.call(two);
  assert.equal(b.calls.waiting, true);
  b.calls.retry();
  assert.equal(b.calls.waiting, true);
  assert.deepEqual(b.taken(), []);
  b.calls.retry();
  assert.equal(b.calls.waiting, false);
  assert.deepEqual(b.taken(), [1, 2]);
});

Deno.test("a virtqueue that stopped, or whose calls go elsewhere, is not called any more", () => {
  const b = new Bench();
  const [stopped, other] = [vring(1), vring(2)];
  b.fill();
  b.calls.call(stopped);
  b.calls.call(other);
  stopped.port.vrings[0] = null;
  other.callFd = -1;
  b.reader.take();
  b.calls.retry();
  assert.deepEqual([b.taken(), b.calls.waiting], [[], false]);
});
