/**
 * What size costs: of guest memory.
 *
 * @module
 */
import { drive, type Load } from "../load/testpmd_load.ts";
import { vuswitch } from "../rivals/vuswitch.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";

const SMALL_MIB = 512;
/** Buffers are taken from the end of it: beyond 8 GiB. */
const LARGE_MIB = 9216;
const LARGE_OFFSET = 8 * 2 ** 30;

/** vuswitch and a guest of so much memory. @throws in a run whose buffers do not lie high enough */
function guestOf(name: string, load: Load): Contender {
  const settings = { ports: 2, frameBytes: load.bytes, addresses: 2 };
  return {
    name,
    missing: vuswitch.missing,
    run: (bench, folder) =>
      withRival(vuswitch, { ...settings, folder }, bench, async (rival) => {
        const figure = await drive(rival, load, bench);
        if (load.memoryMib === LARGE_MIB && figure.bufferOffset < LARGE_OFFSET) {
          const gib = (figure.bufferOffset / 2 ** 30).toFixed(2);
          throw new Error(`the large guest's buffers start at ${gib} GiB: this run means nothing`);
        }
        return figure;
      }),
  };
}

function memoryCell(ring: "split" | "packed", bytes: number): Cell {
  const load = { ring, bytes, vectorized: false };
  return {
    suite: "scale",
    cell: `memory of 9 GiB, ${ring} ${bytes}`,
    metric: "frames a second, both ways together",
    unit: "Mpps",
    better: "more",
    x: null,
    subject: "vuswitch, 9 GiB guest",
    contenders: [
      guestOf("vuswitch, 9 GiB guest", { ...load, memoryMib: LARGE_MIB }),
      guestOf("vuswitch, 512 MiB guest", { ...load, memoryMib: SMALL_MIB }),
    ],
    memoryMib: LARGE_MIB + SMALL_MIB,
    overheadSeconds: 8,
  };
}

/** See the module. */
export const scale: Suite = {
  name: "scale",
  about: "guest memory of 9 GiB",
  cells: (quick) => quick ? [] : [memoryCell("split", 64), memoryCell("packed", 1500)],
};
