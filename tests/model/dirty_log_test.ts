/**
 * The dirty log against all of guest memory: whatever random traffic does, every page that changed
 * is logged, wherever the guest sees it, and no page that the device never writes.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import {
  DirtyLog,
  logPackedUsed,
  logRange,
  logSplitUsed,
  QueueLog,
} from "../../lib/virtio/memory/dirty_log.ts";
import { GuestMemory } from "../../lib/virtio/memory/guest_memory.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";
import { askingHeader, frameOf as packetFrame, type Packet } from "./packets.ts";
import { Bench, frameOf, makePath, poll, type Shape } from "./two_ports.ts";

const PAGE = 4096;
const RAM_BYTES = 1 << 20;
const RAM_PAGES = RAM_BYTES / PAGE;
/** Behind it, memory that is not the log's. */
const LOG_BYTES = 2 ** 20;
const GUARD_BYTES = 64;
const GUARD = 0x5a;
/** Where the first half of memory is seen a second time. */
const ALIAS = 20 * 2 ** 30;

interface Logging {
  readonly all: boolean;
  readonly rings: boolean;
}

/** A guest that migrates: its log, and what its memory was when the device had its last turn. */
class Migrating {
  readonly bench: Bench;
  readonly log: DirtyLog;
  readonly #base: number;
  readonly #logging: Logging;
  readonly #ringPages = new Set<number>();
  readonly #bufferPages = new Set<number>();
  readonly #before = new Uint8Array(RAM_BYTES);

  constructor(index: number, shape: Shape, base: number, logging: Logging) {
    this.#base = base;
    this.#logging = logging;
    this.bench = new Bench(index, shape, base, RAM_BYTES);
    // Buffers start on a page of their own, so that rings and buffers can be told apart.
    this.bench.ram.take(0, PAGE);
    const { port, ram } = this.bench;
    const [region] = port.memory.regions;
    assert(region);
    const alias = { ...region, guestAddr: ALIAS, sizeBytes: RAM_BYTES / 2 };
    port.memory = new GuestMemory([region, alias]);
    const buffer = new Uint8Array(LOG_BYTES + GUARD_BYTES).fill(GUARD, LOG_BYTES);
    this.log = new DirtyLog(buffer.buffer, 0, LOG_BYTES);
    port.log = this.log;
    port.logAll = logging.all;
    for (const [i, driver] of [this.bench.rx, this.bench.tx].entries()) {
      const [desc, , device] = driver.areas;
      const vring = port.vrings[i];
      assert(vring);
      if (logging.rings) vring.queue.logGuestAddr = device;
      const bytes = 8 * shape.size + 6;
      this.#addPages(this.#ringPages, ram.at(device), shape.packed ? 4 : bytes);
      if (shape.packed) this.#addPages(this.#ringPages, ram.at(desc), 16 * shape.size);
    }
    port.refreshLogs();
  }

  #addPages(pages: Set<number>, at: number, bytes: number): void {
    for (let page = Math.floor(at / PAGE); page * PAGE < at + bytes; page++) pages.add(page);
  }

  /** Offers a receive chain, somewhere. */
  offer(sizes: readonly number[], indirect: boolean, gap: number): void {
    const { ram } = this.bench;
    const from = ram.at(ram.take(gap, 1));
    this.bench.offer(sizes, indirect);
    this.#addPages(this.#bufferPages, from, ram.at(ram.take(0, 1)) - from + 1);
  }

  /** The device asks for kicks on both rings, or no more. */
  setKicks(wanted: boolean): void {
    for (const vring of this.bench.port.vrings) {
      assert(vring);
      vring.queue.setKicks(wanted);
    }
  }

  /** The device is about to have its turn. */
  look(): void {
    this.#before.set(this.bench.ram.bytes);
  }

  #logged(guestPage: number): boolean {
    const byte = this.log.bytes[Math.floor(guestPage / 8)] ?? 0;
    return (byte & (1 << (guestPage % 8))) !== 0;
  }

  /** The device had its turn: compares memory with the log and empties the log. */
  check(): void {
    const { bytes } = this.bench.ram;
    const { all, rings } = this.#logging;
    for (let page = 0; page < RAM_PAGES; page++) {
      const at = page * PAGE;
      let changed = false;
      for (let i = at; i < at + PAGE && !changed; i++) changed = bytes[i] !== this.#before[i];
      const seen = [this.#base / PAGE + page];
      if (page < RAM_PAGES / 2) seen.push(ALIAS / PAGE + page);
      const isRing = this.#ringPages.has(page);
      const due = changed && (isRing ? rings : all);
      const allowed = (rings && isRing) || (all && this.#bufferPages.has(page));
      for (const guestPage of seen) {
        const logged = this.#logged(guestPage);
        if (due) assert(logged, `page ${page} changed and is not logged`);
        if (logged) assert(allowed, `page ${page} is logged and the device never writes it`);
      }
    }
    this.log.bytes.fill(0);
    const guard = new Uint8Array(this.log.bytes.buffer, LOG_BYTES);
    assert(guard.every((byte) => byte === GUARD), "nothing is written behind the log");
  }
}

const shape = fc.record({
  packed: fc.boolean(),
  size: fc.constantFrom(4, 8, 64, 256),
  mergeable: fc.boolean(),
  eventIdx: fc.boolean(),
  start: fc.constantFrom(0, 1, 0x7fff, 0xfffe, 0xffff),
});
const logging = fc.record({ all: fc.boolean(), rings: fc.boolean() });
const step = fc.record({
  kind: fc.constantFrom("send", "send", "send", "poll", "kicks"),
  bytes: fc.oneof(fc.integer({ min: 14, max: 80 }), fc.integer({ min: 14, max: 4000 })),
  gap: fc.nat(6000),
  indirect: fc.boolean(),
  plain: fc.boolean(),
  wanted: fc.boolean(),
});

const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };

Deno.test("pages that segments of large frames, and completed ones, are written to are logged", () => {
  const packet = fc.record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    bytes: fc.integer({ min: 1, max: 8000 }),
    size: fc.constantFrom(0, 200, 1400, 4000),
    gaps: fc.array(fc.nat(6000), { minLength: 1, maxLength: 3 }),
    takes: fc.constantFrom({}, { guestCsum: true }, { guestCsum: true, guestTso4: true }),
    packed: fc.tuple(fc.boolean(), fc.boolean()),
    mergeable: fc.boolean(),
    logging,
  });
  let pieces = 0;
  fc.assert(
    fc.property(
      packet,
      ({ version, protocol, bytes, size, gaps, takes, packed, mergeable, logging }) => {
        const base = { size: 256, eventIdx: false, start: 0 };
        const sends = { ...base, packed: packed[0], mergeable: true, offloads: SENDS };
        const gets = { ...base, packed: packed[1], mergeable, offloads: takes };
        const sender = new Migrating(0, sends, 0x1_0000_0000, { all: true, rings: true });
        const receiver = new Migrating(1, gets, 0, logging);
        const path = makePath([sender.bench, receiver.bench]);
        const one: Packet = {
          ...{ tags: [], version, extra: [], identification: 1, protocol, sequence: 1 },
          ...{ flags: 0x18, tcpOptions: new Uint8Array(), to: 2, from: 1 },
          payload: new Uint8Array(bytes).fill(0xc3),
        };
        for (let i = 0; i < 48; i++) {
          receiver.offer(
            mergeable ? [700] : [12, 4000, 5000],
            !mergeable,
            gaps[i % gaps.length] ?? 0,
          );
        }
        const large = bytes > size ? size : 0;
        assert(sender.bench.send(packetFrame(one, "begun"), [], false, askingHeader(one, large)));
        for (const guest of [sender, receiver]) guest.look();
        while (poll(path, sender.bench) > 0);
        for (const guest of [sender, receiver]) guest.check();
        pieces += receiver.bench.received().length;
      },
    ),
    { numRuns: 40 },
  );
  assert(pieces > 20, `${pieces} frames came`);
});

Deno.test("every page that traffic changes is logged, split and packed, and no other", () => {
  fc.assert(
    fc.property(
      fc.tuple(shape, logging),
      fc.tuple(shape, logging),
      fc.array(step, { maxLength: 40 }),
      (a, b, steps) => {
        const sender = new Migrating(0, a[0], 0x1_0000_0000, a[1]);
        const receiver = new Migrating(1, b[0], 0, b[1]);
        const guests = [sender, receiver];
        const path = makePath(guests.map((guest) => guest.bench));
        for (const [number, { kind, bytes, gap, indirect, plain, wanted }] of steps.entries()) {
          if (kind === "send") {
            const sizes = b[0].mergeable ? [700, 333] : [12, 1, 4100];
            receiver.offer(plain ? [4113] : sizes, indirect && !plain, gap);
            sender.bench.send(frameOf(bytes, number, false), [gap], indirect);
            continue;
          }
          for (const guest of guests) guest.look();
          if (kind === "poll") poll(path, sender.bench);
          else for (const guest of guests) guest.setKicks(wanted);
          for (const guest of guests) guest.check();
          sender.bench.tx.takeUsed();
          receiver.bench.received();
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** Pages logged by `write`, of a queue whose two areas start at these guest addresses. */
function pagesOf(desc: number, device: number, write: (queue: QueueLog) => void): number[] {
  const windows = WindowSet.over(new ArrayBuffer(RAM_BYTES));
  const memory = new GuestMemory([
    { guestAddr: 0, sizeBytes: RAM_BYTES, windows, mappingOffset: 0 },
  ]);
  const area = (at: number): QueueLog["desc"] => ({ windows, mappingOffset: at });
  const log = new DirtyLog(new ArrayBuffer(RAM_PAGES / 8), 0, RAM_PAGES / 8);
  write(new QueueLog(memory, area(desc), area(device), null, log, device));
  return Array.from({ length: RAM_PAGES }, (_, page) => page)
    .filter((page) => ((log.bytes[page >> 3] ?? 0) & (1 << (page & 7))) !== 0);
}

Deno.test("rings of many pages: exactly the entries written are logged, round the end too", () => {
  const size = 2048;
  const numbers = fc.tuple(fc.nat(65535), fc.integer({ min: 1, max: size }));
  const place = fc.nat(64).map((n) => 4 * n + PAGE);
  fc.assert(
    fc.property(numbers, place, ([from, count], at) => {
      const touched = (offsets: readonly number[], bytes: number): number[] => {
        const pages = offsets.flatMap((o) => [at + o, at + o + bytes - 1])
          .map((address) => Math.floor(address / PAGE));
        return [...new Set(pages)].sort((a, b) => a - b);
      };
      const slots = Array.from({ length: count }, (_, i) => (from + i) % size);
      const split = pagesOf(0, at, (q) => logSplitUsed(q, size, from, (from + count) & 0xffff));
      assert.deepEqual(
        split,
        touched([0, ...slots.flatMap((slot) => [4 + 8 * slot, 8 + 8 * slot])], 4),
      );
      const first = from % size;
      const packed = pagesOf(at, 0, (q) => logPackedUsed(q, size, first, (first + count) % size));
      assert.deepEqual(packed, touched(slots.map((slot) => 16 * slot), 16));
    }),
  );
});

Deno.test("a log smaller than memory is written as far as it goes", () => {
  const buffer = new Uint8Array(64).fill(GUARD);
  buffer.fill(0, 16, 24);
  const log = new DirtyLog(buffer.buffer, 16, 8);
  logRange(log, 0, 1);
  logRange(log, PAGE - 1, 2);
  logRange(log, 62 * PAGE, 4 * PAGE);
  logRange(log, 64 * PAGE, 1);
  logRange(log, 2 ** 53 - PAGE, PAGE);
  assert.deepEqual([...buffer.subarray(16, 24)], [0b11, 0, 0, 0, 0, 0, 0, 0b1100_0000]);
  const rest = [...buffer.subarray(0, 16), ...buffer.subarray(24)];
  assert(rest.every((byte) => byte === GUARD), "the log's neighbours are untouched");
});
