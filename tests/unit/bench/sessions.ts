/**
 * Sessions as the bench would record them.
 *
 * @module
 */
import { type CellHead, type Run, type Session, summarize } from "../../../bench/record.ts";
import { QUANTILES } from "../../../bench/statistics.ts";

/** A cell. */
export const HEAD: CellHead = {
  ...{ suite: "throughput", cell: "split 64", metric: "frames", unit: "Mpps", better: "more" },
  ...{ x: null, subject: "vuswitch", goal: { times: "OVS-DPDK", value: 1.5 } },
};

/** A run of it that went well, or failed. */
export function run(contender: string, round: number, value: number | null): Run {
  const core = { cpu: 1, busy: 1, stolen: 0, waited: 0.001, worked: null, emptyPolls: 0.5 };
  return {
    ...{ contender, round, value, more: { gbps: 1 }, quantilesUs: null },
    ...{ switchCore: core, generatorCore: { ...core, cpu: 0 }, note: "" },
    error: value === null ? "it broke" : null,
  };
}

/** A session of one cell, in which one run failed. */
export const SESSION: Session = {
  ...{ version: 1, started: "2026-11-29T12:00:01.000Z", seconds: 12, quick: false },
  ...{ command: "deno task bench", complete: true, machine: { cpu: "a", cores: 2 } },
  quantiles: QUANTILES,
  cells: [summarize(HEAD, [
    ...[run("vuswitch", 0, 30), run("OVS-DPDK", 0, 15), run("vuswitch", 1, 10)],
    ...[run("OVS-DPDK", 1, null), run("OVS-DPDK", 2, 16), run("vuswitch", 2, 24)],
  ])],
};
