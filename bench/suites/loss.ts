/**
 * The highest rate at which no frame is lost, by search (RFC 2544 §26.1).
 *
 * @module
 */
import { dpdkIo } from "../rivals/dpdk_io.ts";
import { ovs } from "../rivals/ovs.ts";
import { vuswitch } from "../rivals/vuswitch.ts";
import type { Cell, Suite } from "../suite.ts";
import { leanContender, RIVAL_MIB } from "./latency.ts";

function cell(ring: "split" | "packed", bytes: number): Cell {
  return {
    suite: "loss",
    cell: `no frame lost, ${ring} ${bytes}`,
    metric: "highest rate without a loss, both ways together",
    unit: "Mpps",
    better: "more",
    x: null,
    subject: vuswitch.name,
    goal: null,
    contenders: [vuswitch, ovs, dpdkIo].map((kind) =>
      leanContender(kind, { kind: "zero-loss", ring, bytes })
    ),
    memoryMib: RIVAL_MIB,
    // Some 20 trials of half a second.
    overheadSeconds: 14,
  };
}

/** See the module. */
export const loss: Suite = {
  name: "loss",
  about: "the highest rate without a lost frame, by search, and with half a percent lost",
  cells: (quick) => quick ? [] : [cell("split", 64), cell("packed", 64), cell("split", 1500)],
};
