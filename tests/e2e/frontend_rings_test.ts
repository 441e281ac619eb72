/**
 * Every kind of ring between two TypeScript guests and a switch: frames of all sizes, each byte
 * checked, both ways, over and over the ring's end.
 *
 * @module
 */
import { NetGuest, type NetGuestOptions } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { FRAME_BYTES_MIN, introduce, macOf, type Send, transfer } from "../harness/traffic.ts";

type Kind = Omit<NetGuestOptions, "socket" | "mac">;

const LARGE = 65535;
/** Around every border that matters: Ethernet, the checked head, the copy loop, buffers, 64 KiB. */
const SIZES = [18, 19, 30, 31, 32, 59, 60, 64, 65, 79, 80, 81, 95, 128, 500, 1500, 1514, 1518]
  .concat([2035, 2036, 2037, 2048, 4071, 4072, 4073, 4084, 9014, 16383, 32768, 65534, LARGE]);
const SMALL = SIZES.filter((size) => size <= 2036);

function rounds(sizes: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => sizes[i % sizes.length] as number);
}

/** Starts two guests of these kinds on a switch and runs traffic both ways. */
async function pair(
  bed: Bed,
  kinds: readonly [Kind, Kind],
  sizes: readonly number[],
  window: number,
  send?: Send,
): Promise<void> {
  using one = await NetGuest.start({ socket: bed.socket(1), mac: macOf(1), ...kinds[0] });
  using two = await NetGuest.start({ socket: bed.socket(2), mac: macOf(2), ...kinds[1] });
  await introduce(one, two);
  await transfer(one, two, sizes, window, send);
  await transfer(two, one, sizes, window, send);
}

/** One switch serves all steps: each leaves its ports as it found them. */
async function withSwitch(
  t: Deno.TestContext,
  steps: Record<string, (bed: Bed) => Promise<void>>,
): Promise<void> {
  await using bed = await Bed.make(2);
  for (const [name, run] of Object.entries(steps)) await t.step(name, () => run(bed));
}

Deno.test("rings: kind × buffers × suppression × header, frames of 18 to 65,535 bytes", async (t) => {
  const steps: Record<string, (bed: Bed) => Promise<void>> = {};
  for (const packed of [false, true]) {
    for (const mergeable of [false, true]) {
      for (const eventIdx of [false, true]) {
        for (const version1 of [false, true]) {
          const kind: Kind = { packed, mergeable, eventIdx, version1 };
          if (packed && !version1) continue;
          const bufferPieces = mergeable ? [2048] : [LARGE + 12];
          const whole = {
            ...kind,
            bufferPieces,
            ringSize: mergeable ? 256 : 32,
            memoryBytes: 32 << 20,
          };
          const name = Object.entries(kind).map(([key, on]) => `${key}=${on}`).join(" ");
          steps[name] = (bed) => pair(bed, [whole, whole], rounds(SIZES, 120), 4);
        }
      }
    }
  }
  await withSwitch(t, steps);
});

Deno.test("rings: sizes from 1 to 32,768, split and packed, odd ones too", async (t) => {
  const steps: Record<string, (bed: Bed) => Promise<void>> = {};
  const list: readonly (readonly [boolean, number])[] = [
    [false, 1],
    [false, 2],
    [false, 64],
    [false, 1024],
    [true, 1],
    [true, 2],
    [true, 3],
    [true, 5],
    [true, 255],
    [true, 1000],
  ];
  for (const [packed, ringSize] of list) {
    for (const eventIdx of [false, true]) {
      steps[`${packed ? "packed" : "split"} ${ringSize} eventIdx=${eventIdx}`] = (bed) => {
        const kind = { packed, ringSize, eventIdx };
        const count = Math.min(3000, Math.max(200, 5 * ringSize));
        return pair(bed, [kind, kind], rounds(SMALL, count), Math.min(ringSize, 128));
      };
    }
  }
  for (const packed of [false, true]) {
    steps[`${packed ? "packed" : "split"} 32768`] = (bed) => {
      const kind: Kind = { packed, ringSize: 32768, bufferPieces: [256], memoryBytes: 64 << 20 };
      return pair(bed, [kind, kind], rounds(SMALL.filter((size) => size < 200), 40_000), 4096);
    };
  }
  await withSwitch(t, steps);
});

Deno.test("rings: header and data over descriptors in every layout", async (t) => {
  const steps: Record<string, (bed: Bed) => Promise<void>> = {};
  const layouts: Record<string, readonly number[]> = {
    "header alone": [12],
    "header in two": [10, 2],
    "header byte by byte": Array<number>(12).fill(1),
    "header and head byte by byte": Array<number>(28).fill(1),
    "header shares with one byte of data": [13],
    "empty descriptors in between": [0, 12, 0, 14, 0, 0, 5],
    "ends inside the head": [12, 13, 2],
    "200 descriptors of a byte": Array<number>(200).fill(1),
    "uneven": [3, 17, 100, 1, 64, 65],
  };
  for (const packed of [false, true]) {
    for (const [name, pieces] of Object.entries(layouts)) {
      for (const indirect of [false, true]) {
        const kind: Kind = { packed, ringSize: 256, memoryBytes: 64 << 20 };
        const send: Send = (guest, frame) => guest.sendPieces(frame, pieces, indirect);
        const words = `${packed ? "packed" : "split"}, ${name}${indirect ? ", indirect" : ""}`;
        steps[words] = (bed) => pair(bed, [kind, kind], rounds(SIZES, 62), 4, send);
      }
    }
    const kind: Kind = { packed, eventIdx: false };
    steps[`${packed ? "packed" : "split"}, chain as long as the ring`] = (bed) =>
      pair(
        bed,
        [kind, kind],
        rounds([400, 1514], 40),
        1,
        (guest, frame) => guest.sendPieces(frame, Array<number>(255).fill(1)),
      );
  }
  await withSwitch(t, steps);
});

Deno.test("rings: receive buffers of many small descriptors, chained and merged", async (t) => {
  const steps: Record<string, (bed: Bed) => Promise<void>> = {};
  for (const packed of [false, true]) {
    const word = packed ? "packed" : "split";
    const kind: Kind = { packed, ringSize: 1024 };
    const of = (more: Kind): [Kind, Kind] => [{ ...kind, ...more }, { ...kind, ...more }];
    steps[`${word}, merged from buffers of 128 bytes`] = (bed) =>
      pair(bed, of({ bufferPieces: [128] }), rounds(SIZES, 62), 1);
    steps[`${word}, merged from buffers of 12 bytes`] = (bed) =>
      pair(bed, of({ bufferPieces: [12] }), rounds(SMALL, 60), 1);
    steps[`${word}, header descriptor and 7 pieces`] = (bed) =>
      pair(
        bed,
        of({ bufferPieces: [12, 100, 1, 2, 3, 300, 64, 2000], mergeable: false }),
        rounds(SMALL, 100),
        8,
      );
    steps[`${word}, pieces of a byte in front`] = (bed) =>
      pair(
        bed,
        of({ bufferPieces: [...Array<number>(30).fill(1), 2500], mergeable: false }),
        rounds(SMALL, 100),
        8,
      );
    steps[`${word}, indirect, merged`] = (bed) =>
      pair(
        bed,
        of({
          bufferPieces: [5, 7, 100, 400],
          indirectBuffers: true,
          buffers: 300,
          memoryBytes: 64 << 20,
        }),
        rounds(SIZES, 62),
        1,
      );
  }
  await withSwitch(t, steps);
});

Deno.test("rings: a split and a packed guest, in-order, index wrap after 65,536 frames", async (t) => {
  await withSwitch(t, {
    "split to packed and back, 70,000 frames": (bed) =>
      pair(
        bed,
        [{ inOrder: true }, { packed: true, inOrder: true }],
        Array<number>(70_000).fill(FRAME_BYTES_MIN + 20),
        128,
      ),
    "header of 10 bytes to header of 12 bytes": (bed) =>
      pair(
        bed,
        [{ version1: false, mergeable: false }, { packed: true }],
        rounds(SMALL, 300),
        32,
      ),
  });
});
