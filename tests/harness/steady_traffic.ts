/**
 * Steady traffic of every kind in a process of its own, whose only other work is to say when a pass
 * over all kinds is done: what V8 collects or deoptimises meanwhile is the switch's. Run with
 * `--v8-flags=…` by tests/e2e/steady_test.ts, which ends it.
 *
 * @module
 */
import { copyMemory, Reservation, viewBytesMax, viewMemory } from "../../ffi/mod.ts";
import { counterBytes, PORT } from "../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { clock } from "../../lib/switch/policy/clock.ts";
import { Arena, WINDOW_STRIDE } from "../../lib/virtio/memory/arena.ts";
import { useArena, useHostCopy } from "../../lib/virtio/memory/window.ts";
import { makeDatapath } from "./datapath.ts";
import { type Layout, StillGuest, type StillOptions } from "./still_guest.ts";

const BURST = 32;
/** Bursts of each guest in one pass over one kind. */
const ROUNDS = 400;
/** What a round counts as, ms: a ring that overflowed is shared for a second. */
const ROUND_MS = 50;
const GRANULES = 80;
const BIG = [2048];
const ODD = [46, 60, 61, 127, 300, 590, 1514, 9000];

/** V8 buffers what it prints: this gets it out before the mark that follows it. */
const { fflush } = Deno.dlopen("libc.so.6", {
  fflush: { parameters: ["pointer"], result: "i32" },
}).symbols;

function layout(bytes: readonly number[], pieces = 1, indirect = false): Layout {
  return { bytes, pieces, indirect };
}

/** What is said of a pass. */
export interface Pass {
  /** Frames sent, by kind. */
  readonly frames: readonly number[];
  /** Frames that reached guests, by kind, since the start. */
  readonly arrived: readonly number[];
  /** By how much V8's heap grew, bytes. */
  readonly more: number;
}

interface Kind {
  readonly name: string;
  readonly guests: number;
  /** Last byte of the addresses that guest `number` of this kind sends to. */
  to(number: number, first: number, guests: number): readonly number[];
  readonly rx: Layout;
  readonly tx: Layout;
  readonly journal?: boolean;
}

const PEER = (number: number, first: number): readonly number[] => [first + ((number - first) ^ 1)];
const ALL = (number: number, first: number, guests: number): readonly number[] =>
  Array.from({ length: 16 }, (_, i) => first + (number - first + 1 + i % (guests - 1)) % guests);

const KINDS: readonly Kind[] = [
  { name: "plain", guests: 2, to: PEER, rx: layout(BIG), tx: layout([60]) },
  { name: "large", guests: 2, to: PEER, rx: layout(BIG), tx: layout([1514]) },
  { name: "journal", guests: 2, to: PEER, rx: layout(BIG), tx: layout([60]), journal: true },
  { name: "mixed sizes", guests: 2, to: PEER, rx: layout([1536]), tx: layout(ODD) },
  { name: "chains", guests: 2, to: PEER, rx: layout(BIG, 2), tx: layout(ODD, 4) },
  { name: "tables", guests: 2, to: PEER, rx: layout(BIG, 2, true), tx: layout(ODD, 4, true) },
  { name: "floods", guests: 8, to: () => [255], rx: layout(BIG), tx: layout([60, 300]) },
  { name: "many ports", guests: 16, to: ALL, rx: layout(BIG), tx: layout([60, 300, 1514]) },
];

/** What each guest of a kind has: split rings and packed ones in turn. */
function options(kind: Kind, number: number, first: number): StillOptions {
  return {
    packed: (number - first) % 4 >= 2 || (kind.journal ?? false),
    journal: kind.journal ?? false,
    rx: kind.rx,
    tx: kind.tx,
    to: kind.to(number, first, kind.guests),
  };
}

class Bed {
  readonly path: Datapath;
  readonly kinds: readonly { readonly name: string; readonly guests: readonly StillGuest[] }[];

  constructor(arena: Reservation) {
    let next = 0;
    this.kinds = KINDS.map((kind) => {
      // Guests two and three of a pair speak the other ring: pairs twice.
      const first = next;
      const count = kind.guests === 2 ? 4 : kind.guests;
      next += count;
      const guests = Array.from(
        { length: count },
        (_, i) => new StillGuest(arena, first + i, options(kind, first + i, first)),
      );
      return { name: kind.name, guests };
    });
    const ports = this.kinds.flatMap(({ guests }) => guests.map(({ port }) => port));
    const counters = new Float64Array(counterBytes(ports.length, 2) / 8);
    const table = { entriesMax: 1024, portEntriesMax: 64 };
    this.path = makeDatapath(ports, { counters, ...table });
  }

  /** Frames that reached guests of each kind so far. */
  get arrived(): number[] {
    return this.kinds.map(({ guests }) =>
      guests.reduce(
        (sum, { port }) => sum + (this.path.counters[port.counterBase + PORT.txFrames] ?? 0),
        0,
      )
    );
  }

  /** Many bursts of every guest of one kind, and only of these. @returns frames */
  run({ guests }: { readonly guests: readonly StillGuest[] }, rounds: number): number {
    const { path } = this;
    let frames = 0;
    for (let round = 0; round < rounds; round++) {
      clock.ms += ROUND_MS;
      for (let i = 0; i < guests.length; i++) {
        const guest = guests[i] as StillGuest;
        guest.rx.refill(guest.rx.chains);
        guest.tx.refill(Math.min(BURST, guest.tx.chains));
        frames += pollSource(path, guest.vring);
      }
    }
    return frames;
  }
}

const reserved = Reservation.make(GRANULES * WINDOW_STRIDE, WINDOW_STRIDE);
const { address, sizeBytes } = reserved;
useArena(new Arena({ address, sizeBytes, viewBytesMax: viewBytesMax() }, viewMemory));
useHostCopy(copyMemory);
const bed = new Bed(reserved);
const encoder = new TextEncoder();
for (;;) {
  const used = Deno.memoryUsage().heapUsed;
  const frames = bed.kinds.map((kind) => bed.run(kind, ROUNDS));
  const more = Deno.memoryUsage().heapUsed - used;
  fflush(null);
  const what: Pass = { frames, arrived: bed.arrived, more };
  Deno.stdout.writeSync(encoder.encode(`PASS ${JSON.stringify(what)}\n`));
}
