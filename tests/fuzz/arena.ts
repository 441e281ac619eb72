/**
 * Guests in one piece of plain memory, side by side with guard bytes between them: whatever the
 * switch reads or writes outside the guest it serves is seen.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { GuestRam, type RingDriver, type Segment } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { GuestMemory, type GuestRegion } from "../../lib/virtio/memory/guest_memory.ts";
import { NO_FEATURES, type QueueFeatures, type VringPosition } from "../../lib/virtio/ring.ts";
import { makeVirtqueue } from "../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";
import { checkHeader } from "./hostile_asks.ts";

const GUARD_BYTES = 4096;
/** No frame and no guest of a fuzz case has these bytes: who holds them read a guard. */
export const SECRET: Uint8Array = new TextEncoder().encode("guard-bytes-seen");

const GUARD = Buffer.alloc(GUARD_BYTES, SECRET);

/** Virtqueues of each port. */
export const VRINGS = 2;

/** A piece of the arena. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** The memory of all guests. */
export class Arena {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly windows: WindowSet;
  readonly #guards: Piece[] = [];
  #next = 0;

  constructor(sizeBytes: number) {
    this.buffer = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(this.buffer);
    this.view = new DataView(this.buffer);
    this.windows = WindowSet.over(this.buffer);
    this.#guard();
  }

  #guard(): void {
    const guard = { offset: this.#next, bytes: GUARD_BYTES };
    this.bytes.set(GUARD, guard.offset);
    this.#guards.push(guard);
    this.#next += GUARD_BYTES;
  }

  /** A piece with guards on both sides. */
  take(bytes: number): Piece {
    const piece = { offset: this.#next, bytes };
    this.#next += bytes;
    this.#guard();
    assert(this.#next <= this.bytes.length);
    return piece;
  }

  /** The piece's bytes. */
  of({ offset, bytes }: Piece): Uint8Array {
    return this.bytes.subarray(offset, offset + bytes);
  }

  /** Frees the windows. */
  release(): void {
    this.windows.release();
  }

  /** Nobody wrote to a guard. */
  checkGuards(): void {
    for (const { offset, bytes } of this.#guards) {
      const guard = Buffer.from(this.buffer, offset, bytes);
      if (guard.equals(GUARD)) continue;
      const at = guard.findIndex((byte, i) => byte !== GUARD[i]);
      assert.fail(`the guard at ${offset} was written to, byte ${at}`);
    }
  }

  /** The piece holds nothing of a guard; half a secret is enough, a copy may end anywhere. */
  checkNoSecret({ offset, bytes }: Piece): void {
    const found = Buffer.from(this.buffer, offset, bytes).indexOf(SECRET.subarray(4, 12));
    if (found >= 0) assert.fail(`bytes of a guard came to ${found} of the piece at ${offset}`);
  }
}

/** A region of a guest whose bytes are a piece of the arena. */
export function regionOf(arena: Arena, guestAddr: number, piece: Piece): GuestRegion {
  const { windows } = arena;
  return { guestAddr, sizeBytes: piece.bytes, windows, mappingOffset: piece.offset };
}

/** How a ring is negotiated. */
export interface Kind {
  readonly packed: boolean;
  readonly size: number;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
  readonly headerBytes: 10 | 12;
  /** Offloads that were negotiated; none by default. */
  readonly offloads?: Partial<QueueFeatures>;
}

/** A virtqueue of the switch over areas at these offsets of the arena. */
export function makeVring(
  arena: Arena,
  port: VhostPort,
  number: number,
  kind: Kind,
  areas: readonly [number, number, number],
  position: VringPosition,
): Vring {
  const [desc, driver, device] = areas.map((offset) => ({ buffer: arena.buffer, offset }));
  assert(desc && driver && device);
  const { offloads = {} } = kind;
  const shape = { ...kind, csum: offloads.csum ?? false, desc, driver, device };
  const queue = makeVirtqueue(kind.packed, shape, position);
  const vring = new Vring(port, number, queue, vringBase(port.index, number, VRINGS));
  vring.callFd = 1;
  vring.features = { ...NO_FEATURES, ...offloads };
  return vring;
}

/** A port of the switch. */
export function makePort(index: number, regions: readonly GuestRegion[]): VhostPort {
  const port = new VhostPort(index, portBase(index, VRINGS), VRINGS);
  port.memory = new GuestMemory(regions);
  return port;
}

const GUEST_BYTES = 56 << 10;
const RING_SIZE = 64;
const BUFFER_BYTES = 512;
/** Longest frame of a good guest, and frames it has under way at most. */
export const GOOD_FRAME_MAX = 1500;
/** Frames a good guest has under way at most. */
export const GOOD_FRAMES_MAX = 8;
const HEADER_BYTES = 12;
const ETHERNET_BYTES = 14;
/** What a good guest's frames are filled with, behind a number. */
const MAGIC = 0x77;
const FILLING = Buffer.alloc(65536, MAGIC);

/** A guest that keeps every rule; what it has and what it gets is watched. */
export class GoodGuest {
  readonly port: VhostPort;
  readonly piece: Piece;
  /** Large frames it was given whole. */
  large = 0;
  #sent = 0;
  readonly #arena: Arena;
  readonly #ram: GuestRam;
  readonly #rx: RingDriver;
  readonly #tx: RingDriver;
  readonly #buffers: Segment[] = [];
  readonly #posted = new Map<number, Segment>();
  readonly #frames: Segment[] = [];
  readonly #deviceWrites: Piece[] = [];
  readonly #shadow: Uint8Array;

  constructor(
    arena: Arena,
    index: number,
    packed: boolean,
    eventIdx: boolean,
    offloads: Partial<QueueFeatures> = {},
  ) {
    this.#arena = arena;
    this.piece = arena.take(GUEST_BYTES);
    this.#ram = new GuestRam(arena.buffer, 0);
    this.#ram.moveTo(this.piece.offset);
    this.port = makePort(index, [regionOf(arena, this.piece.offset, this.piece)]);
    const kind: Kind = {
      ...{ packed, size: RING_SIZE, mergeable: true, eventIdx, indirect: true, headerBytes: 12 },
      offloads,
    };
    const position = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
    const rings = [0, 1].map((number) => {
      const driver = packed
        ? new PackedDriver(this.#ram, kind.size, kind)
        : new SplitDriver(this.#ram, kind.size, kind, 0);
      const [desc, , device] = driver.areas;
      this.port.vrings[number] = makeVring(
        arena,
        this.port,
        number,
        kind,
        driver.areas as [number, number, number],
        position,
      );
      this.#deviceWrites.push({ offset: device, bytes: packed ? 4 : 6 + 8 * kind.size });
      if (packed) this.#deviceWrites.push({ offset: desc, bytes: 16 * kind.size });
      return driver;
    });
    [this.#rx, this.#tx] = rings as readonly RingDriver[] as [RingDriver, RingDriver];
    for (let i = 0; i < kind.size; i++) {
      this.#buffers.push({ address: this.#ram.take(BUFFER_BYTES, 16), bytes: BUFFER_BYTES });
    }
    for (let i = 0; i < GOOD_FRAMES_MAX; i++) {
      const bytes = HEADER_BYTES + GOOD_FRAME_MAX;
      this.#frames.push({ address: this.#ram.take(bytes, 16), bytes });
    }
    this.post();
    this.#shadow = arena.of(this.piece).slice();
  }

  /** Gives all buffers it has to the switch. */
  post(): void {
    for (let buffer = this.#buffers.pop(); buffer; buffer = this.#buffers.pop()) {
      const id = this.#rx.add([buffer], true);
      assert(id >= 0);
      this.#posted.set(id, buffer);
    }
    this.#rx.publish();
  }

  /** Makes frames to all others available. @returns their numbers */
  send(count: number, frameBytes: number): number[] {
    const numbers: number[] = [];
    for (const { address } of this.#frames.slice(0, count)) {
      const whole = new Uint8Array(HEADER_BYTES + frameBytes).fill(MAGIC, HEADER_BYTES);
      whole.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, this.port.index], HEADER_BYTES);
      const number = this.#sent++;
      new DataView(whole.buffer).setUint32(HEADER_BYTES + ETHERNET_BYTES, number);
      this.#ram.write(address, whole);
      assert(this.#tx.add([{ address, bytes: whole.length }], false) >= 0);
      numbers.push(number);
    }
    this.#tx.publish();
    this.resync();
    return numbers;
  }

  /** What it sent was taken and given back. */
  reclaim(): void {
    this.#tx.takeUsed();
    assert.equal(this.#tx.free, this.#tx.size, "a good guest's frames are taken at once");
  }

  /**
   * Takes what came in, buffers given back at once.
   * @returns numbers of whole frames by the good guest that sent them, in order
   */
  receive(): Map<number, number[]> {
    const got = new Map<number, number[]>();
    const written: Piece[] = [];
    let frame: Uint8Array[] = [];
    let left = 0;
    for (const { id, bytes } of this.#rx.takeUsed()) {
      const buffer = this.#posted.get(id);
      assert(buffer, "a buffer it has posted");
      this.#posted.delete(id);
      this.#buffers.push(buffer);
      assert(bytes <= buffer.bytes, "no more than the buffer holds");
      written.push({ offset: buffer.address, bytes });
      const data = this.#ram.read(buffer.address, bytes);
      if (left === 0) {
        left = new DataView(data.buffer).getUint16(HEADER_BYTES - 2, true);
        assert(left > 0, "a frame has buffers");
        frame = [];
      }
      frame.push(data);
      if (--left > 0) continue;
      const whole = Buffer.concat(frame);
      this.#checkHeader(whole);
      this.#note(whole.subarray(HEADER_BYTES), got);
    }
    assert.equal(left, 0, "a frame's buffers come together");
    this.#checkWrites(written);
    this.post();
    this.resync();
    return got;
  }

  #checkHeader({ buffer, byteOffset, length }: Buffer): void {
    const header = new DataView(buffer, byteOffset, HEADER_BYTES);
    const frame = new DataView(buffer, byteOffset + HEADER_BYTES, length - HEADER_BYTES);
    const vring = this.port.vrings[0];
    assert(vring);
    checkHeader(header, frame, vring.accepts);
    if (header.getUint8(1) !== 0) this.large++;
  }

  #note(frame: Buffer, got: Map<number, number[]>): void {
    assert(frame.length >= ETHERNET_BYTES, `a frame of ${frame.length} bytes came`);
    // 02:00:00:00:00:01 and :02 are good guests, both known to the switch.
    const unicast = frame.readUIntBE(0, 5) === 0x0200000000 ? frame[5] ?? 0 : 0;
    const misled = unicast > 0 && unicast < 3 && unicast !== this.port.index;
    if (misled) assert.fail(`a frame for guest ${unicast} came to ${this.port.index}`);
    const number = ETHERNET_BYTES + 4;
    const rest = frame.length - number;
    if (rest <= 0 || !frame.subarray(number).equals(FILLING.subarray(0, rest))) return;
    const sender = frame[ETHERNET_BYTES - 3] ?? 0;
    const list = got.get(sender) ?? [];
    list.push(frame.readUInt32BE(ETHERNET_BYTES));
    got.set(sender, list);
  }

  /** The guest's own writes are no news. */
  resync(): void {
    this.#shadow.set(this.#arena.of(this.piece));
  }

  /** Nothing changed but what was given back as written, and what belongs to the device. */
  #checkWrites(written: readonly Piece[]): void {
    const allowed = [...this.#deviceWrites, ...written].sort((a, b) => a.offset - b.offset);
    let from = this.piece.offset;
    for (const { offset, bytes } of [...allowed, { offset: from + GUEST_BYTES, bytes: 0 }]) {
      this.#checkSame(from, offset);
      from = offset + bytes;
    }
  }

  #checkSame(from: number, to: number): void {
    const { offset } = this.piece;
    const now = Buffer.from(this.#arena.buffer, from, to - from);
    const then = Buffer.from(this.#shadow.buffer, from - offset, to - from);
    if (!now.equals(then)) {
      const at = now.findIndex((byte, i) => byte !== then[i]);
      assert.fail(`good guest ${this.port.index} was written to at ${from + at - offset}`);
    }
  }
}
