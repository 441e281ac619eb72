/**
 * A guest that breaks every rule of its rings, and goes on at any cost.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Iotlb, IOTLB_PAGE_BYTES } from "../../lib/virtio/memory/iotlb.ts";
import { packedDescBytes, PackedQueue } from "../../lib/virtio/packed/queue.ts";
import { VRING_DESC_F_WRITE } from "../../lib/virtio/ring.ts";
import { splitAvailBytes, splitDescBytes, SplitQueue } from "../../lib/virtio/split/queue.ts";
import { type Arena, type Kind, makePort, makeVring, type Piece, regionOf } from "./arena.ts";
import { EVERY_OFFLOAD } from "./hostile_asks.ts";
import {
  type Case,
  DATA_AT,
  DATA_STEP,
  type Desc,
  FAR,
  LOW,
  NEXT,
  type Op,
  RING_BYTES,
  TABLE_BYTES,
  TABLES_AT,
} from "./hostile_ops.ts";

const AVAIL = 0x80;
const USED = 0x8000;
/** Longer than all that cases give a descriptor that is good. */
const GROWN_BYTES = 4096;

/** One ring of the bad guest, as it goes on at any cost. */
interface BadRing {
  /** Offsets in the first region of the three areas. */
  readonly areas: readonly [number, number, number];
  /** Where its next entry goes, and the wrap counter there. */
  next: number;
  wrap: number;
}

/** The guest that breaks every rule. */
export class BadGuest {
  readonly port: VhostPort;
  readonly #arena: Arena;
  readonly #kind: Kind;
  readonly #pieces: readonly Piece[];
  readonly #rings: readonly [BadRing, BadRing];
  /** Used index of each ring up to which its entries were looked at: older ones are the guest's. */
  readonly #checked: number[] = [0, 0];
  /** It had frames written over its own rings, perhaps: nothing there means anything any more. */
  #scribbles = false;
  /** Where its first region starts in the arena. */
  readonly #low: number;

  constructor(arena: Arena, { kind, iommu, start, offloads }: Case) {
    this.#arena = arena;
    this.#kind = offloads ? { ...kind, offloads: EVERY_OFFLOAD } : kind;
    this.#pieces = [LOW, NEXT, FAR].map(({ bytes }) => arena.take(bytes));
    this.#low = this.#pieces[0]?.offset ?? 0;
    const regions = [LOW, NEXT, FAR].map(({ guestAddr }, i) =>
      regionOf(arena, guestAddr, this.#pieces[i] as Piece)
    );
    this.port = makePort(0, regions);
    if (iommu) this.#translateMost();
    const next = kind.packed ? start % kind.size : start;
    this.#rings = [
      { areas: this.#place(0), next, wrap: 1 },
      { areas: this.#place(1), next, wrap: 1 },
    ];
    for (let at = DATA_AT; at < LOW.bytes; at += DATA_STEP) this.#frame(at);
    this.restart(0);
    this.restart(1);
  }

  /** Every address leads to itself, but for a page here and there. */
  #translateMost(): void {
    const { memory } = this.port;
    memory.iotlb = new Iotlb(memory.regions);
    [LOW, NEXT, FAR].forEach(({ guestAddr, bytes }, i) => {
      for (let at = 0; at < bytes; at += IOTLB_PAGE_BYTES) {
        if (at / IOTLB_PAGE_BYTES % 6 === 5) continue;
        const offset = (this.#pieces[i]?.offset ?? 0) + at;
        assert(memory.iotlb?.update(guestAddr + at, IOTLB_PAGE_BYTES, offset, 3));
      }
    });
  }

  /** Its front-end tells of its IOMMU. @returns where from, and bytes */
  translate(op: Op & { readonly do: "iotlb" }): { at: number; bytes: number } | null {
    const { iotlb } = this.port.memory;
    if (iotlb === null) return null;
    const at = op.page * IOTLB_PAGE_BYTES;
    const bytes = op.pages * IOTLB_PAGE_BYTES;
    if (op.forget) {
      iotlb.invalidate(at, bytes);
      return null;
    }
    const piece = this.#pieces[op.region];
    assert(piece);
    const host = piece.offset + op.target * IOTLB_PAGE_BYTES;
    const good = this.#pieces.some((own) =>
      host >= own.offset && host + bytes <= own.offset + own.bytes
    );
    assert.equal(iotlb.update(at, bytes, host, op.permission), good, "all of it, or nothing");
    return good ? { at, bytes } : null;
  }

  #place(number: number): readonly [number, number, number] {
    const { packed, size } = this.#kind;
    const desc = number * RING_BYTES;
    if (packed) return [desc, desc + packedDescBytes(size), desc + packedDescBytes(size) + 4];
    const avail = desc + splitDescBytes(size);
    return [desc, avail, Math.ceil((avail + splitAvailBytes(size)) / 4) * 4];
  }

  /** A good Ethernet header behind one that says nonsense: to all, to a good guest, to nobody. */
  #frame(at: number): void {
    const { headerBytes } = this.#kind;
    const frame = new Uint8Array(DATA_STEP).fill(0xee);
    // Where offloads are negotiated, most ask for none: nonsense is not let through then.
    if (this.#kind.offloads && at / DATA_STEP % 5 > 0) frame.fill(0, 0, headerBytes);
    const to = at / DATA_STEP % 4;
    frame.set([to === 0 ? 1 : 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, 0x99], headerBytes);
    this.#arena.bytes.set(frame, this.#low + at);
  }

  #word(at: number, value: number): void {
    this.#arena.view.setUint16(this.#low + at, value & 0xffff, true);
  }

  #desc(at: number, ring: 0 | 1, { address, length, flags, next }: Desc): void {
    if (address < TABLES_AT) this.#scribbles = true;
    const offset = this.#low + at;
    const { view } = this.#arena;
    const right = ring === 0 ? VRING_DESC_F_WRITE : 0;
    const index = next < 64 ? next % this.#kind.size : next;
    view.setBigUint64(offset, BigInt(address), true);
    view.setUint32(offset + 8, length, true);
    const [word12, word14] = this.#kind.packed ? [index, flags ^ right] : [flags ^ right, index];
    view.setUint16(offset + 12, word12, true);
    // Wrap bits come when it is offered.
    view.setUint16(offset + 14, this.#kind.packed ? word14 & 7 : word14, true);
  }

  /** A ring as a new driver would set it up, from where the old one left off. */
  restart(number: 0 | 1): void {
    const { packed, size } = this.#kind;
    const ring = this.#rings[number];
    for (let slot = 0; slot < size; slot++) {
      const desc = {
        ...{ address: DATA_AT + DATA_STEP * 7 * slot, length: 512, flags: 0, next: slot },
      };
      this.#desc(ring.areas[0] + 16 * slot, number, desc);
    }
    ring.wrap = 1;
    this.#checked[number] = ring.next;
    if (packed) { for (const area of [1, 2] as const) this.#word(ring.areas[area] + 2, 0); }
    else for (const area of [1, 2] as const) this.#word(ring.areas[area] + 2, ring.next);
    const position = { availIndex: ring.next, availWrap: 1, usedIndex: ring.next, usedWrap: 1 };
    const areas = ring.areas.map((area) => this.#low + area) as [number, number, number];
    const vring = makeVring(this.#arena, this.port, number, this.#kind, areas, position);
    this.port.vrings[number] = vring;
  }

  /** Does one thing to its memory. */
  act(op: Op): void {
    const { size, packed } = this.#kind;
    switch (op.do) {
      case "desc":
        return this.#desc(this.#rings[op.ring].areas[0] + 16 * (op.slot % size), op.ring, op.desc);
      case "table":
        return op.entries.forEach((entry, i) =>
          this.#desc(TABLES_AT + TABLE_BYTES * op.table + 16 * i, op.ring, entry)
        );
      case "offer":
        return op.heads.forEach((head) => packed ? this.#offerSlot(op) : this.#offerHead(op, head));
      case "jump":
        if (packed) this.#word(this.#rings[op.ring].areas[0] + 16 * (op.to % size) + 14, op.to);
        else this.#word(this.#rings[op.ring].areas[1] + 2, op.to);
        return;
      case "poke":
        this.#scribbles = true;
        return this.#word(2 * op.at, op.value);
      case "grow": {
        const at = this.#rings[op.ring].areas[0] + 16 * (op.slot % size) + 8;
        return this.#arena.view.setUint32(this.#low + at, GROWN_BYTES, true);
      }
      case "asks":
        return this.#asks(op);
      case "frame":
        this.#arena.bytes[
          this.#low + DATA_AT + DATA_STEP * op.frame + this.#kind.headerBytes + 5
        ] = op.to;
    }
  }

  /** Puts a tag where the type of each frame would be. */
  tagFrames(vid: number): void {
    const { headerBytes } = this.#kind;
    for (let at = DATA_AT; at + DATA_STEP <= LOW.bytes; at += DATA_STEP) {
      this.#arena.bytes.set([0x81, 0, vid >> 8, vid & 0xff], this.#low + at + headerBytes + 12);
    }
  }

  #asks({ frame: number, slot, what }: Op & { readonly do: "asks" }): void {
    const { header, frame } = what(this.#kind.headerBytes);
    const at = DATA_AT + DATA_STEP * number;
    const room = LOW.bytes - at;
    const { bytes } = this.#arena;
    bytes.set(header.subarray(0, room), this.#low + at);
    if (room < this.#kind.headerBytes + frame.length) return;
    bytes.set(frame, this.#low + at + this.#kind.headerBytes);
    const length = this.#kind.headerBytes + frame.length;
    const desc = { address: at, length, flags: 0, next: slot };
    this.#desc(this.#rings[1].areas[0] + 16 * (slot % this.#kind.size), 1, desc);
  }

  /** Offers the next entry, if the ring is not full; `head` of its own choice or in order. */
  #offerHead({ ring: number }: { ring: 0 | 1 }, head: number | null): void {
    const { size } = this.#kind;
    const ring = this.#rings[number];
    const queue = this.port.vrings[number]?.queue;
    if (!(queue instanceof SplitQueue)) return;
    if (((ring.next - queue.lastAvail) & 0xffff) >= size) return;
    const chosen = head === null ? ring.next % size : head < 64 ? head % size : head;
    this.#word(ring.areas[1] + 4 + 2 * (ring.next % size), chosen);
    ring.next = (ring.next + 1) & 0xffff;
    this.#word(ring.areas[1] + 2, ring.next);
  }

  #offerSlot({ ring: number }: { ring: 0 | 1 }): void {
    const ring = this.#rings[number];
    const at = this.#low + ring.areas[0] + 16 * ring.next + 14;
    const { view } = this.#arena;
    const flags = view.getUint16(at, true);
    const mine = ring.wrap === 1 ? AVAIL : USED;
    // Used or untouched, but not offered already: else the ring is full.
    if ((flags & (AVAIL | USED)) === mine) return;
    view.setUint16(at, (flags & 7) | mine, true);
    if (++ring.next === this.#kind.size) {
      ring.next = 0;
      ring.wrap ^= 1;
    }
  }

  /** What the switch gave back are entries of the ring, and no more than were offered. */
  checkUsed(): void {
    for (const vring of this.port.vrings) {
      const queue = vring?.queue;
      assert(queue);
      if (queue instanceof PackedQueue) {
        assert(queue.availSlot < queue.size && queue.usedSlot < queue.size);
        assert.equal(queue.usedSlot, queue.availSlot, "nothing is held between two visits");
        continue;
      }
      assert(queue instanceof SplitQueue);
      assert.equal(queue.lastUsed, queue.lastAvail, "nothing is held between two visits");
      if (this.#scribbles) continue;
      const used = Math.min(
        queue.size,
        (queue.lastUsed - (this.#checked[vring.number] ?? 0)) & 0xffff,
      );
      for (let back = 1; back <= used; back++) {
        const id = queue.usedRing[2 * ((queue.lastUsed - back) & queue.mask)] ?? -1;
        assert(id >= 0 && id < queue.size, `used entry ${id} of a ring of ${queue.size}`);
      }
      this.#checked[vring.number] = queue.lastUsed;
    }
  }

  /** It holds nothing of what lies between the guests. */
  checkHolds(): void {
    for (const piece of this.#pieces) this.#arena.checkNoSecret(piece);
  }
}
