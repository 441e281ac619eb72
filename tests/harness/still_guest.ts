// deno-lint-ignore-file no-non-null-assertion
/**
 * A guest whose driver makes no object while it runs, so that whatever is collected in its thread
 * was allocated by the switch. Its descriptors are written once; buffers are offered again in the
 * order in which they come back.
 *
 * @module
 */
import { closeFd, createMemoryFile, type Reservation } from "../../ffi/mod.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { WINDOW_STRIDE } from "../../lib/virtio/memory/arena.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { WindowSet, windowView } from "../../lib/virtio/memory/window.ts";
import {
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
} from "../../lib/virtio/ring.ts";
import { makeVirtqueue, type Virtqueue } from "../../lib/virtio/virtqueue.ts";

const SIZE = 128;
const HEADER = 12;
const RAM_BYTES = 64 << 20;
const RING_STRIDE = 0x100000;
const DRIVER = 0x8000;
const DEVICE = 0x10000;
const TABLES = 0x20000;
const JOURNAL = 0x80000;
const BUFFERS = 0x400000;
const BUFFER_STRIDE = 0x4000;
/** Packed rings: a descriptor is offered, a descriptor is used. */
const AVAIL = 1 << 7;
const USED = 1 << 15;

/** How a ring's buffers are laid out. */
export interface Layout {
  /** Bytes of each buffer of a receive queue, of each frame of a transmit queue, in turn. */
  readonly bytes: readonly number[];
  /** Descriptors of a chain: 1, 2 or 4. */
  readonly pieces: number;
  /** They stand in a table of their own. */
  readonly indirect: boolean;
}

/** One ring and its driver. */
class StillRing {
  readonly queue: Virtqueue;
  readonly #packed: boolean;
  readonly #slots: number;
  readonly #write: number;
  readonly #layout: Layout;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #base: number;
  /** Packed: where the next chain is offered, and the next one comes back. */
  #next = 0;
  #wrap = 1;
  #used = 0;
  #usedWrap = 1;
  #out = 0;

  constructor(guest: StillGuest, index: number, layout: Layout) {
    const { packed, view } = guest;
    const buffer = view.buffer as ArrayBuffer;
    this.#packed = packed;
    this.#layout = layout;
    this.#slots = layout.indirect ? 1 : layout.pieces;
    this.#write = index === 0 ? VRING_DESC_F_WRITE : 0;
    this.#words = new Int32Array(buffer, view.byteOffset, RAM_BYTES >> 2);
    this.#halves = new Uint16Array(buffer, view.byteOffset, RAM_BYTES >> 1);
    this.#base = index * RING_STRIDE;
    for (let chain = 0; chain < this.chains; chain++) this.#describe(chain);
    if (packed) { for (let i = 0; i < SIZE; i++) this.#halves[(this.#base >> 1) + 8 * i + 7] = 0; }
    const available = (this.#base + DRIVER) >> 1;
    for (let i = 0; !packed && i < SIZE; i++) {
      this.#halves[available + 2 + i] = (i % this.chains) * this.#slots;
    }
    const area = (at: number): { buffer: ArrayBuffer; offset: number } => ({
      ...{ buffer, offset: view.byteOffset + this.#base + at },
    });
    this.queue = makeVirtqueue(packed, {
      ...{ size: SIZE, eventIdx: false, indirect: true, mergeable: true, headerBytes: HEADER },
      ...{ desc: area(0), driver: area(DRIVER), device: area(DEVICE) },
    }, { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 });
    if (guest.journal) {
      this.queue.keepJournal(area(JOURNAL), SIZE);
    }
  }

  /** Chains that the ring has room for. */
  get chains(): number {
    return SIZE / this.#slots;
  }

  /** Where a chain's bytes are. */
  bufferAt(chain: number): number {
    return BUFFERS + (this.#base / RING_STRIDE * SIZE + chain) * BUFFER_STRIDE;
  }

  #describe(chain: number): void {
    const { bytes, pieces, indirect } = this.#layout;
    const whole = bytes[chain % bytes.length]! + (this.#write === 0 ? HEADER : 0);
    const table = this.#base + (indirect ? TABLES + chain * 16 * pieces : chain * 16 * pieces);
    if (indirect) this.#entry(this.#base + chain * 16, table, 16 * pieces, chain, false, true);
    let at = this.bufferAt(chain);
    let left = whole;
    for (let piece = 0; piece < pieces; piece++) {
      const last = piece === pieces - 1;
      const part = last ? left : Math.max(HEADER, Math.floor(whole / pieces));
      const slot = indirect ? piece : chain * pieces + piece;
      this.#entry(table + 16 * piece, at, part, slot, !last, false);
      at += part;
      left -= part;
    }
  }

  /** A descriptor of either kind; `slot` is its number, for the next one's. */
  #entry(
    at: number,
    address: number,
    bytes: number,
    slot: number,
    more: boolean,
    table: boolean,
  ): void {
    const flags = (more ? VRING_DESC_F_NEXT : 0) | (table ? VRING_DESC_F_INDIRECT : this.#write);
    this.#words[at >> 2] = address;
    this.#words[(at >> 2) + 1] = 0;
    this.#words[(at >> 2) + 2] = bytes;
    this.#halves[(at >> 1) + 6] = this.#packed ? Math.floor(slot / this.#slots) : flags;
    this.#halves[(at >> 1) + 7] = this.#packed ? flags : slot + 1;
  }

  /** Offers as many chains as have come back, `most` at most under way. @returns how many */
  refill(most: number): number {
    return this.#packed ? this.#refillPacked(most) : this.#refillSplit(most);
  }

  #refillSplit(most: number): number {
    const available = ((this.#base + DRIVER) >> 1) + 1;
    const used = this.#halves[((this.#base + DEVICE) >> 1) + 1]!;
    const more = (used + most - this.#halves[available]!) & 0xffff;
    if (more > this.chains) return 0;
    this.#halves[available] = used + most;
    return more;
  }

  #refillPacked(most: number): number {
    const ring = this.#base >> 1;
    while (this.#out > 0) {
      const flags = this.#halves[ring + 8 * this.#used + 7]!;
      const both = AVAIL | USED;
      if ((flags & both) !== (this.#usedWrap === 1 ? both : 0)) break;
      this.#out--;
      this.#used += this.#slots;
      if (this.#used < SIZE) continue;
      this.#used = 0;
      this.#usedWrap ^= 1;
    }
    const more = most - this.#out;
    for (let i = 0; i < more; i++) this.#offerPacked(ring);
    return more;
  }

  #offerPacked(ring: number): void {
    const offered = this.#wrap === 1 ? AVAIL : USED;
    const indirect = this.#layout.indirect ? VRING_DESC_F_INDIRECT : this.#write;
    const chain = this.#next / this.#slots;
    const { bytes, pieces } = this.#layout;
    // What the device wrote over: the length, the id and the flags of the first one.
    const whole = bytes[chain % bytes.length]! + (this.#write === 0 ? HEADER : 0);
    const first = this.#slots === 1 ? whole : Math.max(HEADER, Math.floor(whole / pieces));
    this.#words[(ring >> 1) + 4 * this.#next + 2] = this.#layout.indirect ? 16 * pieces : first;
    for (let piece = this.#slots - 1; piece >= 0; piece--) {
      const at = ring + 8 * (this.#next + piece);
      this.#halves[at + 6] = chain;
      this.#halves[at + 7] = offered | indirect | (piece < this.#slots - 1 ? VRING_DESC_F_NEXT : 0);
    }
    this.#out++;
    this.#next += this.#slots;
    if (this.#next < SIZE) return;
    this.#next = 0;
    this.#wrap ^= 1;
  }
}

/** How a guest is made. */
export interface StillOptions {
  readonly packed: boolean;
  readonly journal: boolean;
  readonly rx: Layout;
  readonly tx: Layout;
  /** Last byte of the address that each frame goes to, in turn; 255: everybody. */
  readonly to: readonly number[];
}

/** One port, both of its rings, and memory in the arena. */
export class StillGuest {
  readonly port: VhostPort;
  readonly packed: boolean;
  readonly journal: boolean;
  /** Its memory. */
  readonly view: DataView;
  readonly rx: StillRing;
  readonly tx: StillRing;
  readonly vring: Vring;

  /** @param number of the port, and of the granule of the arena that it takes */
  constructor(arena: Reservation, number: number, options: StillOptions) {
    this.packed = options.packed;
    this.journal = options.journal && options.packed;
    const address = arena.address + number * WINDOW_STRIDE;
    const fd = createMemoryFile("still", RAM_BYTES);
    arena.map(address, fd, 0, RAM_BYTES);
    closeFd(fd);
    const windows = WindowSet.mapped(address, RAM_BYTES);
    // A view of its own would be paid for with a collection.
    this.view = windowView[windows.window(0)]!;
    this.port = new VhostPort(number, portBase(number, 2), 2);
    this.port.memory = new GuestMemory([
      { guestAddr: 0, sizeBytes: RAM_BYTES, windows, mappingOffset: 0 },
    ]);
    this.rx = new StillRing(this, 0, options.rx);
    this.tx = new StillRing(this, 1, options.tx);
    const [rx, tx] = [this.rx, this.tx].map(({ queue }, index) =>
      this.port.vrings[index] = new Vring(this.port, index, queue, vringBase(number, index, 2))
    );
    this.vring = tx ?? rx!;
    const bytes = new Uint8Array(this.view.buffer, this.view.byteOffset, RAM_BYTES);
    for (let chain = 0; chain < this.tx.chains; chain++) {
      const to = options.to[chain % options.to.length]!;
      const target = to === 255 ? [255, 255, 255, 255, 255, 255] : [2, 0, 0, 0, 0, to];
      bytes.set([...target, 2, 0, 0, 0, 0, number], this.tx.bufferAt(chain) + HEADER);
      bytes.set([0x88, 0xb5], this.tx.bufferAt(chain) + HEADER + 12);
    }
  }
}
