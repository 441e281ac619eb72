/**
 * What `top` shows, worked out from two looks at a switch: the switch counts, and whoever looks
 * divides.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { PortStatus, SwitchStatus, WorkerStatus } from "../../control/types.ts";
import { verdictFields, verdictLately } from "../../control/verdict/judge.ts";
import { type Counts, workBetween } from "../../control/work.ts";
import { onlyGrows, PORT_ROWS } from "../../switch/counter_rows.ts";
import { linkCell } from "../views.ts";

/** What is shown. */
export type Figures = DocumentOf<"top">;
/** A port of it. */
export type PortFigures = Figures["ports"][number];
/** How fast frames go. */
export type Flow = Figures["all"];

/** What a switch said, and when by a clock that only goes forward. */
export interface TopLook {
  /** The switch. */
  readonly status: SwitchStatus;
  /** Its data planes. */
  readonly workers: readonly WorkerStatus[];
  /** When, ms. */
  readonly atMs: number;
}

const NAMES = PORT_ROWS.filter(onlyGrows).map(([name]) => name);
const DROPS = NAMES.filter((name) => /^[rt]xDropped/.test(name));
/** Nothing moves. */
const STILL: Flow = { rxFrames: 0, rxBits: 0, txFrames: 0, txBits: 0, drops: 0 };

/** How much counters grew. What was made anew in between began at 0. */
export function growthOf(before: Counts, after: Counts, names: readonly string[]): Counts {
  const anew = names.some((name) => (after[name] ?? 0) < (before[name] ?? 0));
  return Object.fromEntries(
    names.map((name) => [name, (after[name] ?? 0) - (anew ? 0 : before[name] ?? 0)]),
  );
}

function tenths(value: number): number {
  return Math.round(10 * value) / 10;
}

function flowOf(growth: Counts, seconds: number): Flow {
  const rate = (name: string): number => (growth[name] ?? 0) / seconds;
  return {
    rxFrames: tenths(rate("rxFrames")),
    rxBits: Math.round(8 * rate("rxBytes")),
    txFrames: tenths(rate("txFrames")),
    txBits: Math.round(8 * rate("txBytes")),
    drops: tenths(DROPS.reduce((sum, name) => sum + rate(name), 0)),
  };
}

function sumOf(flows: readonly Flow[]): Flow {
  const sum = { ...STILL };
  for (const flow of flows) {
    for (const name of Object.keys(sum) as (keyof Flow)[]) {
      sum[name] = tenths(sum[name] + flow[name]);
    }
  }
  return sum;
}

/** Frames of both ways. */
export function framesOf(flow: Flow): number {
  return flow.rxFrames + flow.txFrames;
}

function portFigures(port: PortStatus, growth: Counts, seconds: number): PortFigures {
  const dropped = DROPS.filter((name) => (growth[name] ?? 0) > 0)
    .map((name) => [name, tenths((growth[name] ?? 0) / seconds)]);
  return {
    name: port.name,
    link: linkCell(port),
    flow: flowOf(growth, seconds),
    share: 0,
    dropped: Object.fromEntries(dropped),
    ...verdictFields(verdictLately(port, growth)),
  };
}

function workerFigures(
  before: readonly WorkerStatus[],
  { number, total }: WorkerStatus,
  seconds: number,
): Figures["workers"][number] {
  const first = before.find((each) => each.number === number)?.total.counters ?? {};
  const { busy, polling, asleep, waited, nsPerFrame, counters } = workBetween(
    first,
    total.counters,
  );
  const frames = tenths((counters["frames"] ?? 0) / seconds);
  return { number, busy, polling, asleep, waited, frames, nsPerFrame };
}

/** What happened between two looks at the same switch; a port that is new has no rates yet. */
export function figuresBetween(first: TopLook, last: TopLook): Figures {
  const seconds = Math.max(0.001, Math.round(last.atMs - first.atMs) / 1000);
  const { status } = last;
  const known = new Map(first.status.ports.map(({ name, counters }) => [name, counters]));
  const ports = status.ports.map((port) => {
    const before = known.get(port.name) ?? port.counters;
    return portFigures(port, growthOf(before, port.counters, NAMES), seconds);
  });
  const all = sumOf(ports.map(({ flow }) => flow));
  const frames = framesOf(all);
  const shared = ports.map((port) => ({
    ...port,
    share: frames === 0 ? 0 : Math.min(1, Math.round(1000 * framesOf(port.flow) / frames) / 1000),
  }));
  return {
    ...{ at: status.at, seconds, version: status.version, pid: status.pid },
    uptimeSeconds: status.uptimeSeconds,
    addresses: status.fdb["entries"] ?? 0,
    addressesMax: status.fdbEntriesMax,
    all,
    workers: last.workers.map((worker) => workerFigures(first.workers, worker, seconds)),
    ports: shared.sort((one, other) => framesOf(other.flow) - framesOf(one.flow)),
  };
}

/** Whether two looks are at the same process: counters of another one say nothing together. */
export function isSameSwitch(one: TopLook, other: TopLook): boolean {
  return one.status.pid === other.status.pid && one.status.startedAt === other.status.startedAt;
}
