/** Inflight regions that another back-end, or a front-end that means no good, has written. */
import { strict as assert } from "node:assert";
import { GuestRam, type RingDriver } from "../../../../lib/guest/driver.ts";
import { PackedDriver } from "../../../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../../../lib/guest/driver_split.ts";
import { frameId } from "../../../../lib/virtio/burst.ts";
import { inflightBytes } from "../../../../lib/virtio/inflight/region.ts";
import {
  initRegion,
  isFault,
  type RecoveredVring,
  recoverPacked,
  recoverSplit,
  type RegionFault,
} from "../../../../lib/virtio/inflight/recovery.ts";
import { GuestMemory } from "../../../../lib/virtio/memory/guest_memory.ts";
import { RING_BAD_AVAIL } from "../../../../lib/virtio/ring.ts";
import { makeVirtqueue, type Virtqueue } from "../../../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../../../lib/virtio/memory/window.ts";

const SIZE = 8;
const RAM_BYTES = 1 << 16;
const NEW = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };

/** A ring in memory, with chains of one buffer each. */
class Subject implements Disposable {
  readonly ram: GuestRam;
  readonly driver: RingDriver;
  readonly memory: GuestMemory;
  readonly region: DataView;
  readonly packed: boolean;
  readonly #windows: WindowSet;

  constructor(packed: boolean) {
    this.packed = packed;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.ram = new GuestRam(buffer, 0);
    const features = { eventIdx: false, indirect: false };
    this.driver = packed
      ? new PackedDriver(this.ram, SIZE, features)
      : new SplitDriver(this.ram, SIZE, features);
    this.#windows = WindowSet.over(buffer);
    this.memory = new GuestMemory([
      { guestAddr: 0, sizeBytes: RAM_BYTES, windows: this.#windows, mappingOffset: 0 },
    ]);
    this.region = new DataView(new ArrayBuffer(inflightBytes(packed, SIZE)));
  }

  area(index: 0 | 1 | 2): DataView {
    return new DataView(this.ram.view.buffer, this.ram.at(this.driver.areas[index]));
  }

  /** Makes chains available. @returns their ids */
  send(count: number): number[] {
    const ids = Array.from({ length: count }, () => {
      const segment = { address: this.ram.take(64, 16), bytes: 64 };
      return this.driver.add([segment], false);
    });
    this.driver.publish();
    return ids;
  }

  recover(): RecoveredVring | RegionFault | null {
    return this.packed
      ? recoverPacked(this.region, this.area(0), SIZE, SIZE)
      : recoverSplit(this.region, this.area(1), this.area(2), SIZE, SIZE);
  }

  /** A device that goes on from there. */
  device({ position, counter, listed }: RecoveredVring): Virtqueue {
    const area = (index: 0 | 1 | 2): { buffer: ArrayBuffer; offset: number } => ({
      buffer: this.ram.view.buffer as ArrayBuffer,
      offset: this.area(index).byteOffset,
    });
    const shape = {
      ...{ size: SIZE, eventIdx: false, indirect: false, mergeable: true, headerBytes: 12 },
      ...{ desc: area(0), driver: area(1), device: area(2) },
    };
    const queue = makeVirtqueue(this.packed, shape, position);
    const region = { buffer: this.region.buffer as ArrayBuffer, offset: 0 };
    queue.keepInflight(region, SIZE, counter, listed);
    return queue;
  }

  /** Takes and gives back at most `most` chains. @returns their ids in order */
  visit(queue: Virtqueue, most: number): number[] {
    const count = queue.take(this.memory, most);
    const ids = Array.from(frameId.subarray(0, count));
    queue.finish(count);
    return ids;
  }

  [Symbol.dispose](): void {
    this.#windows.release();
  }
}

function found(result: RecoveredVring | RegionFault | null): RecoveredVring {
  assert(result !== null && !isFault(result), JSON.stringify(result));
  return result;
}

function faultOf(result: RecoveredVring | RegionFault | null): string {
  assert(isFault(result), "a fault was found");
  return result.fault;
}

Deno.test("regions lie where QEMU's and DPDK's back-ends have them", () => {
  assert.equal(inflightBytes(false, 256), 4160);
  assert.equal(inflightBytes(true, 256), 8256);
  assert.equal(inflightBytes(false, 1), 64);
  assert.equal(inflightBytes(true, 3), 128);
});

/** Writes a split region that says chains were taken, in this order. */
function markSplit(region: DataView, heads: readonly number[], usedIndex = 0): void {
  initRegion(region, false, SIZE, { ...NEW, usedIndex });
  heads.forEach((head, i) => {
    region.setUint8(16 + 16 * head, 1);
    region.setBigUint64(24 + 16 * head, BigInt(100 + i), true);
  });
}

Deno.test("split chains that were taken in another order are served in that order, then the rest", () => {
  using subject = new Subject(false);
  const ids = subject.send(6);
  const [a, b, c, d, e, f] = ids as [number, number, number, number, number, number];
  // The back-end before had taken four and given one back, the second.
  const used = subject.area(2);
  used.setUint32(4, b, true);
  used.setUint16(2, 1, true);
  markSplit(subject.region, [a, d, c], 1);
  const recovered = found(subject.recover());
  assert.deepEqual(recovered, {
    position: { availIndex: 1, availWrap: 1, usedIndex: 1, usedWrap: 1 },
    ...{ counter: 103, held: 3, listed: true },
  });
  const queue = subject.device(recovered);
  assert.deepEqual(subject.visit(queue, 2), [a, d]);
  // Once more from what is left, as if we had died as well.
  const again = subject.device(found(subject.recover()));
  assert.deepEqual(subject.visit(again, 8), [c, e, f]);
  assert.equal(subject.driver.takeUsed().length, 6);
  const more = subject.send(8);
  assert.deepEqual(subject.visit(again, 8), more);
  assert.equal(subject.driver.takeUsed().length, 8);
});

Deno.test("a driver that takes back what it made available while others are served again breaks its ring", () => {
  using subject = new Subject(false);
  const [a, , c, d] = subject.send(6) as [number, number, number, number];
  markSplit(subject.region, [a, d, c]);
  const queue = subject.device(found(subject.recover()));
  assert.deepEqual(subject.visit(queue, 1), [a]);
  subject.area(1).setUint16(2, 2, true);
  assert.deepEqual(subject.visit(queue, 1), []);
  assert.equal(queue.broken, RING_BAD_AVAIL);
});

Deno.test("the split batch under way counts as given back once the used index shows it", () => {
  using subject = new Subject(false);
  const [a, b, c] = subject.send(3) as [number, number, number];
  markSplit(subject.region, [a, b, c]);
  // a and b: linked, published, marks not cleared.
  subject.region.setUint16(16 + 16 * b + 6, a, true);
  subject.region.setUint16(12, b, true);
  const used = subject.area(2);
  used.setUint32(4, a, true);
  used.setUint32(12, b, true);
  used.setUint16(2, 2, true);
  const queue = subject.device(found(subject.recover()));
  assert.deepEqual(subject.visit(queue, 8), [c]);
  assert.equal(subject.driver.takeUsed().length, 3);
});

Deno.test("packed chains of another back-end are written back in the order they were taken", () => {
  using subject = new Subject(true);
  const ids = subject.send(5);
  const ring = subject.area(0);
  const { region } = subject;
  initRegion(region, true, SIZE, NEW);
  // Taken into entries 6, 2, 4 and 0, in this order of counters: 4, 6, 2, 0.
  const entries = [6, 2, 4, 0];
  entries.forEach((entry, i) => {
    const at = 32 + 32 * entry;
    region.setUint8(at, 1);
    region.setUint16(at + 4, entry, true);
    region.setUint16(at + 6, 1, true);
    region.setBigUint64(at + 8, [8n, 9n, 7n, 10n][i] as bigint, true);
    region.setUint16(at + 16, ring.getUint16(16 * i + 12, true), true);
    region.setUint16(at + 18, ring.getUint16(16 * i + 14, true), true);
    region.setUint32(at + 20, ring.getUint32(16 * i + 8, true), true);
    region.setBigUint64(at + 24, ring.getBigUint64(16 * i, true), true);
  });
  // The second was given back in slot 0, so slot 1 is where the next one goes.
  region.setUint8(32 + 32 * 2, 0);
  [3, 5, 7, 2, 1].forEach((entry, i, list) =>
    region.setUint16(34 + 32 * entry, list[i + 1] ?? SIZE, true)
  );
  region.setUint32(12, 3 | (3 << 16), true);
  region.setBigUint64(16, 0x0101_0001_0001n, true);
  ring.setUint16(12, ids[1] as number, true);
  ring.setUint32(8, 0, true);
  ring.setUint16(14, 0x8080, true);
  assert.equal(subject.driver.takeUsed()[0]?.id, ids[1]);

  const recovered = found(subject.recover());
  assert.deepEqual(recovered.position, { availIndex: 1, availWrap: 1, usedIndex: 1, usedWrap: 1 });
  assert.equal(recovered.held, 3);
  assert.equal(recovered.counter, 11);
  const queue = subject.device(recovered);
  assert.deepEqual(subject.visit(queue, 8), [ids[2], ids[0], ids[3], ids[4]]);
  assert.equal(subject.driver.takeUsed().length, 4);
  // What we leave says that nothing is held, to anybody who reads it.
  for (let entry = 0; entry < SIZE; entry++) {
    assert.equal(region.getUint8(32 + 32 * entry), 0);
    assert.equal(region.getUint16(34 + 32 * entry, true), entry + 1);
  }
  assert.deepEqual([0, 2, 4, 6].map((at) => region.getUint16(12 + at, true)), [0, 0, 5, 5]);
  assert.equal(region.getUint16(20, true), 0x0101);
});

Deno.test("a region that is of no ring, or of another one, says nothing", () => {
  for (const packed of [false, true]) {
    using subject = new Subject(packed);
    assert.equal(subject.recover(), null);
    subject.send(8);
    initRegion(subject.region, packed, SIZE, { ...NEW, usedIndex: packed ? 5 : 999 });
    assert.equal(subject.recover(), null);
  }
});

Deno.test("what cannot be true in a region is a fault with its reason", () => {
  const change = (packed: boolean, edit: (region: DataView) => void): string => {
    using subject = new Subject(packed);
    subject.send(4);
    if (!packed) subject.area(2).setUint16(2, 2, true);
    initRegion(subject.region, packed, SIZE, NEW);
    edit(subject.region);
    return faultOf(subject.recover());
  };
  for (const packed of [false, true]) {
    assert.equal(change(packed, (r) => r.setUint16(8, 2, true)), "version 2");
    assert.equal(change(packed, (r) => r.setUint16(10, 9, true)), "9 entries, 8 announced");
  }
  const head = "head 9 in the last batch";
  assert.equal(change(false, (r) => r.setUint16(12, 9, true)), head);
  assert.equal(
    change(false, (r) => {
      r.setUint16(14, 2, true);
      r.setUint8(16, 1);
      r.setBigUint64(24, 2n ** 60n, true);
    }),
    `counter ${2n ** 60n}`,
  );
  assert.equal(change(true, (r) => r.setUint16(18, 8, true)), "used index 8, 0 of 8");
  assert.equal(change(true, (r) => r.setUint8(20, 2)), "used index 0, 0 of 8");
  const hold = (number: number, next: number): string =>
    change(true, (r) => {
      r.setUint32(12, 4 | (4 << 16), true);
      r.setUint8(32, 1);
      r.setUint16(32 + 6, number, true);
      r.setUint16(32 + 2, next, true);
    });
  assert.equal(hold(0, 1), "0 descriptors in entry 0, counter 0");
  assert.equal(hold(9, 1), "9 descriptors in entry 0, counter 0");
  assert.equal(hold(2, 0), "entry 0 in two lists");
  assert.equal(hold(2, 5), "entry 5 in two lists");
  assert.equal(hold(2, 77), "entry 77 in two lists");
});

/** Deterministic bytes. */
function noise(seed: number, bytes: Uint8Array): void {
  let state = seed;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Mostly small numbers: they get further.
    bytes[i] = (state >>> 24) & (state & 0x100 ? 0xff : 0x07);
  }
}

Deno.test("30,000 regions of noise: a fault, nothing, or a position inside the ring", () => {
  let served = 0;
  for (let seed = 1; seed <= 30_000; seed++) {
    using subject = new Subject(seed % 2 === 0);
    subject.send(5);
    if (!subject.packed && seed % 4 === 1) subject.area(2).setUint16(2, seed % 3, true);
    const { region } = subject;
    initRegion(region, subject.packed, SIZE, NEW);
    const keep = subject.packed ? 24 : 12;
    noise(seed, new Uint8Array(region.buffer, seed % 3 === 0 ? 12 : keep));
    const result = subject.recover();
    if (result === null || isFault(result)) continue;
    const { position } = result;
    assert(!subject.packed || position.usedIndex < SIZE);
    const queue = subject.device(result);
    for (let i = 0; i < 5; i++) {
      noise(seed + i, new Uint8Array(region.buffer));
      served += subject.visit(queue, 3).length;
    }
  }
  assert(served > 1000, `only ${served} chains were served`);
});
