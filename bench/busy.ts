/**
 * How busy the two cores were while a run was measured, as the kernel saw it: a poller is always
 * busy, but a thread that had to wait for its core, or a core that the hypervisor gave to somebody
 * else, spoils a run, and the record says so.
 *
 * @module
 */
import type { Busy } from "./record.ts";
import { digits } from "./statistics.ts";

/** Time of one processor since it started, in ticks. */
export interface CpuTicks {
  readonly busy: number;
  readonly stolen: number;
  readonly all: number;
}

/** Time of one thread since it started, ns. */
export interface ThreadNs {
  readonly ran: number;
  /** It was ready, and something else ran. */
  readonly waited: number;
}

/** A run in which a thread waited or a core was stolen for a larger share is marked. */
export const DISTURBED_SHARE = 0.02;
/** A generator that finds frames in nearly all of its polls is what the others wait for. */
export const EMPTY_POLLS_MIN = 0.05;
/** And so is one that spends nearly all of its time in those: empty polls are short. */
export const WORKED_MAX = 0.95;

/** What a polling program says of its work. */
export interface Work {
  /** Share of the time in polls that found frames, 0-1. */
  readonly worked: number | null;
  /** Share of polls that found none, 0-1. */
  readonly emptyPolls: number | null;
}

/** Of a program that does not tell. */
export const UNTOLD: Work = { worked: null, emptyPolls: null };

/** Reads a processor's line of /proc/stat. */
export function readCpuTicks(stat: string, cpu: number): CpuTicks {
  const fields = (new RegExp(`^cpu${cpu} +(.*)$`, "m").exec(stat)?.[1] ?? "").split(" ").map(
    Number,
  );
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, stolen = 0] =
    fields;
  const busy = user + nice + system + irq + soft;
  return { busy, stolen, all: busy + idle + wait + stolen };
}

/** Reads /proc/PID/task/TID/schedstat. */
export function readThreadNs(schedstat: string): ThreadNs {
  const [ran = 0, waited = 0] = schedstat.trim().split(" ").map(Number);
  return { ran, waited };
}

function threadsOf(pids: readonly number[]): Map<string, ThreadNs> {
  const threads = new Map<string, ThreadNs>();
  for (const pid of pids) {
    try {
      for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
        const path = `/proc/${pid}/task/${name}/schedstat`;
        threads.set(path, readThreadNs(Deno.readTextFileSync(path)));
      }
    } catch {
      // It ended, or this kernel keeps no such figures.
    }
  }
  return threads;
}

/** Time all threads of some processes were on a processor, ns. */
export function processNs(pids: readonly number[]): number {
  let sum = 0;
  for (const pid of pids) {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      try {
        const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`);
        sum += Number(text.split(" ")[0]);
      } catch {
        // It ended.
      }
    }
  }
  return sum;
}

/** Of the thread that ran most: the share of the time it waited. Null if none ran. */
export function waitedShare(
  before: ReadonlyMap<string, ThreadNs>,
  after: ReadonlyMap<string, ThreadNs>,
): number | null {
  let most = 0;
  let share: number | null = null;
  for (const [path, { ran, waited }] of after) {
    const was = before.get(path) ?? { ran: 0, waited: 0 };
    const [ranNs, waitedNs] = [ran - was.ran, waited - was.waited];
    if (ranNs <= most) continue;
    most = ranNs;
    share = waitedNs / (ranNs + waitedNs);
  }
  return share;
}

/** Looks at one core from now on. */
export class CoreMeter {
  readonly #cpu: number;
  readonly #pids: readonly number[];
  readonly #ticks: CpuTicks;
  readonly #threads: Map<string, ThreadNs>;

  /** @param pids processes whose busiest thread is the one on this core */
  constructor(cpu: number, pids: readonly number[]) {
    this.#cpu = cpu;
    this.#pids = pids;
    this.#ticks = readCpuTicks(Deno.readTextFileSync("/proc/stat"), cpu);
    this.#threads = threadsOf(pids);
  }

  /** @param work what the program on this core says itself */
  read({ worked, emptyPolls }: Work): Busy {
    const { busy, stolen, all } = readCpuTicks(Deno.readTextFileSync("/proc/stat"), this.#cpu);
    const ticks = Math.max(1, all - this.#ticks.all);
    const waited = waitedShare(this.#threads, threadsOf(this.#pids));
    return {
      cpu: this.#cpu,
      busy: digits((busy - this.#ticks.busy) / ticks, 3),
      stolen: digits((stolen - this.#ticks.stolen) / ticks, 3),
      waited: waited === null ? null : digits(waited, 3),
      worked: worked === null ? null : digits(worked, 3),
      emptyPolls: emptyPolls === null ? null : digits(emptyPolls, 3),
    };
  }
}

/** Share of the time in which a core was not its thread's. */
export function disturbedShare(core: Busy | null): number {
  return (core?.waited ?? 0) + (core?.stolen ?? 0);
}

/** What a reader should know of a run's cores, in words; "" if there is nothing. */
export function judge(generator: Busy | null, theSwitch: Busy | null): string {
  const words: string[] = [];
  const { worked, emptyPolls } = generator ?? UNTOLD;
  if ((emptyPolls ?? 1) < EMPTY_POLLS_MIN || (worked ?? 0) > WORKED_MAX) {
    words.push("generator-bound");
  }
  for (const [name, core] of [["generator", generator], ["switch", theSwitch]] as const) {
    const lost = disturbedShare(core);
    if (lost >= DISTURBED_SHARE) words.push(`${name} disturbed ${(100 * lost).toFixed(0)} %`);
  }
  return words.join(", ");
}
