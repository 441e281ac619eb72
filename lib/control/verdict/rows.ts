/**
 * What can be said of a port in a line, and what helps: the verdicts. Documents, `explain` and the
 * schema have them from here; which one a port gets is judge.ts's.
 *
 * @module
 */
import type { PORT_ROWS } from "../../switch/counter_rows.ts";

/** How bad it is. */
export const VERDICT_LEVELS = {
  ok: "nothing is to be done",
  waiting: "somebody else has to come, or to begin",
  warning: "it works, and frames are lost or somebody should look",
  fault: "it does not work",
} as const;

/** How bad a verdict is. */
export type VerdictLevel = keyof typeof VERDICT_LEVELS;

/** A verdict: its code, how bad it is, what it means, and what helps, with NAME for the port's. */
export type VerdictRow = readonly [
  code: string,
  level: VerdictLevel,
  meaning: string,
  fix: string | null,
];

/** Verdicts on what a port is, in the order in which they are looked for; problems come between. */
export const STATE_VERDICTS = [
  [
    "admin-down",
    "waiting",
    "an operator took it out of service",
    "vuswitch port up NAME puts it back",
  ],
  ["connecting", "waiting", "what it connects to, or its device, is not there", null],
  ["refused-before", "waiting", "the last front-end was refused, or was ended, and is gone", null],
  ["no-front-end", "waiting", "no front-end has connected", null],
  [
    "ring-stopped",
    "fault",
    "a ring was stopped for a fault of its driver",
    "vuswitch explain its reason; a reset of the guest's device starts it again",
  ],
  [
    "refused",
    "fault",
    "its front-end is there, was refused something, and its rings do not run",
    "see the front-end's own log",
  ],
  [
    "no-driver",
    "waiting",
    "its front-end is there, and the guest's driver has not started",
    "boot the guest, and load virtio_net in it",
  ],
  ["device-down", "waiting", "its device is down", "ip link set DEVICE up"],
] as const satisfies readonly VerdictRow[];

/** Name of a counter of a port. */
export type PortCounter = (typeof PORT_ROWS)[number][0];

/** A verdict on what becomes of frames. */
export interface TrafficRow {
  /** As in {@linkcode VerdictRow}. */
  readonly row: VerdictRow;
  /** Counters of the frames that are lost to it; all of one way. */
  readonly counters: readonly PortCounter[];
  /** How it is said: what, and for how many; `%` is where their share stands. */
  readonly text: string;
}

function traffic(
  code: string,
  counters: readonly PortCounter[],
  meaning: string,
  text: string,
  fix: string,
): TrafficRow {
  return { row: [code, "warning", meaning, fix], counters, text };
}

/** Verdicts on what becomes of frames; of several, the one that costs most frames counts. */
export const TRAFFIC_VERDICTS: readonly TrafficRow[] = [
  traffic(
    "ring-full",
    ["txDroppedNoBuffer"],
    "frames to it find its receive ring full, as the guest does not take them",
    "the guest does not take its frames: ring full for % of them",
    "give it processor time or a larger ring (rx_queue_size=1024 of QEMU), or senders a limit=",
  ),
  traffic(
    "ring-shared",
    ["txDroppedShare"],
    "its receive ring is nearly full, and heavy senders had more than their part of it",
    "the guest takes too few frames: % of them were above their sender's part of the ring",
    "give it processor time or a larger ring, or those senders a limit=",
  ),
  traffic(
    "policed-in",
    ["rxDroppedRate"],
    "it sends more than its `limit=` allows",
    "it sends more than it may: % dropped",
    "vuswitch port set NAME limit=rx:RATE allows more",
  ),
  traffic(
    "policed-out",
    ["txDroppedRate"],
    "it is sent more than its `limit=` allows",
    "it is sent more than it may have: % dropped",
    "vuswitch port set NAME limit=tx:RATE allows more",
  ),
  traffic(
    "storm-limited",
    ["rxDroppedBroadcastStorm", "rxDroppedMulticastStorm", "rxDroppedUnknownStorm"],
    "it sends more frames to many than its `storm=` allows",
    "it sends too many frames to many: % dropped",
    "look for a loop or a scan in its guest; storm=KIND:N of the port allows more",
  ),
  traffic(
    "spoofing",
    ["rxDroppedSpoofed", "rxDroppedInUse", "rxDroppedBadSource", "rxDroppedLimit"],
    "it sends from addresses that it may not have, or from too many",
    "it sends from addresses that it may not have: % dropped",
    "static= or mac= of the port name those it may have; vuswitch fdb flush forgets old ones",
  ),
  traffic(
    "guarded",
    ["rxDroppedDhcp", "rxDroppedRouter", "rxDroppedIp", "rxDroppedHidden"],
    "it says what its `guard=` or `ip=` forbids",
    "it says what its guard= or ip= forbids: % dropped",
    "name its addresses in ip=, or leave that out of guard=",
  ),
  traffic(
    "isolated",
    ["rxDroppedIsolated"],
    "it sends to ports of its own isolation group",
    "it sends to ports of its isolation group: % dropped",
    "vuswitch port set NAME isolated=off, if they may speak with one another",
  ),
  traffic(
    "wrong-vlan-in",
    ["rxDroppedVlan"],
    "it sends frames of VLANs that it is not in",
    "it sends frames of VLANs that it is not in: % dropped",
    "vuswitch port set NAME access=VID, trunk= or native=",
  ),
  traffic(
    "wrong-vlan-out",
    ["txDroppedVlan"],
    "it is sent frames of VLANs that it is not in",
    "it is sent frames of VLANs that it is not in: % dropped",
    "vuswitch port set NAME access=VID, trunk= or native=",
  ),
  traffic(
    "malformed",
    ["rxDroppedMalformed", "rxDroppedBadOffload"],
    "it sends what is no frame, or asks for offloads that do not fit its headers",
    "it sends what is no whole frame: % dropped",
    "see badChains of vuswitch vring show NAME; the fault is in the guest's driver",
  ),
  traffic(
    "too-long-in",
    ["rxDroppedOversize"],
    "it sends frames that are longer than its MTU",
    "it sends frames that are longer than its MTU: % dropped",
    "a smaller MTU in the guest, or a larger mtu= of the port",
  ),
  traffic(
    "too-long-out",
    ["txDroppedOversize", "txDroppedBufferTooSmall"],
    "it is sent frames that are longer than its MTU or its buffers",
    "it is sent frames that are longer than it can take: % dropped",
    "the same MTU for all guests, in mtu= of each port",
  ),
  traffic(
    "slow-memory-in",
    ["rxDroppedSlow"],
    "pages of what it sends take too long to come: they are swapped out, or in crumbs",
    "pages of its frames take too long to come: % dropped",
    "let this host have more memory than it swaps, or back the guest's by huge pages",
  ),
  traffic(
    "slow-memory-out",
    ["txDroppedSlow"],
    "pages of its buffers take too long to come: they are swapped out, or in crumbs",
    "pages of the guest's buffers take too long to come: % dropped",
    "let this host have more memory than it swaps, or back the guest's by huge pages",
  ),
  traffic(
    "not-cut",
    ["txDroppedUncut"],
    "large frames are to be cut for it, more than a visit may cut",
    "large frames to it have to be cut, too many at once: % dropped",
    "let its guest take large frames (guest_tso4=on, guest_tso6=on of QEMU)",
  ),
  traffic(
    "translations-late",
    ["txDroppedUntranslated"],
    "frames to it wait for its IOMMU's translations, and too many do",
    "translations of its IOMMU come too late: % dropped",
    "give its VMM processor time",
  ),
  traffic(
    "uplink-full",
    ["txDroppedUplinkFull", "txDroppedUplinkRefused"],
    "what is behind it takes too few frames",
    "what is behind it does not take its frames: % dropped",
    "a longer queue (ip link set DEVICE txqueuelen 10000), or a faster reader",
  ),
  traffic(
    "mirror-target",
    ["rxDroppedMirror"],
    "it gets a mirror's copies, and so nothing that it sends goes anywhere",
    "a mirror has it, and % of what it sends is dropped",
    "vuswitch mirror list shows the mirror",
  ),
];

/** Verdicts on a port that works and loses no frames to speak of. */
export const QUIET_VERDICTS = [
  ["sends-nothing", "ok", "frames go to the guest, and it has sent none yet", null],
  ["flows", "ok", "frames flow", null],
  ["no-frames", "ok", "it is up, and there are no frames", null],
] as const satisfies readonly VerdictRow[];

/**
 * Drops that mean nothing by themselves: a bridge has to, or nobody is there to take the frame. The
 * state of the port they were for says the rest.
 */
export const USUAL_DROPS: readonly PortCounter[] = [
  ...["rxDroppedReserved", "rxDroppedSamePort", "rxDroppedNoPort", "rxDroppedUplinks"] as const,
  ...["rxDroppedDisabled", "txDroppedLinkDown", "txDroppedRingBroken"] as const,
  ...["txDroppedUplinkDown", "txDroppedMirror"] as const,
];

/** All of them. */
export const VERDICT_ROWS: readonly VerdictRow[] = [
  ...STATE_VERDICTS,
  ...TRAFFIC_VERDICTS.map(({ row }) => row),
  ...QUIET_VERDICTS,
];
