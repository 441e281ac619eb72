/**
 * What a switch costs whose guests are silent: processor time of its whole process.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { CoreMeter, UNTOLD } from "../busy.ts";
import { IdleGuests } from "../load/idle_guests.ts";
import { ovs } from "../rivals/ovs.ts";
import type { RivalKind } from "../rivals/rival.ts";
import { vuswitchAdaptive } from "../rivals/vuswitch.ts";
import { digits } from "../statistics.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";
import { RIVAL_MIB } from "./latency.ts";

const SETTLE_MS = 1500;
const IDLE_PERCENT_MAX = 0.5;

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

function residentMib(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return sum + Number(/RssAnon:\s*(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  }, 0);
}

function contender(kind: RivalKind, guests: number): Contender {
  const settings = { ports: Math.max(2, guests), frameBytes: 1500, addresses: 2 };
  return {
    name: kind.name,
    missing: kind.missing,
    run: (bench, folder) =>
      withRival(kind, { ...settings, folder }, bench, async (rival) => {
        using _idle = await IdleGuests.start(rival.sockets.slice(0, guests));
        await delay(SETTLE_MS);
        const meter = new CoreMeter(bench.cpus.switch, rival.pids);
        const [before, from] = [processNs(rival.pids), performance.now()];
        await delay(bench.seconds * 1000);
        const ns = processNs(rival.pids) - before;
        const share = ns / 1e6 / (performance.now() - from);
        return {
          value: digits(100 * share, 3),
          more: { ownMemoryMib: digits(residentMib(rival.pids), 3) },
          quantilesUs: null,
          switchCore: meter.read(UNTOLD),
          generatorCore: null,
          note: "",
        };
      }),
  };
}

function cell(guests: number, kinds: readonly RivalKind[]): Cell {
  return {
    suite: "idle",
    cell: `${guests} idle guests`,
    metric: "processor time of the whole process",
    unit: "% of a core",
    better: "less",
    x: null,
    subject: vuswitchAdaptive.name,
    goal: { times: null, value: IDLE_PERCENT_MAX },
    contenders: kinds.map((kind) => contender(kind, guests)),
    memoryMib: RIVAL_MIB,
    overheadSeconds: 4 + guests / 16,
  };
}

/** See the module. */
export const idle: Suite = {
  name: "idle",
  about: "processor time and memory of a switch whose guests are silent",
  cells: (quick) =>
    quick
      ? [cell(2, [vuswitchAdaptive])]
      : [cell(2, [vuswitchAdaptive, ovs]), cell(64, [vuswitchAdaptive, ovs])],
};
