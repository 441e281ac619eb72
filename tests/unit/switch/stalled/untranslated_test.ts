/** Virtqueues that wait for a translation which comes late, wrong or never; and who does not wait. */
import { makeDatapath } from "../../../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { PORT } from "../../../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../../../lib/switch/datapath.ts";
import { PARK_BYTES_MAX, PARK_FRAMES_MAX } from "../../../../lib/switch/stalled/park.ts";
import type { Vring } from "../../../../lib/switch/ports/vring.ts";
import {
  askAgain,
  forgetWaiting,
  holdVring,
  PARKED_MS_MAX,
  releaseVring,
} from "../../../../lib/switch/stalled/untranslated.ts";
import { IOTLB_READ, IOTLB_WRITE } from "../../../../lib/virtio/memory/iotlb.ts";
import {
  RING_ACCESS,
  RING_BAD_ADDRESS,
  RING_OK,
  RING_UNTRANSLATED,
} from "../../../../lib/virtio/ring.ts";
import { SplitQueue } from "../../../../lib/virtio/split/queue.ts";
import { GUEST_WINDOWS_MAX, WINDOWS_MAX, WindowSet } from "../../../../lib/virtio/memory/window.ts";
import { IommuGuest } from "../../../model/iommu_guest.ts";

const PAGE = 4096;

/** A sender whose front-end answers, and two receivers. */
class Net {
  readonly sender = new IommuGuest(0, false, 64, true);
  readonly waiter: IommuGuest;
  readonly other = new IommuGuest(2, false, 64, true);
  readonly path: Datapath;
  /** Questions and failures in the order they came, as texts. */
  readonly events: string[] = [];
  /** Questions that were asked before. */
  repeated = 0;
  /** No room for news. */
  deaf = false;
  #serial = 0;

  constructor(packed = false) {
    this.waiter = new IommuGuest(1, packed, 64, true);
    const guests = [this.sender, this.waiter, this.other];
    this.path = makeDatapath(guests.map(({ port }) => port), {
      portsMax: 4,
      host: {
        ringBroken: ({ port, number }) => void this.events.push(`broken ${port.index}/${number}`),
        untranslated: ({ port }, page, permission, again) => {
          if (this.deaf) return false;
          if (again) this.repeated++;
          guests[port.index]?.questions.push({ page, permission });
          return true;
        },
        accessFailed: ({ port, number }) => void this.events.push(`denied ${port.index}/${number}`),
      },
    });
    for (const [guest, mac] of [[this.waiter, 0x21], [this.other, 0x22]] as const) {
      while (guest.offer([1536], false));
      this.path.fdb.learn(2, mac << 8, guest.port.index, 0);
    }
  }

  vring(guest: IommuGuest, number: number): Vring {
    const vring = guest.port.vrings[number];
    assert(vring);
    return vring;
  }

  /** Sends a frame to one of the receivers; the sender's front-end answers at once. */
  send(to: "waiter" | "other", bytes = 60): Uint8Array {
    const frame = new Uint8Array(bytes).fill(this.#serial++ & 0xff);
    frame.set([2, 0, 0, 0, 0, to === "waiter" ? 0x21 : 0x22, 2, 0, 0, 0, 0, 1]);
    assert(this.sender.send(frame, [], false));
    do {
      pollSource(this.path, this.vring(this.sender, 1));
      this.path.refresh();
    } while (this.sender.answer(this.path));
    assert.equal(this.sender.reclaim(), 1, "the sender has its buffer back");
    return frame;
  }

  count(guest: IommuGuest, name: keyof typeof PORT): number {
    return this.path.counters[guest.port.counterBase + PORT[name]] ?? Number.NaN;
  }
}

for (const packed of [false, true]) {
  const kind = packed ? "packed" : "split";
  Deno.test(`${kind}: an answer that never comes costs that port's frames, and nobody else's`, () => {
    const net = new Net(packed);
    const { waiter, other } = net;
    const frames = PARK_FRAMES_MAX + 300;
    for (let i = 0; i < frames; i++) {
      net.send("waiter");
      const wanted = net.send("other");
      while (other.answer(net.path));
      assert.deepEqual(other.receive(), [wanted]);
      other.offer([1536], false);
    }
    assert.equal(net.count(waiter, "txParked"), PARK_FRAMES_MAX);
    assert.equal(net.count(waiter, "txDroppedUntranslated"), frames - PARK_FRAMES_MAX);
    assert.equal(net.count(other, "txFrames"), frames);
    assert.deepEqual(net.events, []);
    const asked = waiter.questions.map(({ page }) => page);
    assert.equal(new Set(asked).size, asked.length, "no page is asked for twice");
    assert(asked.length >= 4, "what comes next is asked for together");
    assert(asked.length <= 64, "and no more than will be needed soon");
    while (waiter.answer(net.path));
    assert.equal(net.count(waiter, "txFrames") + net.count(waiter, "txDroppedNoBuffer"), 512);
    assert(waiter.receive().length >= 64, "what was parked is delivered after all");
  });
}

Deno.test("a park holds a bounded number of bytes, and every size of frame as it was", () => {
  const net = new Net();
  const { waiter } = net;
  const sizes = [60, 1514, 61, 77, 1000, 14 + 46, 1518, 64, 65, 9000, 16, 17, 15, 14];
  const sent = sizes.map((bytes) => net.send("waiter", bytes));
  while (waiter.answer(net.path));
  assert.deepEqual(waiter.receive(), sent);
  // Round and round through the same memory.
  for (let round = 0; round < 40; round++) {
    while (waiter.offer([1536], false));
    const frames = [9000, 1514, 5000, 60].map((bytes) => net.send("waiter", bytes));
    while (waiter.answer(net.path));
    assert.deepEqual(waiter.receive(), frames);
  }
  const before = net.count(waiter, "txParked");
  const delivered = net.count(waiter, "txFrames");
  while (waiter.offer([1536], false));
  for (let i = 0; i < 200; i++) net.send("waiter", 9000);
  const parked = net.count(waiter, "txParked") - before;
  assert(parked * 9000 <= PARK_BYTES_MAX && parked * 9000 > 0.9 * PARK_BYTES_MAX);
  // The first ones may have found a buffer that is translated already.
  const at = net.count(waiter, "txFrames") - delivered;
  assert.equal(net.count(waiter, "txDroppedUntranslated"), 200 - parked - at);
});

/** Runs with a clock that is `ms` ahead. */
function later(ms: number, run: () => void): void {
  const real = performance.now;
  performance.now = () => real.call(performance) + ms;
  try {
    run();
  } finally {
    performance.now = real;
  }
}

Deno.test("frames wait for a second, questions are repeated, and the queue goes on later", () => {
  const net = new Net();
  const { waiter, path } = net;
  net.send("waiter");
  const asked = waiter.questions.splice(0);
  assert.equal(askAgain(path, waiter.port), 1);
  assert.equal(waiter.questions.length, 0, "it is too early to ask again");
  assert.equal(net.repeated, 0);
  later(PARKED_MS_MAX / 2, () => assert.equal(askAgain(path, waiter.port), 1));
  assert.deepEqual(waiter.questions.splice(0), asked.slice(0, 1), "only what is waited for");
  assert.equal(net.repeated, 1);
  assert.equal(net.count(waiter, "txDroppedUntranslated"), 0);
  later(PARKED_MS_MAX, () => assert.equal(askAgain(path, waiter.port), 1));
  assert.equal(net.count(waiter, "txDroppedUntranslated"), 1);
  later(10 * PARKED_MS_MAX, () => askAgain(path, waiter.port));
  assert.deepEqual(waiter.questions.splice(0).at(-1), asked[0]);
  assert.equal(net.vring(waiter, 0).queue.broken, RING_UNTRANSLATED);
  waiter.questions.push(...asked);
  while (waiter.answer(path));
  assert.equal(askAgain(path, waiter.port), 0, "nobody waits any more");
  const frame = net.send("waiter");
  while (waiter.answer(path));
  assert.deepEqual(waiter.receive(), [frame]);
});

Deno.test("a question that found no room is asked as soon as there is some", () => {
  const net = new Net();
  const { waiter, path } = net;
  net.deaf = true;
  const frame = new Uint8Array(60).fill(7);
  frame.set([2, 0, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 1]);
  waiter.send(frame, [], false);
  pollSource(path, net.vring(waiter, 1));
  assert.equal(waiter.questions.length, 0);
  net.deaf = false;
  later(1000, () => askAgain(path, waiter.port));
  assert.equal(waiter.questions.length, 1);
  assert(waiter.answer(path));
  assert.equal(pollSource(path, net.vring(waiter, 1)), 1);
});

Deno.test("a permission that is refused three times breaks the ring, which the front-end is told", () => {
  const net = new Net();
  const { waiter, path, events } = net;
  net.send("waiter");
  const { page = 0 } = waiter.questions[0] ?? {};
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(events, []);
    assert.equal(net.vring(waiter, 0).queue.broken, RING_UNTRANSLATED);
    waiter.translate(path, page, 2 << 20, IOTLB_READ);
  }
  assert.deepEqual(events, ["denied 1/0", "broken 1/0"]);
  assert.equal(net.vring(waiter, 0).queue.broken, RING_ACCESS);
  assert.equal(net.count(waiter, "txDroppedUntranslated"), 1);
  net.send("waiter");
  assert.equal(net.count(waiter, "txDroppedLinkDown"), 1, "it takes no frames any more");
  waiter.translate(path, page, 2 << 20, IOTLB_READ | IOTLB_WRITE);
  assert.equal(net.vring(waiter, 0).queue.broken, RING_ACCESS, "nor does it come back by itself");
});

Deno.test("a ring that is held is not touched, and goes on where it was", () => {
  const net = new Net();
  const { waiter, other, path } = net;
  net.send("waiter");
  while (waiter.answer(path));
  assert.equal(waiter.receive().length, 1);
  const vring = net.vring(waiter, 0);
  const position = vring.queue.position();
  holdVring(vring);
  path.refresh();
  const sent = [net.send("waiter"), net.send("waiter")];
  while (waiter.answer(path));
  assert.deepEqual(vring.queue.position(), position);
  assert.equal(askAgain(path, waiter.port), 1, "the data plane waits, and has nothing to ask");
  assert.equal(waiter.questions.length, 0);
  releaseVring(path, vring);
  path.refresh();
  while (waiter.answer(path));
  assert.deepEqual(waiter.receive(), sent);
  // Held while it waits for a buffer: both must be over.
  waiter.iotlb.invalidate(2 ** 30, 2 ** 40);
  const last = net.send("waiter");
  holdVring(vring);
  while (waiter.answer(path));
  assert.equal(vring.queue.broken, RING_UNTRANSLATED);
  releaseVring(path, vring);
  while (waiter.answer(path));
  assert.deepEqual(waiter.receive(), [last]);
  assert.equal(net.count(other, "txFrames"), 0);
});

for (const what of ["ring", "port"]) {
  Deno.test(`a ${what} that is taken out of service while frames wait for it drops them`, () => {
    const net = new Net();
    const { waiter, path } = net;
    net.send("waiter");
    if (what === "ring") net.vring(waiter, 0).queue.enabled = false;
    else waiter.port.adminUp = false;
    path.refresh();
    while (waiter.answer(path));
    assert.deepEqual(waiter.receive(), []);
    assert.equal(net.count(waiter, "txDroppedUntranslated"), 1);
    assert.equal(net.vring(waiter, 0).queue.broken, RING_OK);
  });
}

Deno.test("a ring is stopped and started with frames waiting, more often than there are windows", () => {
  const net = new Net();
  const { waiter, path } = net;
  const vring = net.vring(waiter, 0);
  // Other rings have nearly all of them.
  const taken = WINDOWS_MAX - GUEST_WINDOWS_MAX - 101;
  const others = Array.from({ length: taken }, () => WindowSet.over(new ArrayBuffer(0)));
  try {
    for (let i = 0; i < 200; i++) {
      holdVring(vring);
      net.send("waiter");
      forgetWaiting(path, vring);
      vring.queue.broken = RING_OK;
      path.refresh();
    }
  } finally {
    for (const other of others) other.release();
  }
  assert.equal(net.count(waiter, "txDroppedUntranslated"), 200);
});

Deno.test("an address that no IOMMU has is a fault, also beside one that only waits", () => {
  const net = new Net();
  const { waiter, path, events } = net;
  // The receive queue waits; the transmit queue names an address of 2^53.
  net.send("waiter");
  const queue = net.vring(waiter, 1).queue;
  const frame = new Uint8Array(60);
  assert(waiter.send(frame, [], false));
  assert(queue instanceof SplitQueue);
  queue.desc[1] = 1 << 22;
  pollSource(path, net.vring(waiter, 1));
  assert.deepEqual(events, ["broken 1/1"]);
  assert.equal(queue.broken, RING_BAD_ADDRESS);
  assert.equal(net.vring(waiter, 0).queue.broken, RING_UNTRANSLATED);
  pollSource(path, net.vring(waiter, 1));
  assert.deepEqual(events, ["broken 1/1"], "once");
});

Deno.test("the IOTLB's answers are checked: outside of all memory there is nothing", () => {
  const { iotlb } = new Net().waiter;
  assert.equal(iotlb.update(0, PAGE, 2 ** 40, IOTLB_READ), false);
  assert.equal(iotlb.update(0, PAGE, (4 << 20) - 1, IOTLB_READ), false);
  assert.equal(iotlb.update(0, PAGE, -1, IOTLB_READ), false);
  assert.equal(iotlb.update(0, 4 << 20, 0, IOTLB_READ), true);
});
