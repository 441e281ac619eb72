/**
 * Frames that guests leave to others to cut: TCP of Linux guests, and 64 KiB frames as fast as they
 * go, to a guest that takes them whole, to one that does not, and to a TAP device.
 *
 * @module
 */
import { driveGuestTcp, GUEST_PACKAGES_MISSING } from "../load/guest_tcp.ts";
import { driveLean, type LeanWish } from "../load/lean_load.ts";
import { tapBareWrites, tapThroughSwitch } from "../load/tap_load.ts";
import { driveUmlTcp, UML_PACKAGES_MISSING } from "../load/uml_tcp.ts";
import { guestBridge, guestBridgeVhost } from "../rivals/guest_bridge.ts";
import { ovsTso } from "../rivals/ovs.ts";
import type { RivalKind } from "../rivals/rival.ts";
import { vuswitchAdaptive, vuswitchWith } from "../rivals/vuswitch.ts";
import { type Cell, type Contender, type Suite, withRival } from "../suite.ts";
import { RIVAL_MIB } from "./latency.ts";

const SETTINGS = { ports: 2, frameBytes: 1514, addresses: 2 };
/** What guests gain by leaving checksums and segments to others. */
const TIMES_WITHOUT = 5;

const WITHOUT = vuswitchWith("vuswitch, offload=off", { port: ",offload=off" });

function linuxGuests(kind: RivalKind): Contender {
  return {
    name: kind.name,
    missing: [...kind.missing, ...GUEST_PACKAGES_MISSING],
    run: (bench, folder) =>
      withRival(
        kind,
        { ...SETTINGS, folder },
        bench,
        (rival) => driveGuestTcp(rival, bench, folder),
      ),
  };
}

const LINUX: Cell = {
  suite: "large",
  cell: "TCP of two Linux guests",
  metric: "what iperf3 receives, one connection",
  unit: "Mbit/s",
  better: "more",
  x: null,
  subject: vuswitchAdaptive.name,
  goal: { times: WITHOUT.name, value: TIMES_WITHOUT },
  contenders: [
    ...[vuswitchAdaptive, WITHOUT, ovsTso, guestBridge],
    ...guestBridgeVhost === null ? [] : [guestBridgeVhost],
  ].map(linuxGuests),
  memoryMib: RIVAL_MIB,
  overheadSeconds: 15,
};

/** virtio_uml wants neither announcements nor several queue pairs: it has no control queue. */
const UML_PORT = ",announce=off,queues=1";
const UML = vuswitchWith("vuswitch", { port: UML_PORT });
const UML_WITHOUT = vuswitchWith("vuswitch, offload=off", { port: `${UML_PORT},offload=off` });

function umlGuests(kind: RivalKind): Contender {
  return {
    name: kind.name,
    missing: [...kind.missing, ...UML_PACKAGES_MISSING],
    run: (bench, folder) =>
      withRival(
        kind,
        { ...SETTINGS, folder },
        bench,
        (rival) => driveUmlTcp(rival, bench, folder),
      ),
  };
}

/** Not beside OVS-DPDK: virtio_uml gets no frame through it. */
const USER_MODE: Cell = {
  suite: "large",
  cell: "TCP of two User-Mode Linux guests",
  metric: "what iperf3 receives, one connection",
  unit: "Mbit/s",
  better: "more",
  x: null,
  subject: UML.name,
  goal: null,
  contenders: [UML, UML_WITHOUT, guestBridge].map(umlGuests),
  memoryMib: RIVAL_MIB,
  overheadSeconds: 10,
};

function leanGuests(name: string, receiver: LeanWish["receiver"] & string): Contender {
  const wish: LeanWish = { kind: "large", ring: "split", bytes: 64, receiver };
  return {
    name,
    missing: [],
    run: (bench, folder) =>
      withRival(
        vuswitchAdaptive,
        { ...SETTINGS, folder },
        bench,
        (rival) => driveLean(rival, wish, bench),
      ),
  };
}

const BUILT_IN = { suite: "large", unit: "Gbit/s", better: "more", x: null } as const;

const WHOLE_OR_CUT: Cell = {
  ...BUILT_IN,
  cell: "64 KiB frames between guests",
  metric: "what a guest that does nothing else receives",
  subject: "taken whole",
  goal: null,
  contenders: [
    leanGuests("taken whole", "whole"),
    leanGuests("cut, checksums completed", "plain"),
  ],
  memoryMib: 0,
  overheadSeconds: 4,
};

const TO_TAP: Cell = {
  ...BUILT_IN,
  cell: "64 KiB frames to a TAP device",
  metric: "what the device counts",
  subject: tapThroughSwitch.name,
  goal: { times: null, value: 5 },
  contenders: [tapThroughSwitch, tapBareWrites],
  memoryMib: 0,
  overheadSeconds: 3,
};

/** See the module. */
export const large: Suite = {
  name: "large",
  about: "TCP of Linux guests, 64 KiB frames whole and cut, to guests and a TAP device",
  cells: (quick) => quick ? [TO_TAP] : [LINUX, USER_MODE, WHOLE_OR_CUT, TO_TAP],
};
