/**
 * Commands on ports as wholes: there or not, in service, linked, what they have learned.
 *
 * @module
 */
import { VRINGS_PER_PORT } from "../../base/limits.ts";
import { portBase } from "../../switch/counters.ts";
import { forward } from "../../switch/datapath.ts";
import { LanePort } from "../../switch/ports/lane_port.ts";
import { NullPort } from "../../switch/ports/null_port.ts";
import { NOT_LINKED, type Port, type PortKind } from "../../switch/ports/port.ts";
import { composeRarp } from "../../switch/rarp.ts";
import { forgetWaiting } from "../../switch/stalled/untranslated.ts";
import { VhostPort } from "../../switch/ports/vhost_port.ts";
import { ALL_VLANS, NO_NATIVE, PortVlans } from "../../switch/vlan/port_vlans.ts";
import type { Given, Handlers } from "../wire.ts";
import { forgetKick } from "./kicks.ts";
import { stopLanes } from "./lanes.ts";
import { learnMoved } from "./policy.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about whole ports. */
export function portCommands(place: Place): Pick<
  Handlers,
  | "addPort"
  | "removePort"
  | "setFrameMax"
  | "setPortUp"
  | "setLink"
  | "setReserved"
  | "announce"
  | "announceAll"
  | "expectMac"
  | "setUplink"
  | "setUnknown"
  | "useVlans"
  | "setVlans"
  | "flushPort"
  | "flushFdb"
> {
  const { path } = place;
  return {
    addPort: ({ kind }) => addPort(place, kind),
    removePort: ({ port }) => removePort(place, port),
    setFrameMax: ({ port, frameBytesMax }) => {
      place.port(port).frameBytesMax = frameBytesMax;
    },
    setPortUp: ({ port, up }) => {
      place.port(port).adminUp = up;
    },
    setLink: ({ port, to }) => {
      place.port(port).linkedTo = to;
      path.fdb.flushPort(port);
    },
    setReserved: ({ port, mask }) => {
      place.port(port).reservedMask = mask;
    },
    announce: (given) => announce(place, given),
    announceAll: () => path.announcer.all(),
    expectMac: (given) => {
      if (path.uplinkCount > 0) announce(place, { ...given, flood: false });
    },
    setUplink: ({ port, on }) => {
      place.port(port).isUplink = on;
    },
    useVlans: ({ on }) => path.setVlans(on),
    setVlans: ({ port, vlans }) => {
      if (vlans !== null) path.setVlans(true);
      place.port(port).vlans = vlans === null
        ? ALL_VLANS
        : new PortVlans(vlans.members, vlans.native, vlans.access);
      path.fdb.flushPort(port);
    },
    setUnknown: ({ toUplinks }) => {
      path.unknownToUplinks = toUplinks;
    },
    flushPort: ({ port }) => {
      path.fdb.flushPort(port);
      place.port(port).groups = null;
    },
    flushFdb: () => path.fdb.flush(),
  };
}

/** How a port of each kind is made. */
const MAKERS: Readonly<Record<PortKind, (index: number, counterBase: number) => Port>> = {
  vhost: (index, counterBase) => new VhostPort(index, counterBase, VRINGS_PER_PORT),
  lanes: (index, counterBase) => new LanePort(index, counterBase, VRINGS_PER_PORT),
  null: (index, counterBase) => new NullPort(index, counterBase),
};

function addPort({ path, host }: Place, kind: PortKind): number | null {
  const index = path.ports.indexOf(null);
  if (index < 0) return null;
  const base = portBase(index, VRINGS_PER_PORT);
  path.counters.fill(0, base, portBase(index + 1, VRINGS_PER_PORT));
  path.ports[index] = MAKERS[kind](index, base);
  host.portAdded(index);
  return index;
}

function removePort(place: Place, index: number): void {
  const { path } = place;
  const port = place.port(index);
  for (const vring of port instanceof VhostPort ? port.vrings : []) {
    if (!vring) continue;
    forgetWaiting(path, vring);
    forgetKick(place, vring);
  }
  if (port instanceof LanePort) stopLanes(place, port);
  path.fdb.removePort(index);
  path.ports[index] = null;
}

function announce(place: Place, { port: index, macLo, macHi, flood }: Given<"announce">): void {
  const port = place.port(index);
  if (!port.adminUp) return;
  if (flood) {
    // Nobody knows in which of its VLANs the guest speaks: it has the address in each.
    const { vlans } = port;
    const vids = place.path.hasVlans ? vlans.fewTagged : [];
    for (const vid of place.path.hasVlans && vlans.native === NO_NATIVE ? vids : [0, ...vids]) {
      composeRarp(macLo, macHi, vid);
      forward(place.path, port, 1);
    }
  } else if (port.linkedTo === NOT_LINKED) {
    // Of a linked port nothing is learned: others would reach it.
    const key = place.path.keyHigh(port, macLo, macHi & 0xffff);
    if (key >= 0) learnMoved(place.path, macLo, key, index, place.path.now);
  }
}
