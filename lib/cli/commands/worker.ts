/**
 * Commands on data planes.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { WorkerStatus } from "../../control/types.ts";
import { type Work, workBetween } from "../../control/work.ts";
import { ask, type CommandRow, printing } from "../command.ts";
import { LOOK_FLAGS, type LookFlags } from "../looks.ts";
import { formatTable } from "../table.ts";
import type { View } from "../view.ts";

/** Least frames of a visit, by the counter of such visits. */
const BURST_NAME = /^bursts(\d+)$/;

/** What a line shows of a stretch of time. */
type Cell = (work: Work) => string;

function percent(share: number | null): string {
  return share === null ? "-" : `${(100 * share).toFixed(1)}%`;
}

function counted(name: string): Cell {
  return ({ counters }) => String(counters[name] ?? "-");
}

/** The share of a counter among several. */
function shareOf(name: string, of: readonly string[]): Cell {
  return ({ counters }) => {
    const all = of.reduce((sum, each) => sum + (counters[each] ?? 0), 0);
    return percent(all === 0 ? null : (counters[name] ?? 0) / all);
  };
}

function milliseconds(us: number): string {
  return (us / 1000).toFixed(1);
}

/** `1`, `2-3`, … `128`: the frames of visits that a counter counts. */
function burstText(name: string, next: string | undefined): string {
  const [least, above] = [name, next].map((each) => Number(BURST_NAME.exec(each ?? "")?.[1]));
  const most = (above ?? NaN) - 1;
  return most > Number(least) ? `${least}-${most}` : `${least}`;
}

const TAKEN = ["plainFrames", "generalFrames"];
const GIVEN = ["plainDelivered", "generalDelivered"];

function linesOf({ counters }: Work): readonly (readonly [string, Cell])[] {
  const bursts = Object.keys(counters).filter((name) => BURST_NAME.test(name));
  return [
    ["busy", ({ busy }) => percent(busy)],
    ["idle", ({ idle }) => percent(idle)],
    ["  polling", ({ polling }) => percent(polling)],
    ["  asleep", ({ asleep }) => percent(asleep)],
    ["commands", ({ commands }) => percent(commands)],
    ["not run", ({ waited }) => percent(waited)],
    ["busy ns a frame", ({ nsPerFrame }) => nsPerFrame === null ? "-" : nsPerFrame.toFixed(1)],
    ["frames", counted("frames")],
    ["  taken plain", shareOf("plainFrames", TAKEN)],
    ["  taken general", shareOf("generalFrames", TAKEN)],
    ["  delivered plain", shareOf("plainDelivered", GIVEN)],
    ["  delivered general", shareOf("generalDelivered", GIVEN)],
    ["visits with frames", counted("bursts")],
    ...bursts.map((name, i): [string, Cell] => [
      `  of ${burstText(name, bursts[i + 1])}`,
      shareOf(name, bursts),
    ]),
    ["rounds", counted("rounds")],
    ["  with frames", counted("busyRounds")],
    ["sleeps", counted("sleeps")],
    ["wake-ups", counted("wakeups")],
    ["commands carried out", counted("commands")],
    ["collections by V8", counted("collections")],
    ["  ms in them", ({ counters }) => milliseconds(counters["collectionUs"] ?? 0)],
    ["stalls of 1 ms or more", counted("stalls")],
    ["  of 10 ms or more", counted("longStalls")],
  ];
}

function workerTable(worker: WorkerStatus): string {
  const { number, idle, cpus, longestStallUs, total, lately } = worker;
  const spans: readonly (readonly [string, Work])[] = [
    ["SINCE-START", total],
    ...lately === undefined ? [] : [["LAST", lately] as const],
  ];
  return `worker ${number}  idle ${idle}  cpus ${cpus.join(",") || "any"}  ` +
    `longest stall ${milliseconds(longestStallUs)} ms\n` +
    formatTable(
      ["WHAT", ...spans.map(([span, { seconds }]) => `${span}-${seconds.toFixed(1)}s`)],
      linesOf(total).map(([what, cell]) => [what, ...spans.map(([, work]) => cell(work))]),
    );
}

/** The tables of `worker show`, one for each data plane. */
export function workersView(workers: DocumentOf<"workers">): string {
  return workers.map(workerTable).join("\n");
}

const WORKERS: View<LookFlags, "workers"> = {
  document: () => "workers",
  read: (flags) => ask<readonly WorkerStatus[]>(flags, "GET", "/v1/workers"),
  between: (first, last) =>
    last.map((worker) => {
      const before = first.find(({ number }) => number === worker.number)?.total.counters ?? {};
      return { ...worker, lately: workBetween(before, worker.total.counters) };
    }),
  draw: workersView,
};

/** In the order help lists them. */
export const WORKER_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["worker", "show"],
    brief: "what the data plane does: busy and idle, bursts, stalls",
    examples: [
      "vuswitch worker show",
      "vuswitch worker show --rate",
      "vuswitch worker show --watch --seconds 5",
      "vuswitch worker show -o json",
    ],
    flags: LOOK_FLAGS,
  }, () => WORKERS),
];
