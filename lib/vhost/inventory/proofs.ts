/**
 * Tests that show a message or feature bit at work, for the rows that name them
 * (`../requests/table.ts`, `../features/rows.ts`, `back_end_rows.ts`). `tests/unit/vhost/inventory/inventory_test.ts` looks that each exists.
 *
 * @module
 */

/** A test's file, and how its name starts. */
export type Proof = readonly [file: string, name: string];

/** Sends every message in every state. */
export const WALK: Proof = [
  "tests/unit/vhost/requests/conformance_walk_test.ts",
  "every message in every state has its one right outcome",
];
/** For bits that are not offered: taking one ends the connection. */
export const REFUSAL: Proof = [
  "tests/unit/vhost/requests/refusals_test.ts",
  "session refuses features that were not offered",
];
/** Sessions as QEMU, DPDK and others begin them, with a host that only notes what it is asked. */
export const FRONT_ENDS = "tests/unit/vhost/session_test.ts";
/** Sessions of front-ends that go wrong. */
export const REFUSALS = "tests/unit/vhost/requests/refusals_test.ts";
/** Guests in QEMU, and the frames they exchange. */
export const QEMU = "tests/e2e/qemu_test.ts";
/** A front-end of our own over a real socket. */
export const FRONT_END = "tests/e2e/frontend_test.ts";
/** The same front-end, and rings of every kind. */
export const RINGS = "tests/e2e/frontend_rings_test.ts";
/** Negotiation, memory and split rings of QEMU at once. */
export const QEMU_SPLIT: Proof = [QEMU, "QEMU split rings: 1,000 pings"];
/** The same with packed rings. */
export const QEMU_PACKED: Proof = [QEMU, "QEMU packed rings: 1,000 pings"];
/** What QEMU 7.2 sends at first, to the first ring. */
export const START: Proof = [FRONT_ENDS, "session starts split rings of QEMU 7.2"];
/** Memory that comes and goes slot by slot. */
export const SLOTS: Proof = [
  FRONT_ENDS,
  "session leaves rings running whose memory stays while slots",
];
/** Memory hotplug in QEMU. */
export const QEMU_SLOTS: Proof = [
  "tests/e2e/qemu_queues_test.ts",
  "QEMU plugs memory in while traffic flows",
];
/** Port options as a front-end sees them. */
export const CONFIGURED = "tests/e2e/frontend_config_test.ts";
/** The configuration space, and what a front-end may write into it. */
export const CONFIG = "tests/unit/vhost/requests/config_test.ts";
/** A configuration space read by a front-end. */
export const CONFIG_READ: Proof = [CONFIGURED, "config: what the operator gave a port is what"];
/** Status and reset. */
export const STATUS = "tests/unit/vhost/requests/status_test.ts";
/** A changed configuration space is told. */
export const LINK: Proof = [CONFIG, "a link taken down is told on the back-end channel"];
/** A port's own state, saved and loaded. */
export const MOVED: Proof = [
  "tests/e2e/frontend_state_test.ts",
  "device state: what one switch knew",
];
/** Rings that stop without waiting. */
export const NOT_DRAINED: Proof = [CONFIGURED, "skip-drain: rings stop at once and go on"];
/** In-band notifications, with traffic. */
export const CALLS: Proof = [CONFIGURED, "in-band: kicks and calls as messages carry every frame"];
/** Every kind of ring, layout of buffers, suppression and header. */
export const RING_KINDS: Proof = [RINGS, "rings: kind × buffers × suppression × header"];
/** Bytes on the back-end channel. */
export const CHANNEL: Proof = [
  "tests/unit/control/front_end/back_end_channel_test.ts",
  "the channel sends what the specification lays out",
];
/** The session's part of a migration. */
export const MIGRATION = "tests/unit/vhost/requests/migration_test.ts";
/** A log that misses no write. */
export const LOGGED: Proof = [
  "tests/e2e/dirty_log_test.ts",
  "dirty log: a copy of memory that follows",
];
/** A whole migration of QEMU. */
export const MIGRATED: Proof = [
  "tests/e2e/migration_test.ts",
  "QEMU live migration between two ports, there and back",
];
/** All there is about the dirty log. */
export const LOG: readonly Proof[] = [
  [MIGRATION, "session logs for QEMU, twice, and no ring stops"],
  LOGGED,
  MIGRATED,
];
/** All there is about the IOTLB. */
export const TRANSLATED: readonly Proof[] = [
  ["tests/unit/vhost/requests/iotlb_test.ts", "IOTLB messages that cannot be right are refused"],
  ["tests/e2e/iommu_test.ts", "QEMU behind an IOMMU, split and packed"],
];
/** All there is about checksums and segments. */
export const OFFLOADS: readonly Proof[] = [
  ["tests/model/offload_test.ts", "a receiver gets what it takes, and everything else as"],
  ["tests/e2e/offload_test.ts", "QEMU offloads: every pair of TSO, checksums alone and none"],
];
/** All there is about announcements. */
export const RARP: readonly Proof[] = [
  [MIGRATION, "session announces a guest at once"],
  ["tests/unit/switch/rarp_test.ts", "a RARP request goes to every other port"],
  MIGRATED,
];

/** Inflight areas as front-ends give them. */
export const INFLIGHT = "tests/unit/vhost/requests/inflight_test.ts";
/** Back-ends that die at every step, and their successors. */
export const CRASHES: Proof = [
  "tests/model/crash_test.ts",
  "no crash loses anything: split, inflight to packed, inflight",
];
