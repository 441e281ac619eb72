/**
 * What a frame costs in computing alone: two ports in one thread, rings in memory that no other core
 * touches. `deno run -A bench/micro/main.ts`: ns a frame by ring kind and size, and by stage.
 *
 * @module
 */
import { createMemoryFile, Mapping, viewMemory } from "../../ffi/mod.ts";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { pollSource } from "../../lib/switch/datapath.ts";
import { NullPort } from "../../lib/switch/ports/null_port.ts";
import { BURST_BYTES_MAX, openFrames } from "../../lib/virtio/burst.ts";
import { OUTCOMES } from "../../lib/virtio/deliver.ts";
import { copyBytes } from "../../lib/virtio/memory/window.ts";
import { JOURNAL_RECEIVES, journalBytes } from "../../lib/virtio/packed/journal.ts";
import { SplitQueue } from "../../lib/virtio/split/queue.ts";
import type { Virtqueue } from "../../lib/virtio/virtqueue.ts";
import {
  begin,
  leastNs,
  LocalGuest,
  makePath,
  RX_BUFFERS,
  SIZE,
  strideOf,
  TX_BUFFERS,
} from "./local_guest.ts";

/** As text, ns a frame. */
function best(frames: number, run: () => void, rounds?: number): string {
  return leastNs(frames, run, rounds).toFixed(1).padStart(6);
}

/** As in a switch that keeps a journal of its packed rings. */
function keepJournal(queue: Virtqueue, index: number): void {
  const { address } = Mapping.map(createMemoryFile("journal", 4096), 0, 4096);
  const view = viewMemory(address, journalBytes(SIZE));
  new Int32Array(view)[JOURNAL_RECEIVES] = index === 0 ? 1 : 0;
  queue.keepJournal({ buffer: view, offset: 0 }, SIZE);
}

function whole(packed: boolean, bytes: number, journal: boolean): void {
  const guests = [0, 1].map((number) => new LocalGuest(number, packed, bytes));
  if (journal) { for (const guest of guests) [guest.rx, guest.tx].forEach(keepJournal); }
  const path = makePath(guests.map(({ port }) => port));
  const isLarge = bytes * SIZE > BURST_BYTES_MAX;
  const ns = best(2 * SIZE, () => {
    for (const guest of guests) guest.refill();
    for (const source of path.sources) pollSource(path, source);
    // A visit ends by its bytes as well.
    if (isLarge) { for (const source of path.sources) while (pollSource(path, source) > 0); }
  }, isLarge ? 100 : 3000);
  const refill = best(2 * SIZE, () => guests.forEach((guest) => guest.refill()));
  const ring = journal ? "packed, journal" : packed ? "packed" : "split ";
  console.log(`${ring} ${String(bytes).padStart(5)} B  ${ns} ns a frame, refill ${refill} of it`);
}

/** A frame's way without its last piece: to a port that swallows. */
function swallowed(packed: boolean, bytes: number): void {
  const guest = new LocalGuest(0, packed, bytes);
  const path = makePath([guest.port, new NullPort(1, portBase(1, 2))]);
  path.fdb.learn(0x02, 0x0200, 1, 0);
  const ns = best(SIZE, () => {
    guest.refill();
    for (const source of path.sources) pollSource(path, source);
  });
  const sent = path.counters[portBase(0, 2) + PORT.rxFrames];
  if (path.counters[portBase(1, 2) + PORT.txFrames] !== sent) throw new Error("not all arrived");
  console.log(`${packed ? "packed" : "split "} ${String(bytes).padStart(4)} B to nowhere ${ns}`);
}

function stages(bytes: number): void {
  const guest = new LocalGuest(0, false, bytes);
  const { port, windows } = guest;
  const { rx, tx } = guest;
  if (!(rx instanceof SplitQueue && tx instanceof SplitQueue)) throw new Error("split rings");
  const list = new Uint16Array(SIZE).map((_, i) => i);
  const outcomes = new Int32Array(OUTCOMES);
  guest.refill();
  const take = (): void => {
    tx.lastAvail = 0;
    tx.take(port.memory, SIZE);
  };
  const open = (): void => {
    take();
    openFrames(SIZE, 12);
  };
  console.log(`split stages, ${bytes} B, ns a frame`);
  console.log(`  take        ${best(SIZE, take)}`);
  console.log(`  take, open  ${best(SIZE, open)}`);
  open();
  const deliver = (): void => {
    rx.lastAvail = rx.lastUsed = 0;
    rx.deliver(port.memory, list, 0, SIZE, outcomes);
  };
  console.log(`  deliver     ${best(SIZE, deliver)}`);
  console.log(`  finish      ${best(SIZE, () => tx.finish(SIZE))}`);
  const window = windows.window(0);
  for (const size of [48, 64, 112, 1484]) {
    const copy = (): void => {
      for (let i = 0; i < SIZE; i++) {
        const at = i * strideOf(size) + 28;
        copyBytes(window, RX_BUFFERS + at, window, TX_BUFFERS + at, size);
      }
    };
    console.log(`  copy ${String(size).padStart(4)} B ${best(SIZE, copy)}`);
  }
}

begin();
for (const [packed, journal] of [[false, false], [true, false], [true, true]] as const) {
  for (const bytes of journal ? [64, 1500] : [64, 1500, 9000, 65_000]) {
    whole(packed, bytes, journal);
  }
}
stages(64);
for (const packed of [false, true]) swallowed(packed, 64);
