/** The arena's views: made once, cut right, and showing what is mapped and nobody else's memory. */
import { strict as assert } from "node:assert";
import { closeFd, createMemoryFile, viewMemory } from "../../../../ffi/mod.ts";
import { present } from "../../../../lib/base/assert.ts";
import type { ArenaMapping } from "../../../../lib/control/front_end/guest_arena.ts";
import { Arena, WINDOW_BYTES_MAX, WINDOW_STRIDE } from "../../../../lib/virtio/memory/arena.ts";
import {
  copyWordsIn,
  GuestMemory,
  pushSegments,
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../../lib/virtio/memory/guest_memory.ts";
import {
  windowOwner,
  WindowSet,
  windowStart,
  windowView,
} from "../../../../lib/virtio/memory/window.ts";
import { TestArena } from "../../../harness/arena.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
const ADDRESS = 2 ** 40;

Deno.test("an arena's views are cut out of one buffer, or of few that overlap", () => {
  for (const [granules, most] of [[8, 8], [8, 3], [7, 4], [1, 2], [5, 2]] as const) {
    const made: [number, number][] = [];
    const sizeBytes = granules * WINDOW_STRIDE;
    const arena = new Arena(
      { address: ADDRESS, sizeBytes, viewBytesMax: most * WINDOW_STRIDE },
      (address, bytes) => {
        made.push([address - ADDRESS, bytes]);
        return new ArrayBuffer(bytes);
      },
    );
    assert.equal(made.length, 1, "the first is made before there is traffic");
    for (let granule = 0; granule < granules; granule++) {
      const window = arena.window(granule);
      assert.equal(arena.window(granule), window, "made once");
      const last = made.at(-1)?.[0] ?? NaN;
      assert.equal(last + window.byteOffset, granule * WINDOW_STRIDE);
      const left = sizeBytes - granule * WINDOW_STRIDE;
      assert.equal(window.byteLength, Math.min(WINDOW_BYTES_MAX, left));
    }
    assert.equal(made.length, granules <= most ? 1 : Math.ceil(granules / (most - 1)));
    for (const [, bytes] of made) assert(bytes <= most * WINDOW_STRIDE);
    assert.throws(() => arena.window(granules), /lies in the arena/);
  }
});

/** A guest's memory in an arena, at guest address `base`. */
class Guest implements Disposable {
  readonly windows: WindowSet;
  readonly memory: GuestMemory;
  readonly #arena: TestArena;
  readonly #mapping: ArenaMapping;
  readonly #fd: number;

  constructor(arena: TestArena, sizeBytes: number, offset = 0, base = 0) {
    this.#arena = arena;
    this.#fd = createMemoryFile("arena", offset + sizeBytes);
    this.#mapping = present(arena.map(this.#fd, offset, sizeBytes), "room");
    this.windows = WindowSet.mapped(this.#mapping.address, sizeBytes);
    const region = { guestAddr: base, sizeBytes, windows: this.windows, mappingOffset: 0 };
    this.memory = new GuestMemory([region]);
  }

  get address(): number {
    return this.#mapping.address;
  }

  /** Where a guest address lies, as an address of this process; null: nowhere. */
  host(guestAddr: number, sizeBytes: number): [number, number][] | null {
    const high = Math.floor(guestAddr / 2 ** 32);
    const end = pushSegments(this.memory, 0, guestAddr | 0, high, sizeBytes);
    if (end < 0) return null;
    return Array.from({ length: end }, (_, i) => {
      const window = segmentWindow[i] as number;
      assert.equal(windowOwner[window], this.windows);
      const inMapping = (windowStart[window] as number) + (segmentOffset[i] as number);
      return [inMapping, segmentBytes[i] as number];
    });
  }

  [Symbol.dispose](): void {
    this.windows.release();
    this.#arena.unmap(this.#mapping);
    closeFd(this.#fd);
  }
}

Deno.test("guest addresses are found wherever a mapping begins in its granule", () => {
  using arena = new TestArena().show();
  const size = 5 * WINDOW_STRIDE + 3 * PAGE;
  // As QEMU's memory below and above 4 GiB, and what an odd front-end sends.
  for (const offset of [0, 0xc0000, 3 * PAGE, WINDOW_STRIDE + 5 * PAGE]) {
    for (const base of [0, 0xc0000, 2 ** 32, 2 ** 32 - 7 * PAGE]) {
      using guest = new Guest(arena, size, offset, base);
      assert.equal(guest.windows.skew, guest.address % WINDOW_STRIDE);
      for (let at = 0; at < size; at += WINDOW_STRIDE / 2 - 5 * PAGE) {
        for (const bytes of [1, PAGE, 9000]) {
          if (at + bytes > size) continue;
          const found = guest.host(base + at, bytes);
          assert(found, `${at} of ${base}`);
          let next = at;
          for (const [where, part] of found) {
            assert.equal(where, next);
            next += part;
          }
          assert.equal(next, at + bytes);
        }
      }
      assert.equal(guest.host(base + size - 1, 2), null, "behind its end");
      if (base > 0) assert.equal(guest.host(base - 1, 2), null, "before its start");
    }
  }
});

Deno.test("what is written through windows is in the guest's file, gigabytes into it too", () => {
  using arena = new TestArena().show();
  const size = 40 * WINDOW_STRIDE;
  using guest = new Guest(arena, size, 0xc0000);
  for (const at of [0, WINDOW_STRIDE - 8, 17 * WINDOW_STRIDE + 16, size - 16]) {
    new DataView(viewMemory(guest.address + at, 8)).setUint32(0, at % 1013 + 1, true);
    const into = new Int32Array(2);
    assert(copyWordsIn(guest.memory, at | 0, Math.floor(at / 2 ** 32), 8, into, 0));
    assert.equal(into[0], at % 1013 + 1);
  }
});

Deno.test("a window that was released shows nothing, and comes back without a new view", () => {
  using arena = new TestArena(4).show();
  let number = 0;
  const views = new Set<DataView>();
  for (let round = 0; round < 8; round++) {
    using guest = new Guest(arena, MIB);
    number = guest.windows.window(0);
    const view = windowView[number] as DataView;
    views.add(view);
    view.setUint8(MIB - 1, 7);
    assert.throws(() => WindowSet.mapped(guest.address, MIB), /one mapping/);
    guest.windows.release();
    assert.equal(windowView[number]?.byteLength, 0);
    assert.throws(() => windowView[number]?.getUint8(0), RangeError);
  }
  assert.equal(views.size, 4, "one a granule");
});

Deno.test("a mapping lies in the arena", () => {
  using arena = new TestArena(4).show();
  using guest = new Guest(arena, MIB);
  const { address } = guest;
  const behind = address + 4 * WINDOW_STRIDE - MIB + PAGE;
  for (const at of [address - PAGE, behind]) {
    assert.throws(() => WindowSet.mapped(at, MIB), /lies in the arena/);
  }
});
