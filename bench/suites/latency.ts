/**
 * The time of one frame that goes through the switch, and one that comes back.
 *
 * @module
 */
import { driveLean, type LeanWish } from "../load/lean_load.ts";
import { dpdkIo } from "../rivals/dpdk_io.ts";
import { ovs } from "../rivals/ovs.ts";
import type { RivalKind } from "../rivals/rival.ts";
import { vuswitch, vuswitchAdaptive } from "../rivals/vuswitch.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";

/** What the hungriest rival needs; lean guests have small pages. */
export const RIVAL_MIB = 1100;

/** A kick wakes a sleeping switch within this time. */
const WAKE_US_MAX = 50;

/** A rival under a load of lean guests. */
export function leanContender(kind: RivalKind, wish: LeanWish): Contender {
  const settings = { ports: 2, frameBytes: wish.bytes, addresses: wish.stations ?? 2 };
  return {
    name: kind.name,
    missing: kind.missing,
    run: (bench, folder) =>
      withRival(kind, { ...settings, folder }, bench, (rival) => driveLean(rival, wish, bench)),
  };
}

const PING_KINDS = [vuswitch, vuswitchAdaptive, ovs, dpdkIo];

function pingCell(ring: "split" | "packed", bytes: number, kinds = PING_KINDS): Cell {
  const wish: LeanWish = { kind: "ping", ring, bytes };
  return {
    suite: "latency",
    cell: `ping-pong, ${ring} ${bytes}`,
    metric: "from guest to guest and back, two ways through the switch, median",
    unit: "us",
    better: "less",
    x: null,
    subject: vuswitch.name,
    goal: null,
    contenders: kinds.map((kind) => leanContender(kind, wish)),
    memoryMib: RIVAL_MIB,
    overheadSeconds: 4,
  };
}

/** No switch: what waking a thread takes on this machine. */
function eventfdAlone(restMs: number): Contender {
  const wish: LeanWish = { kind: "eventfd", ring: "split", bytes: 64, restMs };
  return {
    name: "eventfd alone",
    missing: [],
    run: (bench) => driveLean({ sockets: [], pids: [] }, wish, bench),
  };
}

function wakeCell(restMs: number): Cell {
  const wish: LeanWish = { kind: "wake", ring: "split", bytes: 64, restMs };
  return {
    suite: "latency",
    cell: `after a rest of ${restMs} ms, split 64`,
    metric: "from guest to guest, one way, the kick included, median",
    unit: "us",
    better: "less",
    x: null,
    subject: vuswitchAdaptive.name,
    goal: { times: null, value: WAKE_US_MAX },
    contenders: [
      ...[vuswitchAdaptive, vuswitch, ovs].map((kind) => leanContender(kind, wish)),
      eventfdAlone(restMs),
    ],
    memoryMib: RIVAL_MIB,
    overheadSeconds: 4,
  };
}

/** See the module. */
export const latency: Suite = {
  name: "latency",
  about: "one frame to and fro: p50, p99, p99.9; and one that wakes a sleeping switch",
  cells: (quick) =>
    quick
      ? [pingCell("split", 64, [vuswitch, vuswitchAdaptive, ovs])]
      : [pingCell("split", 64), pingCell("split", 1500), pingCell("packed", 64), wakeCell(20)],
};
