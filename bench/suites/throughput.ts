/**
 * Frames a second through one core of the switch, by ring kind and frame size.
 *
 * @module
 */
import { drive, type Load } from "../load/testpmd_load.ts";
import { dpdkIo } from "../rivals/dpdk_io.ts";
import { linuxBridge } from "../rivals/linux_bridge.ts";
import { ovs } from "../rivals/ovs.ts";
import type { RivalKind } from "../rivals/rival.ts";
import { vuswitch } from "../rivals/vuswitch.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";

const SIZES = [64, 256, 512, 1500, 9000];
/** Memory of the generator, MiB, and of it and the hungriest rival together. */
const GENERATOR_MIB = 512;
const HUGE_MIB = 2048;

/** Runs a rival under a load. */
export function contender(kind: RivalKind, load: Load): Contender {
  const settings = { ports: 2, frameBytes: load.bytes, addresses: 2 };
  return {
    name: kind.name,
    missing: kind.missing,
    run: (bench, folder) =>
      withRival(kind, { ...settings, folder }, bench, (rival) => drive(rival, load, bench)),
  };
}

/** What is to be reached beside OVS-DPDK on one core. */
const GOALS: Readonly<Record<string, number>> = {
  ...{ "split 64": 1.5, "packed 64": 1.4, "split 1500": 1.5, "packed 1500": 1.3 },
};

function goalOf(ring: string, bytes: number): Cell["goal"] {
  const value = GOALS[`${ring} ${bytes}`];
  return value === undefined ? null : { times: ovs.name, value };
}

function cell(ring: "split" | "packed", bytes: number, vectorized: boolean, quick: boolean): Cell {
  const load: Load = { ring, bytes, memoryMib: GENERATOR_MIB, vectorized };
  // The bridge has no virtqueues: it stands beside the split ones, once for each size of its MTU.
  const bridges = ring === "split" && !vectorized && !quick && bytes <= 1500 ? [linuxBridge] : [];
  return {
    suite: "throughput",
    cell: `${ring} ${bytes}${vectorized ? ", vectorized generator" : ""}`,
    metric: "frames a second, both ways together",
    unit: "Mpps",
    better: "more",
    x: null,
    subject: vuswitch.name,
    goal: vectorized ? null : goalOf(ring, bytes),
    contenders: [vuswitch, ovs, dpdkIo, ...bridges].map((kind) => contender(kind, load)),
    memoryMib: HUGE_MIB,
    overheadSeconds: 5,
  };
}

/** See the module. */
export const throughput: Suite = {
  name: "throughput",
  about: "split and packed rings, 64 to 9000 bytes, and with a vectorized generator",
  cells: (quick) => {
    const sizes = quick ? [64, 1500] : SIZES;
    const vectorized = quick ? [] : [64, 1500];
    return [
      ...(["split", "packed"] as const).flatMap((ring) =>
        sizes.map((bytes) => cell(ring, bytes, false, quick))
      ),
      ...(["split", "packed"] as const).flatMap((ring) =>
        vectorized.map((bytes) => cell(ring, bytes, true, quick))
      ),
    ];
  },
};
