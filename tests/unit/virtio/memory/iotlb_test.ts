/** Translations as the rings use them: permissions by what a segment is for, and windows. */
import { strict as assert } from "node:assert";
import { BUFFER_SEGMENTS, SCRATCH_SEGMENTS, TAKEN_SEGMENTS } from "../../../../lib/virtio/burst.ts";
import {
  Iotlb,
  IOTLB_ENTRIES_MAX,
  IOTLB_READ,
  IOTLB_WRITE,
} from "../../../../lib/virtio/memory/iotlb.ts";
import {
  GuestMemory,
  pushSegments,
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../../lib/virtio/memory/guest_memory.ts";
import { Arena, WINDOW_STRIDE } from "../../../../lib/virtio/memory/arena.ts";
import { useArena, WindowSet } from "../../../../lib/virtio/memory/window.ts";

const PAGE = 4096;
const SIZE = 3 * WINDOW_STRIDE;

/** Address space: nothing of it is touched. */
const ARENA = { address: 2 ** 40, sizeBytes: 4 * WINDOW_STRIDE, viewBytesMax: 4 * WINDOW_STRIDE };
useArena(new Arena(ARENA, (_, sizeBytes) => new ArrayBuffer(sizeBytes)));

/** A guest of 3 GiB whose mapping starts one page into its file. */
class Guest implements Disposable {
  readonly windows = WindowSet.mapped(ARENA.address, SIZE + PAGE);
  readonly memory: GuestMemory;
  readonly iotlb: Iotlb;

  constructor() {
    const region = { guestAddr: 0, sizeBytes: SIZE, windows: this.windows, mappingOffset: PAGE };
    this.memory = new GuestMemory([region]);
    this.iotlb = new Iotlb(this.memory.regions);
    this.memory.iotlb = this.iotlb;
  }

  /** Where a range is found: window, offset and bytes of each segment; null if it is not. */
  find(at: number, iova: number, sizeBytes: number): number[][] | null {
    const end = pushSegments(this.memory, at, iova | 0, Math.floor(iova / 2 ** 32), sizeBytes);
    if (end < 0) return null;
    return Array.from({ length: end - at }, (_, i) => [
      ...[segmentWindow[at + i], segmentOffset[at + i], segmentBytes[at + i]].map(Number),
    ]);
  }

  [Symbol.dispose](): void {
    this.windows.release();
  }
}

Deno.test("buffers of the device are written, everything else is read", () => {
  using guest = new Guest();
  const { iotlb } = guest;
  iotlb.update(0x1000, PAGE, ARENA.address + PAGE, IOTLB_READ);
  iotlb.update(0x2000, PAGE, ARENA.address + PAGE, IOTLB_WRITE);
  for (
    const [at, iova, permission] of [
      [TAKEN_SEGMENTS, 0x2000, IOTLB_READ],
      [SCRATCH_SEGMENTS, 0x2000, IOTLB_READ],
      [BUFFER_SEGMENTS, 0x1000, IOTLB_WRITE],
      [SCRATCH_SEGMENTS - 1, 0x1000, IOTLB_WRITE],
    ] as const
  ) {
    const other = iova === 0x1000 ? 0x2000 : 0x1000;
    assert.equal(guest.find(at, iova + 7, 10), null);
    assert.deepEqual([iotlb.missed, iotlb.missedAddress, iotlb.missedPermission], [
      true,
      iova + 7,
      permission,
    ]);
    assert.equal(guest.find(at, other + 7, 10)?.length, 1);
    assert.equal(iotlb.missed, false);
  }
});

Deno.test("a range is found in the window it lies in, in pieces where its translation has some", () => {
  using guest = new Guest();
  const { iotlb, windows } = guest;
  const at = 2 * WINDOW_STRIDE - PAGE;
  // Across the start of a window, which reaches far enough for that.
  iotlb.update(2 ** 40, 2 * PAGE, ARENA.address + at, IOTLB_READ);
  assert.deepEqual(guest.find(TAKEN_SEGMENTS, 2 ** 40 + 10, 6000), [
    [windows.window(at), WINDOW_STRIDE - PAGE + 10, 6000],
  ]);
  iotlb.update(2 ** 40 + 2 * PAGE, PAGE, ARENA.address + PAGE, IOTLB_READ);
  assert.deepEqual(guest.find(TAKEN_SEGMENTS, 2 ** 40 + PAGE + 10, PAGE), [
    [windows.window(2 * WINDOW_STRIDE), 10, PAGE - 10],
    [windows.window(0), PAGE, 10],
  ]);
  assert.equal(guest.find(TAKEN_SEGMENTS, 2 ** 40 + 3 * PAGE - 10, 11), null);
  assert.equal(
    iotlb.missedAddress,
    2 ** 40 + 3 * PAGE,
    "what is missing, not where the buffer starts",
  );
  iotlb.update(0, 2 * WINDOW_STRIDE, ARENA.address + PAGE, IOTLB_READ);
  assert.deepEqual(guest.find(TAKEN_SEGMENTS, 5, 2 ** 31 - 10)?.map(([, , bytes]) => bytes), [
    WINDOW_STRIDE,
    WINDOW_STRIDE - 10,
  ]);
});

Deno.test("addresses that cannot be are faults, not misses", () => {
  using guest = new Guest();
  for (const iova of [2 ** 53, 2 ** 63]) {
    assert.equal(guest.find(TAKEN_SEGMENTS, iova, 1), null);
    assert.equal(guest.iotlb.missed, false);
  }
  assert.equal(guest.find(TAKEN_SEGMENTS, 2 ** 53 - 8, 10), null);
  assert.equal(guest.iotlb.missed, false);
  assert.equal(guest.find(TAKEN_SEGMENTS, 2 ** 53 - 8, 8), null);
  assert.equal(guest.iotlb.missed, true);
});

Deno.test("questions are open until they are answered, and remembered within bounds", () => {
  using guest = new Guest();
  const { iotlb } = guest;
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), true);
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), false);
  assert.equal(iotlb.ask(0x5000, IOTLB_WRITE), true, "another permission is another question");
  iotlb.invalidate(0, 2 ** 64);
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), false, "its answer is still to come");
  iotlb.update(0x5000, PAGE, ARENA.address + PAGE, IOTLB_READ);
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), true);
  iotlb.unask(0x5000, IOTLB_READ);
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), true);
  iotlb.update(0, SIZE, ARENA.address + PAGE, IOTLB_READ);
  assert.equal(iotlb.ask(0x5000, IOTLB_READ), true, "a long answer closes it as well");
  let fresh = 0;
  for (let n = 0; n < 3 * IOTLB_ENTRIES_MAX; n++) if (iotlb.ask(n * PAGE, IOTLB_READ)) fresh++;
  assert.equal(fresh, 3 * IOTLB_ENTRIES_MAX - 1);
  assert.equal(iotlb.ask(0, IOTLB_READ), true, "the oldest is forgotten");
});

Deno.test("more and more is asked for ahead, until everything is invalidated", () => {
  using guest = new Guest();
  const { iotlb } = guest;
  const ahead = (): number[] => Array.from({ length: 5 }, () => iotlb.takeAhead());
  assert.deepEqual(ahead(), [4, 8, 16, 32, 32]);
  iotlb.invalidate(0x1000, 2 ** 20);
  assert.deepEqual(ahead(), [32, 32, 32, 32, 32]);
  for (const [iova, sizeBytes] of [[0, 2 ** 64], [2 ** 32, 2 ** 52], [0xfef0_0000, 2 ** 63]]) {
    iotlb.invalidate(Number(iova), Number(sizeBytes));
    assert.deepEqual(ahead(), [4, 8, 16, 32, 32]);
  }
});
