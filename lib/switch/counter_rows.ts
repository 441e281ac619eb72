/**
 * Every counter with its unit and its meaning. Documents, the schema of the JSON and rates are made
 * from these rows; counting knows only their order.
 *
 * @module
 */

/** What a counter counts. */
export type CounterUnit =
  | "addresses"
  | "buffers"
  | "bytes"
  | "commands"
  | "frames"
  | "microseconds"
  | "notifications"
  | "rounds"
  | "times"
  | "translations"
  | "visits";

/**
 * Name, unit and meaning. `now`: a number that goes down as well and has no rate, as the entries of
 * a table. All others only grow.
 */
export type CounterRow = readonly [name: string, unit: CounterUnit, meaning: string, now?: "now"];

/** Whether a counter never goes down while what it belongs to is there. */
export function onlyGrows([, , , now]: CounterRow): boolean {
  return now === undefined;
}

/** Names of rows, in their order. */
export type CounterNames<Rows extends readonly CounterRow[]> = {
  readonly [Place in keyof Rows]: Rows[Place][0];
};

/** The names of rows. */
export function counterNames<const Rows extends readonly CounterRow[]>(
  rows: Rows,
): CounterNames<Rows> {
  return rows.map(([name]) => name) as CounterNames<Rows>;
}

/** Where the frames of a counter go, by its name: rx is what the switch receives. */
export function counterWay(name: string): "from guest" | "to guest" | null {
  if (name.startsWith("rx")) return "from guest";
  return name.startsWith("tx") ? "to guest" : null;
}

/**
 * Per port. Received means from the guest, transmitted means to the guest. Frames count without
 * virtio-net header and FCS.
 */
export const PORT_ROWS = [
  ["rxFrames", "frames", "frames taken from the guest"],
  ["rxBytes", "bytes", "bytes of them, without virtio-net header and FCS"],
  ["rxBroadcastFrames", "frames", "of them, to the broadcast address"],
  ["rxMulticastFrames", "frames", "of them, to other group addresses"],
  [
    "rxFloodedFrames",
    "frames",
    "of them, sent to all other ports: group addresses and addresses not learned",
  ],
  [
    "rxDroppedMalformed",
    "frames",
    "shorter than an Ethernet header, or a descriptor chain that is no frame",
  ],
  [
    "rxDroppedOversize",
    "frames",
    "longer than the port's `mtu=` allows, or than any frame can be",
  ],
  [
    "rxDroppedBadOffload",
    "frames",
    "asks for a checksum or segments that were not negotiated, or that its own headers do not bear out",
  ],
  [
    "rxDroppedReserved",
    "frames",
    "to 01-80-C2-00-00-0x, which a bridge does not pass on (LLDP, LACP, spanning tree), and no " +
    "other port has with this one in `forward=`",
  ],
  [
    "rxDroppedVlan",
    "frames",
    "tagged with a VLAN that the port is not in, or with 4095; or untagged, and the port has no native VLAN",
  ],
  ["rxDroppedBadSource", "frames", "the source is a group address: nobody's"],
  ["rxDroppedSamePort", "frames", "the destination was learned at this very port"],
  [
    "rxDroppedNoPort",
    "frames",
    "there is nobody to send it to: no other port, none outside of its isolation group, or the " +
    "linked port is missing",
  ],
  ["rxDroppedUplinks", "frames", "from one uplink, to an address behind another"],
  [
    "rxDroppedLimit",
    "frames",
    "its source was not learned, for a limit, and so it may not leave by an uplink",
  ],
  [
    "rxDroppedInUse",
    "frames",
    "its source is an address that is in use at another port: somebody takes it, or it moved and " +
    "did not say so",
  ],
  [
    "rxDroppedSpoofed",
    "frames",
    "its source is static at another port, or none of the addresses of a port with `lock=on`",
  ],
  ["rxDroppedBroadcastStorm", "frames", "a broadcast above the port's storm limit"],
  ["rxDroppedMulticastStorm", "frames", "to another group, above the port's storm limit"],
  [
    "rxDroppedUnknownStorm",
    "frames",
    "to an address that nobody has, above the port's storm limit",
  ],
  [
    "rxDroppedDhcp",
    "frames",
    "a DHCP server's words, from a port with `guard=dhcp`",
  ],
  [
    "rxDroppedRouter",
    "frames",
    "what only a router says: advertisements, redirects, queries; from a port with `guard=ra`",
  ],
  [
    "rxDroppedIp",
    "frames",
    "speaks with an IP address that is none of the port's `ip=`, or claims it by ARP or neighbour " +
    "discovery",
  ],
  [
    "rxDroppedHidden",
    "frames",
    "from a port with `guard=` or `ip=`, and what it says cannot be told: three VLAN tags, headers " +
    "that are cut off, or a first fragment without them",
  ],
  [
    "rxDroppedSlow",
    "frames",
    "its pages, or those of frames before it, took the guest's share of a visit to come: punched, " +
    "swapped, or in crumbs",
  ],
  ["rxDroppedDisabled", "frames", "taken while the port or the ring was disabled"],
  ["rxDroppedMirror", "frames", "from a port that a mirror has: it gets copies and sends nothing"],
  ["txDroppedMirror", "frames", "to an address at a port that a mirror has: it gets copies alone"],
  ["txAnnounced", "frames", "RARP requests that told this uplink of a local address"],
  ["txFrames", "frames", "frames written into the guest's memory"],
  ["txBytes", "bytes", "bytes of them, without virtio-net header and FCS"],
  [
    "txDroppedNoBuffer",
    "frames",
    "the guest had no receive buffer: it is too slow, or does not run",
  ],
  [
    "txDroppedShare",
    "frames",
    "the guest had too little room, and the sender had more than its share of it",
  ],
  ["txCompleted", "frames", "checksums completed for the guest, which does not take them begun"],
  [
    "txCut",
    "frames",
    "large frames cut into segments for the guest, which does not take them whole",
  ],
  [
    "txDroppedUncut",
    "frames",
    "large, to be cut for the guest or behind it, and the sender's share of that in one visit was used up",
  ],
  ["txDroppedSlow", "frames", "pages of the guest's buffers took its share of a visit to come"],
  ["txDroppedBufferTooSmall", "frames", "the guest's buffers cannot hold it"],
  ["txDroppedOversize", "frames", "longer than this port's MTU allows"],
  [
    "txDroppedVlan",
    "frames",
    "of a VLAN that this port is not in: from a port that it is linked with, or to a static address of it",
  ],
  ["txDroppedLinkDown", "frames", "the port has no running receive ring"],
  ["txDroppedRingBroken", "frames", "the receive ring was stopped for a fault of its driver"],
  [
    "txDroppedUntranslated",
    "frames",
    "it waited for an IOMMU translation, and the park was full or the ring ended",
  ],
  ["txParked", "frames", "waited for an IOMMU translation"],
  ["txDroppedUplinkFull", "frames", "the device or process behind the port had no room (EAGAIN)"],
  [
    "txDroppedUplinkRefused",
    "frames",
    "the kernel did not take it (EINVAL, EFAULT): memory of its sender that is gone",
  ],
  ["txDroppedUplinkDown", "frames", "the device or process behind the port is down or gone"],
  ["iotlbMisses", "translations", "translations asked of the front-end"],
  ["macMovesIn", "addresses", "MAC addresses that came from another port"],
  ["macMovesOut", "addresses", "MAC addresses that went to another port"],
  [
    "macFlaps",
    "addresses",
    "MAC addresses that began to move between this port and another faster than a guest can: 10 " +
    "times in a minute",
  ],
  [
    "rxDroppedIsolated",
    "frames",
    "to an address, or over a link, of a port of its isolation group",
  ],
  ["rxDroppedRate", "frames", "above the rate that the port may send at, `limit=`"],
  ["txDroppedRate", "frames", "above the rate at which the port may be sent to, `limit=`"],
  ["rxSize64", "frames", "frames from the guest of up to 64 bytes; sampled"],
  ["rxSize128", "frames", "frames from the guest of 65 to 128 bytes; sampled"],
  ["rxSize256", "frames", "frames from the guest of 129 to 256 bytes; sampled"],
  ["rxSize512", "frames", "frames from the guest of 257 to 512 bytes; sampled"],
  ["rxSize1024", "frames", "frames from the guest of 513 to 1024 bytes; sampled"],
  ["rxSize1518", "frames", "frames from the guest of 1025 to 1518 bytes; sampled"],
  ["rxSize9018", "frames", "frames from the guest of 1519 to 9018 bytes; sampled"],
  [
    "rxSizeMore",
    "frames",
    "frames from the guest of more than 9018 bytes, as they are to be cut; sampled",
  ],
  ["rxSizeBytes", "bytes", "bytes of all frames that the counters of sizes from the guest have"],
  [
    "txSize64",
    "frames",
    "frames for the guest of up to 64 bytes, before what is dropped or cut; sampled",
  ],
  ["txSize128", "frames", "frames for the guest of 65 to 128 bytes; sampled"],
  ["txSize256", "frames", "frames for the guest of 129 to 256 bytes; sampled"],
  ["txSize512", "frames", "frames for the guest of 257 to 512 bytes; sampled"],
  ["txSize1024", "frames", "frames for the guest of 513 to 1024 bytes; sampled"],
  ["txSize1518", "frames", "frames for the guest of 1025 to 1518 bytes; sampled"],
  ["txSize9018", "frames", "frames for the guest of 1519 to 9018 bytes; sampled"],
  [
    "txSizeMore",
    "frames",
    "frames for the guest of more than 9018 bytes, before they are cut; sampled",
  ],
  ["txSizeBytes", "bytes", "bytes of all frames that the counters of sizes for the guest have"],
] as const satisfies readonly CounterRow[];

/** Per virtqueue. */
export const VRING_ROWS = [
  ["frames", "frames", "frames through this ring"],
  ["bursts", "rounds", "rounds in which there were frames"],
  ["kicks", "notifications", "notifications taken from the driver"],
  ["calls", "notifications", "notifications sent to the driver"],
  ["callsSuppressed", "notifications", "notifications the driver did not want"],
  ["lastAvail", "buffers", "position of the last buffer taken", "now"],
  ["lastUsed", "buffers", "position of the last buffer given back", "now"],
  ["badChains", "buffers", "chains that went back unused, for one of the reasons of a chain"],
  [
    "ready",
    "buffers",
    "made available by the driver and not taken yet, as looked at about once a second; of a packed " +
    "ring, its descriptors",
    "now",
  ],
] as const satisfies readonly CounterRow[];

/** Of the data plane as a whole. */
export const WORKER_ROWS = [
  ["frames", "frames", "frames taken from all ports"],
  ["bursts", "visits", "visits to a queue that took frames"],
  ["sleeps", "times", "times the data plane slept for want of work"],
  ["wakeups", "times", "times a kick or a command woke it"],
  ["commands", "commands", "commands of the control thread"],
  ["rounds", "rounds", "rounds of visits to all queues"],
  ["busyRounds", "rounds", "of them, that took frames"],
  ["busyUs", "microseconds", "time in rounds that took frames"],
  ["pollingUs", "microseconds", "time in rounds that found none"],
  ["asleepUs", "microseconds", "time asleep, and going to sleep and waking up"],
  ["commandUs", "microseconds", "time in commands of the control thread"],
  ["waitedUs", "microseconds", "time it did not run: others had its processor, or a call held it"],
  ["stalls", "times", "times it was away from its queues for 1 ms or longer, sleep aside"],
  ["longStalls", "times", "of them, for 10 ms or longer"],
  ["longestStallUs", "microseconds", "the longest of them, since the start", "now"],
  ["collections", "times", "collections of garbage by V8 in its thread, looked at every 10 s"],
  ["collectionUs", "microseconds", "time in them; 0 on a Deno that does not tell, before 2.9"],
  ["plainFrames", "frames", "frames taken the plain way: a descriptor each"],
  ["generalFrames", "frames", "frames taken the general way, descriptor by descriptor"],
  ["plainDelivered", "frames", "frames given to a guest the plain way: a buffer each"],
  ["generalDelivered", "frames", "frames given to a guest the general way, piece by piece"],
  ["bursts1", "visits", "visits that took 1 frame"],
  ["bursts2", "visits", "visits that took 2 or 3 frames"],
  ["bursts4", "visits", "visits that took 4 to 7 frames"],
  ["bursts8", "visits", "visits that took 8 to 15 frames"],
  ["bursts16", "visits", "visits that took 16 to 31 frames"],
  ["bursts32", "visits", "visits that took 32 to 63 frames"],
  ["bursts64", "visits", "visits that took 64 to 127 frames"],
  ["bursts128", "visits", "visits that took 128 frames, which is the most"],
  ["badPages", "times", "times a page of a front-end's file could not be had"],
  [
    "visitsUs1",
    "visits",
    "visits that took up to 1 us, from the frames at hand to the last call; sampled",
  ],
  ["visitsUs2", "visits", "visits that took 1 to 2 us; sampled"],
  ["visitsUs4", "visits", "visits that took 2 to 4 us; sampled"],
  ["visitsUs8", "visits", "visits that took 4 to 8 us; sampled"],
  ["visitsUs16", "visits", "visits that took 8 to 16 us; sampled"],
  ["visitsUs32", "visits", "visits that took 16 to 32 us; sampled"],
  ["visitsUs64", "visits", "visits that took 32 to 64 us; sampled"],
  ["visitsUs128", "visits", "visits that took 64 to 128 us; sampled"],
  ["visitsUs256", "visits", "visits that took 128 to 256 us; sampled"],
  ["visitsUs512", "visits", "visits that took 256 to 512 us; sampled"],
  ["visitsUs1024", "visits", "visits that took 512 to 1024 us; sampled"],
  ["visitsUs2048", "visits", "visits that took 1 to 2 ms; sampled"],
  ["visitsUs4096", "visits", "visits that took 2 to 4 ms; sampled"],
  ["visitsUs8192", "visits", "visits that took 4 to 8 ms; sampled"],
  ["visitsUs16384", "visits", "visits that took 8 to 16 ms; sampled"],
  ["visitsUsMore", "visits", "visits that took longer; sampled"],
  ["visitsUs", "microseconds", "time that all visits took that the counters of times have"],
] as const satisfies readonly CounterRow[];

/** Of the forwarding database. */
export const FDB_ROWS = [
  ["entries", "addresses", "addresses known now", "now"],
  ["learned", "addresses", "addresses learned"],
  ["moved", "addresses", "addresses that were learned at another port"],
  ["aged", "addresses", "forgotten, unused for `--fdb-age`"],
  ["flushed", "addresses", "forgotten by command, or with their port"],
  ["rejectedFull", "addresses", "not learned: `--fdb-entries` reached"],
  ["rejectedPortFull", "addresses", "not learned: `--fdb-port-entries` reached"],
  ["flaps", "addresses", "addresses that began to move faster than a guest can"],
] as const satisfies readonly CounterRow[];
