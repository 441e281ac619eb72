/**
 * What size costs: more ports that are idle, more stations that talk, more guest memory. In every
 * cell vuswitch stands beside itself at its smallest, so the ratio is the cost.
 *
 * @module
 */
import { IdleGuests } from "../load/idle_guests.ts";
import { driveLean, type LeanWish } from "../load/lean_load.ts";
import { drive, type Load } from "../load/testpmd_load.ts";
import { ovs } from "../rivals/ovs.ts";
import type { RivalKind } from "../rivals/rival.ts";
import { vuswitch } from "../rivals/vuswitch.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";

const SMALL_MIB = 512;
/** Buffers are taken from the end of it: beyond 8 GiB. */
const LARGE_MIB = 9216;
const LARGE_OFFSET = 8 * 2 ** 30;
const HUGE_MIB = 2048;
/** Ports of a switch, 2 of them busy; 256 is all that vuswitch has. */
const PORTS = [16, 64, 256];
/** OVS-DPDK takes too long to make more. */
const OVS_PORTS_MAX = 64;
/** Stations, half of them behind each of two ports. */
const STATIONS = [1024, 16384, 65536];

/** vuswitch at its smallest. */
const FEW_PORTS = "vuswitch (2 ports)";
const FEW_STATIONS = "vuswitch (2 stations)";

const HEAD = {
  suite: "scale",
  metric: "frames a second, both ways together",
  unit: "Mpps",
  better: "more",
} as const;

/** Two busy ports of so many, the others with a guest each that is silent. */
function portsContender(name: string, kind: RivalKind, ports: number): Contender {
  const load: Load = { ring: "split", bytes: 64, memoryMib: SMALL_MIB, vectorized: false };
  const settings = { ports, frameBytes: load.bytes, addresses: ports };
  return {
    name,
    missing: kind.missing,
    run: (bench, folder) =>
      withRival(kind, { ...settings, folder }, bench, async (rival) => {
        using _idle = await IdleGuests.start(rival.sockets.slice(2));
        return await drive(rival, load, bench);
      }),
  };
}

function portsCell(ports: number): Cell {
  return {
    ...HEAD,
    cell: `${ports} ports, 2 of them busy`,
    x: ports,
    subject: vuswitch.name,
    goal: { times: FEW_PORTS, value: 0.85 },
    contenders: [
      portsContender(vuswitch.name, vuswitch, ports),
      portsContender(FEW_PORTS, vuswitch, 2),
      ...(ports <= OVS_PORTS_MAX ? [portsContender(ovs.name, ovs, ports)] : []),
    ],
    memoryMib: HUGE_MIB,
    overheadSeconds: 5 + ports / 16,
  };
}

/** @param stations that talk, of so many that are known */
function stationsContender(
  name: string,
  kind: RivalKind,
  stations: number,
  known = stations,
): Contender {
  const settings = { ports: 2, frameBytes: 64, addresses: 2 * known };
  const wish: LeanWish = { kind: "flood", ring: "split", bytes: 64, stations, known };
  return {
    name,
    missing: kind.missing,
    run: (bench, folder) =>
      withRival(
        kind,
        { ...settings, folder },
        bench,
        (rival) => driveLean(rival, wish, bench),
      ),
  };
}

function stationsCell(stations: number): Cell {
  return {
    ...HEAD,
    cell: `${stations} stations that talk in turn`,
    x: stations,
    subject: vuswitch.name,
    goal: null,
    contenders: [
      stationsContender(vuswitch.name, vuswitch, stations),
      stationsContender(FEW_STATIONS, vuswitch, 2),
      stationsContender(ovs.name, ovs, stations),
    ],
    memoryMib: HUGE_MIB,
    overheadSeconds: 4,
  };
}

/** A full table, two of whose stations talk: what its mere size costs. */
function knownCell(known: number): Cell {
  return {
    ...HEAD,
    cell: `${known} stations known, 2 that talk`,
    x: null,
    subject: vuswitch.name,
    goal: { times: FEW_STATIONS, value: 0.95 },
    contenders: [
      stationsContender(vuswitch.name, vuswitch, 2, known),
      stationsContender(FEW_STATIONS, vuswitch, 2),
      stationsContender(ovs.name, ovs, 2, known),
    ],
    memoryMib: HUGE_MIB,
    overheadSeconds: 5,
  };
}

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
    ...HEAD,
    cell: `memory of 9 GiB, ${ring} ${bytes}`,
    x: null,
    subject: "vuswitch (9 GiB guest)",
    goal: null,
    contenders: [
      guestOf("vuswitch (9 GiB guest)", { ...load, memoryMib: LARGE_MIB }),
      guestOf("vuswitch (512 MiB guest)", { ...load, memoryMib: SMALL_MIB }),
    ],
    memoryMib: LARGE_MIB + SMALL_MIB,
    overheadSeconds: 8,
  };
}

/** See the module. */
export const scale: Suite = {
  name: "scale",
  about: "idle ports, stations in the FDB, guest memory of 9 GiB",
  cells: (quick) =>
    quick ? [knownCell(65536)] : [
      ...PORTS.map(portsCell),
      ...STATIONS.map(stationsCell),
      knownCell(65536),
      memoryCell("split", 64),
      memoryCell("packed", 1500),
    ],
};
