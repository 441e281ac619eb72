/**
 * What a switch costs whose guests are silent: processor time of its whole process.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { CoreMeter, processNs, UNTOLD } from "../busy.ts";
import { IdleGuests } from "../load/idle_guests.ts";
import { ovs } from "../rivals/ovs.ts";
import type { Rival, RivalKind } from "../rivals/rival.ts";
import { vuswitchAdaptive, vuswitchWith } from "../rivals/vuswitch.ts";
import { digits } from "../statistics.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";
import { RIVAL_MIB } from "./latency.ts";

const SETTLE_MS = 1500;
const IDLE_PERCENT_MAX = 0.5;

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

/** Ports without a guest: a device that has been made, and a process that has connected. */
const UPLINKS: readonly RivalKind[] = [
  vuswitchWith("and an idle TAP", { more: () => ["-p", "up=tap:vubench%d"] }),
  {
    ...vuswitchWith("and an idle stream", {}),
    start: async (settings): Promise<Rival> => {
      const path = `${settings.folder}/stream.sock`;
      const words = { more: () => ["-p", `net=stream:${path}`] };
      const rival = await vuswitchWith("", words).start(settings);
      const peer = await Deno.connect({ transport: "unix", path });
      const end = async (): Promise<void> => {
        peer.close();
        await rival[Symbol.asyncDispose]();
      };
      return { ...rival, [Symbol.asyncDispose]: end };
    },
  },
];

function uplinkCell(): Cell {
  return {
    ...cell(2, [vuswitchAdaptive, ...UPLINKS]),
    cell: "2 idle guests and a silent uplink",
  };
}

/** See the module. */
export const idle: Suite = {
  name: "idle",
  about: "processor time and memory of a switch whose guests are silent",
  cells: (quick) =>
    quick
      ? [cell(2, [vuswitchAdaptive])]
      : [cell(2, [vuswitchAdaptive, ovs]), cell(64, [vuswitchAdaptive, ovs]), uplinkCell()],
};
