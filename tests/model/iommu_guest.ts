/**
 * A guest in plain memory whose IOMMU is as strict as can be: every buffer has I/O virtual pages of
 * its own, scattered over memory, for exactly as long as the device holds it. What is unmapped is
 * overwritten at once, and must stay as it was overwritten.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { makeDatapath } from "../harness/datapath.ts";
import { GuestRam, type RingDriver, type Segment } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { portBase, vringBase } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { VhostPort } from "../../lib/switch/ports/vhost_port.ts";
import { Vring } from "../../lib/switch/ports/vring.ts";
import { rangeTranslated } from "../../lib/switch/stalled/untranslated.ts";
import { DirtyLog } from "../../lib/virtio/memory/dirty_log.ts";
import { Iotlb, IOTLB_READ, IOTLB_WRITE } from "../../lib/virtio/memory/iotlb.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { LOG_BY_PLACE, NO_FEATURES, type QueueFeatures } from "../../lib/virtio/ring.ts";
import { makeVirtqueue } from "../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";

const PAGE = 4096;
const RAM_BYTES = 4 << 20;
/** Behind the rings and the indirect tables. */
const POOL = 1 << 20;
const IOVA_BASE = 0xfff0_0000;
const POISON = 0x5a;
const HEADER = 12;

/** One page as the guest's IOMMU knows it. */
interface Mapped {
  readonly physical: number;
  readonly permission: number;
}

/** A question the switch asked. */
export interface Question {
  readonly page: number;
  readonly permission: number;
}

export class IommuGuest {
  readonly port: VhostPort;
  readonly rx: RingDriver;
  readonly tx: RingDriver;
  /** Questions that are not answered yet, oldest first. */
  readonly questions: Question[] = [];
  /** Questions about pages that are not mapped. */
  faults = 0;
  readonly #ram: GuestRam;
  readonly #windows: WindowSet;
  readonly #mapped = new Map<number, Mapped>();
  readonly #freePhysical: number[] = [];
  readonly #freeIova: number[] = [];
  /** The pages of each chain the device holds, and what a transmit chain holds. */
  readonly #chains = new Map<string, { readonly segments: Segment[]; readonly data: Uint8Array }>();

  /** Virtio-net headers of the frames that `receive` brought last, without num_buffers. */
  headers: Uint8Array[] = [];

  /** @param offloads that were negotiated */
  constructor(
    index: number,
    packed: boolean,
    size: number,
    mergeable: boolean,
    offloads: Partial<QueueFeatures> = {},
  ) {
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.#ram = new GuestRam(buffer, 0);
    this.#windows = WindowSet.over(buffer);
    // Neighbours in one address space are strangers in the other.
    for (let page = POOL; page < RAM_BYTES; page += PAGE) {
      this.#freePhysical.push(page);
      this.#poison(page);
    }
    this.#freePhysical.sort((a, b) => (a * 7919) % RAM_BYTES - (b * 7919) % RAM_BYTES);
    for (let n = 0; n < 1024; n++) this.#freeIova.push(IOVA_BASE - 8 * PAGE * n);
    this.port = new VhostPort(index, portBase(index, 2), 2);
    const features = { eventIdx: true, indirect: true };
    const ring = (): RingDriver =>
      packed
        ? new PackedDriver(this.#ram, size, features)
        : new SplitDriver(this.#ram, size, features);
    this.rx = ring();
    this.tx = ring();
    for (const [number, driver] of [this.rx, this.tx].entries()) {
      const [desc, drv, dev] = driver.areas.map((address) => ({ buffer, offset: address }));
      assert(desc && drv && dev);
      const shape = {
        ...{ size, mergeable, eventIdx: true, indirect: true, headerBytes: HEADER },
        ...{ csum: offloads.csum ?? false },
        ...{ desc, driver: drv, device: dev },
      };
      const start = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
      const queue = makeVirtqueue(packed, shape, start);
      queue.descArea = { windows: this.#windows, mappingOffset: desc.offset };
      queue.deviceArea = { windows: this.#windows, mappingOffset: dev.offset };
      const counterBase = vringBase(index, number, 2);
      const vring = new Vring(this.port, number, queue, counterBase);
      vring.features = { ...NO_FEATURES, ...offloads };
      this.port.vrings[number] = vring;
    }
    this.replaceMemory();
  }

  /** The front-end sends its memory table again: nothing is translated. */
  replaceMemory(): void {
    const region = { guestAddr: 0, sizeBytes: RAM_BYTES, windows: this.#windows, mappingOffset: 0 };
    this.port.memory = new GuestMemory([region]);
    this.port.memory.iotlb = new Iotlb(this.port.memory.regions);
    // Indirect tables come from memory that is translated once and for all.
    this.iotlb.update(0, POOL, 0, IOTLB_READ);
    this.port.refreshLogs();
  }

  /** The guest migrates from now on. @returns the dirty log */
  startLog(): Uint8Array {
    const log = new DirtyLog(new ArrayBuffer(RAM_BYTES / PAGE / 8), 0, RAM_BYTES / PAGE / 8);
    this.port.log = log;
    this.port.logAll = true;
    // What the front-end calls the guest address of a ring is an I/O virtual one here.
    for (const vring of this.port.vrings) if (vring) vring.queue.logGuestAddr = LOG_BY_PLACE;
    this.port.refreshLogs();
    return log.bytes;
  }

  /** All of its memory. */
  get bytes(): Uint8Array {
    return this.#ram.bytes;
  }

  get iotlb(): Iotlb {
    assert(this.port.memory.iotlb);
    return this.port.memory.iotlb;
  }

  #poison(page: number): void {
    this.#ram.bytes.fill(POISON, page, page + PAGE);
  }

  /** Maps a buffer that starts somewhere in a page. */
  #map(bytes: number, permission: number): Segment {
    const iova = this.#freeIova.pop();
    assert(iova !== undefined);
    const inPage = (bytes * 64) % PAGE;
    for (let at = 0; at < inPage + bytes; at += PAGE) {
      const physical = this.#freePhysical.shift();
      assert(physical !== undefined, "the guest has enough memory");
      assert(
        this.#ram.bytes.subarray(physical, physical + PAGE).every((byte) => byte === POISON),
        "nobody wrote where nothing was mapped",
      );
      this.#mapped.set(iova + at, { physical, permission });
    }
    return { address: iova + inPage, bytes };
  }

  /** The guest's own view of a buffer. */
  #touch(
    { address, bytes }: Segment,
    visit: (at: number, done: number, part: number) => void,
  ): void {
    for (let done = 0; done < bytes;) {
      const at = address + done;
      const page = this.#mapped.get(at - at % PAGE);
      assert(page);
      const part = Math.min(bytes - done, PAGE - at % PAGE);
      visit(page.physical + at % PAGE, done, part);
      done += part;
    }
  }

  #write(segment: Segment, data: Uint8Array): void {
    this.#touch(segment, (at, done, part) => {
      this.#ram.bytes.set(data.subarray(done, done + part), at);
    });
  }

  #read(segment: Segment): Uint8Array {
    const data = new Uint8Array(segment.bytes);
    this.#touch(
      segment,
      (at, done, part) => data.set(this.#ram.bytes.subarray(at, at + part), done),
    );
    return data;
  }

  /** As Linux does it: invalidated first, used by somebody else after that. */
  #unmap({ address, bytes }: Segment): void {
    const first = address - address % PAGE;
    const pages = Math.ceil((address % PAGE + bytes) / PAGE);
    // A device IOTLB is invalidated in powers of two: neighbours may go, too.
    const range = PAGE * 2 ** Math.ceil(Math.log2(pages));
    this.iotlb.invalidate(first - first % range, range);
    for (let page = first; page < first + PAGE * pages; page += PAGE) {
      const mapped = this.#mapped.get(page);
      assert(mapped);
      this.#mapped.delete(page);
      this.#poison(mapped.physical);
      this.#freePhysical.push(mapped.physical);
    }
    this.#freeIova.push(first);
  }

  /** Offers a receive chain. */
  offer(sizes: readonly number[], indirect: boolean): boolean {
    if (this.rx.free < sizes.length) return false;
    const segments = sizes.map((bytes) => this.#map(bytes, IOTLB_WRITE));
    const id = this.rx.add(segments, true, indirect);
    assert(id >= 0);
    this.#chains.set(`rx ${id}`, { segments, data: new Uint8Array() });
    this.rx.publish();
    return true;
  }

  /**
   * Sends a frame, its header included, in pieces of these sizes and a last one.
   * @param header its first bytes, of 10
   */
  send(
    frame: Uint8Array,
    pieces: readonly number[],
    indirect: boolean,
    header: Uint8Array = new Uint8Array(0),
  ): boolean {
    if (this.tx.free < pieces.length + 1) return false;
    const data = new Uint8Array(HEADER + frame.length);
    data.set(header);
    data.set(frame, HEADER);
    const segments: Segment[] = [];
    let from = 0;
    for (const piece of [...pieces, data.length]) {
      const bytes = Math.min(piece, data.length - from);
      if (bytes === 0) break;
      const segment = this.#map(bytes, IOTLB_READ);
      this.#write(segment, data.subarray(from, from + bytes));
      segments.push(segment);
      from += bytes;
    }
    const id = this.tx.add(segments, false, indirect);
    assert(id >= 0);
    this.#chains.set(`tx ${id}`, { segments, data });
    this.tx.publish();
    return true;
  }

  #settle(key: string): { readonly segments: Segment[]; readonly data: Uint8Array } {
    const chain = this.#chains.get(key);
    assert(chain);
    this.#chains.delete(key);
    return chain;
  }

  /** Takes back what was sent. @returns how many frames */
  reclaim(): number {
    const used = this.tx.takeUsed();
    for (const { id } of used) {
      const { segments, data } = this.#settle(`tx ${id}`);
      let from = 0;
      for (const segment of segments) {
        const now = this.#read(segment);
        assert.deepEqual(now, data.slice(from, from + segment.bytes), "only read from");
        from += segment.bytes;
        this.#unmap(segment);
      }
    }
    return used.length;
  }

  /** Frames received since the last look. */
  receive(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let parts: number[] = [];
    let left = 0;
    this.headers = [];
    for (const { id, bytes } of this.rx.takeUsed()) {
      const { segments } = this.#settle(`rx ${id}`);
      const all = segments.flatMap((segment) => Array.from(this.#read(segment)));
      assert(
        all.slice(bytes).every((byte) => byte === POISON),
        "no byte behind used.len is written",
      );
      for (const segment of segments) this.#unmap(segment);
      const data = all.slice(0, bytes);
      if (left === 0) {
        left = (data[10] ?? 0) + 256 * (data[11] ?? 0);
        this.headers.push(Uint8Array.from(data.slice(0, 10)));
      }
      parts.push(...(parts.length === 0 ? data.slice(HEADER) : data));
      if (--left > 0) continue;
      frames.push(Uint8Array.from(parts));
      parts = [];
    }
    assert.equal(left, 0, "num_buffers buffers were given");
    return frames;
  }

  /** The front-end answers its oldest question. @returns whether there was one */
  answer(path: Datapath): boolean {
    const question = this.questions.shift();
    if (!question) return false;
    const mapped = this.#mapped.get(question.page);
    if (!mapped) this.faults++;
    else this.translate(path, question.page, mapped.physical, mapped.permission);
    return true;
  }

  /** The front-end sends a translation of a page. */
  translate(path: Datapath, page: number, physical: number, permission: number): void {
    assert(this.iotlb.update(page, PAGE, physical, permission));
    rangeTranslated(path, this.port, page, PAGE);
    path.refresh();
  }

  /** The pages of every buffer that the device holds. */
  get pages(): number[] {
    return [...this.#mapped.keys()];
  }
}

/** A datapath with these guests' ports, which asks each for the translations that it lacks. */
export function makeIommuPath(
  guests: readonly IommuGuest[],
  portsMax: number = guests.length,
): Datapath {
  return makeDatapath(guests.map(({ port }) => port), {
    portsMax,
    host: {
      untranslated: ({ port }, page, permission) => {
        guests[port.index]?.questions.push({ page, permission });
        return true;
      },
    },
  });
}
