/**
 * The device dies after any store it makes, in the middle of a visit or of taking up what the last
 * one left, and is started anew. The drivers, which live on, get every chain back exactly once, and
 * no frame is lost: frames may come twice, as the specification allows.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  GuestRam,
  type OddDescriptor,
  type RingDriver,
  type Segment,
} from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { frameBytes, openFrames } from "../../lib/virtio/burst.ts";
import { OUTCOMES } from "../../lib/virtio/deliver.ts";
import { inflightBytes } from "../../lib/virtio/inflight/region.ts";
import {
  initRegion,
  isFault,
  recoverPacked,
  recoverSplit,
} from "../../lib/virtio/inflight/recovery.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { journalBytes } from "../../lib/virtio/packed/journal.ts";
import { recoverJournal, resumeJournal, startJournal } from "../../lib/virtio/packed/recovery.ts";
import { RING_OK, type RingArea, type VringPosition } from "../../lib/virtio/ring.ts";
import { makeVirtqueue, type Virtqueue } from "../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";

const RAM_BYTES = 1 << 20;
const SIZE = 8;
const WRITE = 2;
const NEW: VringPosition = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
const IDENTITY = { device: 1n, inode: 2n, fileOffset: 3n, regionBytes: 4n };

/** How a ring's position is kept. */
type Kind = "split, inflight" | "packed, inflight" | "packed, journal";

class Crash extends Error {}

/** Stores until the crash; nothing crashes while it is negative. */
let fuse = -1;

function store(): void {
  if (fuse === 0) throw new Crash();
  if (fuse > 0) fuse--;
}

const plain = new WeakMap<object, object>();

/** A typed array whose stores count. */
function counted<T extends object>(array: T): T {
  const proxy = new Proxy(array, {
    get: (target, key) => {
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => {
      store();
      return Reflect.set(target, key, value, target);
    },
  });
  plain.set(proxy, array);
  return proxy;
}

/** Lets stores count that go through built-in functions. */
function patch(): () => void {
  const { load, store: atomicStore } = Atomics;
  const original = (array: object): Uint16Array => (plain.get(array) ?? array) as Uint16Array;
  Atomics.load = ((array: object, index: number) => load(original(array), index)) as typeof load;
  Atomics.store = ((array: object, index: number, value: number) => {
    store();
    return atomicStore(original(array), index, value);
  }) as typeof atomicStore;
  const names = ["setUint8", "setUint16", "setUint32", "setBigUint64"] as const;
  const prototype = DataView.prototype as unknown as Record<string, (...args: unknown[]) => void>;
  const setters = names.map((name) => prototype[name] as (...args: unknown[]) => void);
  names.forEach((name, i) => {
    prototype[name] = function (this: DataView, ...args: unknown[]): void {
      if (crashable.has(this.buffer)) store();
      setters[i]?.apply(this, args);
    };
  });
  return () => {
    Object.assign(Atomics, { load, store: atomicStore });
    names.forEach((name, i) => Object.assign(prototype, { [name]: setters[i] }));
  };
}

/** Memory of rings and records; the drivers' own writes never crash: the fuse is out then. */
const crashable = new Set<ArrayBufferLike>();

/** A ring with its driver, which lives on, and its device side, which does not. */
class Subject {
  readonly ram: GuestRam;
  readonly driver: RingDriver;
  readonly memory: GuestMemory;
  readonly kind: Kind;
  readonly receives: boolean;
  readonly record: ArrayBuffer;
  readonly #windows: WindowSet;
  queue: Virtqueue;

  constructor(kind: Kind, receives: boolean) {
    this.kind = kind;
    this.receives = receives;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.ram = new GuestRam(buffer, 0);
    const features = { eventIdx: false, indirect: true };
    const packed = kind !== "split, inflight";
    this.driver = packed
      ? new PackedDriver(this.ram, SIZE, features)
      : new SplitDriver(this.ram, SIZE, features, 65533);
    this.#windows = WindowSet.over(buffer);
    this.memory = new GuestMemory([
      { guestAddr: 0, sizeBytes: RAM_BYTES, windows: this.#windows, mappingOffset: 0 },
    ]);
    this.record = new ArrayBuffer(
      kind === "packed, journal" ? journalBytes(SIZE) : inflightBytes(packed, SIZE),
    );
    crashable.add(buffer).add(this.record);
    this.queue = this.start();
  }

  get packed(): boolean {
    return this.kind !== "split, inflight";
  }

  area(index: 0 | 1 | 2): DataView {
    return new DataView(this.ram.view.buffer, this.ram.at(this.driver.areas[index]));
  }

  /** Where the device finds the ring; makes whole what the last one left. */
  #recover(): { position: VringPosition; counter: number; listed: boolean } {
    const record = new DataView(this.record);
    const first = this.packed ? NEW : { ...NEW, availIndex: 65533, usedIndex: 65533 };
    if (this.kind === "packed, journal") {
      const known = recoverJournal(record, this.area(0), SIZE, IDENTITY);
      const position = known ?? first;
      if (known !== null) resumeJournal(record, known);
      else startJournal(record, this.area(0), SIZE, IDENTITY, position, this.receives);
      return { position, counter: 0, listed: false };
    }
    const result = this.packed
      ? recoverPacked(record, this.area(0), SIZE, SIZE)
      : recoverSplit(record, this.area(1), this.area(2), SIZE, SIZE);
    assert(!isFault(result), JSON.stringify(result));
    if (result === null) initRegion(record, this.packed, SIZE, first);
    return result ?? { position: first, counter: 0, listed: false };
  }

  /** A new device. */
  start(): Virtqueue {
    const { position, counter, listed } = this.#recover();
    const area = (index: 0 | 1 | 2): RingArea => ({
      buffer: this.ram.view.buffer as ArrayBuffer,
      offset: this.area(index).byteOffset,
    });
    const shape = {
      ...{ size: SIZE, eventIdx: false, indirect: true, mergeable: true, headerBytes: 12 },
      ...{ desc: area(0), driver: area(1), device: area(2) },
    };
    const queue = makeVirtqueue(this.packed, shape, position);
    const record = { buffer: this.record, offset: 0 };
    if (this.kind === "packed, journal") queue.keepJournal(record, SIZE);
    else queue.keepInflight(record, SIZE, counter, listed);
    // Where each kind writes: into its ring, and into what it keeps.
    const { ledger, inflight } = queue as Partial<Record<"ledger" | "inflight", object>>;
    if (this.packed) wrap(queue, "desc", "desc16");
    else wrap(queue, "used", "usedRing");
    if (this.kind === "packed, journal") wrap(ledger, "words");
    else if (this.packed) wrap(ledger, "bytes", "halves", "words", "quads");
    else wrap(inflight, "bytes", "halves", "words");
    return this.queue = queue;
  }

  release(): void {
    this.#windows.release();
  }
}

function wrap(holder: object | undefined, ...names: string[]): void {
  for (const name of names) {
    const fields = holder as Record<string, object>;
    assert(fields?.[name], `what is written has the name ${name}`);
    fields[name] = counted(fields[name]);
  }
}

/** Deterministic numbers below `bound`. */
function random(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** A sender and a receiver, and what the drivers have seen of the traffic. */
class World {
  readonly from: Subject;
  readonly to: Subject;
  readonly #next: (bound: number) => number;
  readonly #pieces: number;
  readonly #buffers = new Map<number, Segment>();
  readonly #freeBuffers: Segment[] = [];
  readonly #seen = new Map<number, number>();
  /** Receive chains that are no good, by id: they come back empty. */
  readonly #bad = new Set<number>();
  /** Payload bytes of a frame that spans buffers, still to come. */
  #sent = 0;
  #sentBad = 0;
  #back = 0;

  constructor(from: Kind, to: Kind, pieces: number, seed: number) {
    this.from = new Subject(from, false);
    this.to = new Subject(to, true);
    this.#next = random(seed);
    this.#pieces = pieces;
  }

  /** Both drivers do what is theirs: take back, offer again, send. */
  drive(frames: number): void {
    for (const { id, bytes } of this.to.driver.takeUsed()) {
      if (this.#bad.delete(id)) {
        assert.equal(bytes, 0);
        continue;
      }
      const buffer = this.#buffers.get(id) as Segment;
      this.#buffers.delete(id);
      this.#freeBuffers.push(buffer);
      assert.equal(bytes, 12 + 60);
      const number = this.to.ram.view.getUint32(this.to.ram.at(buffer.address) + 12 + 20, true);
      this.#seen.set(number, (this.#seen.get(number) ?? 0) + 1);
    }
    // Of one slot or two, and never so many that no good one finds room.
    if (this.#bad.size < 2 && this.to.driver.free > 1 && this.#next(4) === 0) {
      this.#bad.add(this.to.driver.addOdd(this.#odd(WRITE)));
    }
    while (this.to.driver.free > 0) {
      const buffer = this.#freeBuffers.pop() ??
        { address: this.to.ram.take(128, 16), bytes: 128 };
      // A buffer may be of two slots, as far as there are two.
      const half = { address: buffer.address, bytes: 64 };
      const chain = this.#pieces > 1 && this.to.driver.free > 1 && this.#next(2) === 0
        ? [half, { address: buffer.address + 64, bytes: 64 }]
        : [buffer];
      this.#buffers.set(this.to.driver.add(chain, true), buffer);
    }
    this.to.driver.publish();
    this.#back += this.from.driver.takeUsed().length;
    for (let i = 0; i < frames; i++) this.#send();
    this.from.driver.publish();
  }

  /** A chain that ends with a buffer of the wrong direction. @param right the right one */
  #odd(right: number): OddDescriptor[] {
    const wrong = { address: 0, bytes: 64, flags: WRITE - right };
    return this.#pieces > 1 && this.#next(2) === 0 ? [{ ...wrong, flags: right }, wrong] : [wrong];
  }

  #send(): void {
    if (this.#next(8) === 0 && this.from.driver.free > 1) {
      this.from.driver.addOdd(this.#odd(0));
      this.#sentBad++;
      return;
    }
    const pieces = 1 + this.#next(this.#pieces);
    if (this.from.driver.free < pieces) return;
    const bytes = 12 + 60;
    const address = this.from.ram.take(bytes, 16);
    const frame = new Uint8Array(bytes);
    new DataView(frame.buffer).setUint32(12 + 20, this.#sent++, true);
    this.from.ram.write(address, frame);
    const cut = 40 + this.#next(20);
    const chain = pieces === 1
      ? [{ address, bytes }]
      : pieces === 2
      ? [{ address, bytes: cut }, { address: address + cut, bytes: bytes - cut }]
      : [
        { address, bytes: 12 },
        { address: address + 12, bytes: cut - 12 },
        { address: address + cut, bytes: bytes - cut },
      ];
    this.from.driver.add(chain, false);
  }

  /** One visit of the device; it may crash. */
  visit(most = 5): number {
    const from = this.from.queue;
    const to = this.to.queue;
    const count = from.take(this.from.memory, most);
    openFrames(count, 12);
    // Bad chains are frames of no bytes, and go nowhere.
    const good = Array.from({ length: count }, (_, i) => i).filter((i) => (frameBytes[i] ?? 0) > 0);
    const list = Uint16Array.from(good);
    const outcomes = new Int32Array(OUTCOMES);
    if (count > 0) {
      to.deliver(this.to.memory, list, 0, good.length, outcomes);
      from.finish(count);
    }
    assert.equal(from.broken, RING_OK);
    assert.equal(to.broken, RING_OK);
    return count;
  }

  /** Everything sent has arrived, everything taken was given back. */
  settle(crashes: number): void {
    for (let i = 0; i < 40; i++) {
      this.drive(0);
      this.visit();
    }
    this.drive(0);
    assert.equal(this.#back, this.#sent + this.#sentBad, "every chain came back");
    assert.equal(this.from.driver.free, SIZE);
    let twice = 0;
    for (let number = 0; number < this.#sent; number++) {
      const times = this.#seen.get(number) ?? 0;
      assert(times >= 1, `frame ${number} of ${this.#sent} was lost`);
      twice += times - 1;
    }
    assert(twice <= 5 * crashes, `${twice} frames came again after ${crashes} crashes`);
  }

  release(): void {
    for (const subject of [this.from, this.to]) {
      crashable.delete(subject.ram.view.buffer);
      crashable.delete(subject.record);
      subject.release();
    }
  }
}

/** Whether `body` ended by a crash after `stores` stores. */
function crashes(stores: number, body: () => void): boolean {
  fuse = stores;
  try {
    body();
    return false;
  } catch (error) {
    if (error instanceof Crash) return true;
    throw error;
  } finally {
    fuse = -1;
  }
}

/** One life: some traffic, a crash, perhaps another one while taking up again, and the rest. */
function live(
  kinds: readonly [Kind, Kind],
  pieces: number,
  seed: number,
  at: number,
  again: number,
): boolean {
  const world = new World(...kinds, pieces, seed);
  try {
    const next = random(seed + 1);
    const rounds = next(9);
    for (let i = 0; i < rounds; i++) {
      world.drive(1 + next(6));
      world.visit();
    }
    world.drive(5);
    const crashed = crashes(at, () => world.visit());
    let deaths = 1;
    if (next(2) === 0) world.drive(next(3));
    const restart = (): void => {
      world.from.start();
      world.to.start();
    };
    if (crashes(again, restart)) {
      deaths++;
      if (next(2) === 0) world.drive(0);
      restart();
    }
    world.settle(deaths);
    return crashed;
  } catch (cause) {
    const where = `${kinds.join(" to ")}, ${pieces} pieces, seed ${seed}, stores ${at}, ${again}`;
    throw new Error(where, { cause });
  } finally {
    world.release();
  }
}

/** Every crash of twelve worlds. @returns how many lives that were */
function liveAll(kinds: readonly [Kind, Kind], pieces: number): number {
  const restore = patch();
  let lives = 0;
  try {
    for (let seed = 1; seed <= 12; seed++) {
      let at = 0;
      while (live(kinds, pieces, seed * 7919, at, (at * 13 + seed) % 60)) at++;
      lives += at + 1;
    }
    return lives;
  } finally {
    restore();
  }
}

function crashTest(kinds: readonly [Kind, Kind]): () => void {
  return () => {
    for (const pieces of [1, 3]) {
      const lives = liveAll(kinds, pieces);
      console.log(`    chains of up to ${pieces}: ${lives} lives`);
      assert(lives > 500, `only ${lives} lives`);
    }
  };
}

Deno.test(
  "no crash loses anything: split, inflight to packed, inflight",
  crashTest(["split, inflight", "packed, inflight"]),
);

Deno.test(
  "no crash loses anything: packed, inflight to packed, journal",
  crashTest(["packed, inflight", "packed, journal"]),
);

Deno.test(
  "no crash loses anything: packed, journal to split, inflight",
  crashTest(["packed, journal", "split, inflight"]),
);
