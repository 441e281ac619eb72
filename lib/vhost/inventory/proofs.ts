/**
 * Tests that show a message or feature bit at work, for the rows that name them
 * (`../requests/table.ts`, `rows.ts`). `tests/unit/vhost/inventory_test.ts` looks that each exists.
 *
 * @module
 */

/** A test's file, and how its name starts. */
export type Proof = readonly [file: string, name: string];

export const WALK: Proof = [
  "tests/unit/vhost/conformance_walk_test.ts",
  "every message in every state has its one right outcome",
];
export const REFUSAL: Proof = [
  "tests/unit/vhost/session_refusals_test.ts",
  "session refuses features that were not offered",
];
export const FRONT_ENDS = "tests/unit/vhost/session_front_ends_test.ts";
export const REFUSALS = "tests/unit/vhost/session_refusals_test.ts";
export const QEMU = "tests/e2e/qemu_test.ts";
export const FRONT_END = "tests/e2e/frontend_test.ts";
export const RINGS = "tests/e2e/frontend_rings_test.ts";
export const QEMU_SPLIT: Proof = [QEMU, "QEMU split rings: 1,000 pings"];
export const QEMU_PACKED: Proof = [QEMU, "QEMU packed rings: 1,000 pings"];
export const START: Proof = [FRONT_ENDS, "session starts split rings of QEMU 7.2"];
export const SLOTS: Proof = [
  FRONT_ENDS,
  "session leaves rings running whose memory stays while slots",
];
export const QEMU_SLOTS: Proof = [
  "tests/e2e/qemu_queues_test.ts",
  "QEMU plugs memory in while traffic flows",
];
export const CONFIGURED = "tests/e2e/frontend_config_test.ts";
export const CONFIG = "tests/unit/vhost/session_config_test.ts";
export const CONFIG_READ: Proof = [CONFIGURED, "config: what the operator gave a port is what"];
export const STATUS = "tests/unit/vhost/session_status_test.ts";
export const LINK: Proof = [CONFIG, "a link taken down is told on the back-end channel"];
export const MOVED: Proof = [
  "tests/e2e/frontend_state_test.ts",
  "device state: what one switch knew",
];
export const NOT_DRAINED: Proof = [CONFIGURED, "skip-drain: rings stop at once and go on"];
export const CALLS: Proof = [CONFIGURED, "in-band: kicks and calls as messages carry every frame"];
export const RING_KINDS: Proof = [RINGS, "rings: kind × buffers × suppression × header"];
export const CHANNEL: Proof = [
  "tests/unit/control/front_end/back_end_channel_test.ts",
  "the channel sends what the specification lays out",
];
export const MIGRATION = "tests/unit/vhost/session_migration_test.ts";
export const LOGGED: Proof = [
  "tests/e2e/dirty_log_test.ts",
  "dirty log: a copy of memory that follows",
];
export const MIGRATED: Proof = [
  "tests/e2e/migration_test.ts",
  "QEMU live migration between two ports, there and back",
];
export const LOG: readonly Proof[] = [
  [MIGRATION, "session logs for QEMU, twice, and no ring stops"],
  LOGGED,
  MIGRATED,
];
export const TRANSLATED: readonly Proof[] = [
  ["tests/unit/vhost/session_iommu_test.ts", "IOTLB messages that cannot be right are refused"],
  ["tests/e2e/iommu_test.ts", "QEMU behind an IOMMU, split and packed"],
];
export const RARP: readonly Proof[] = [
  [MIGRATION, "session announces a guest at once"],
  ["tests/unit/switch/rarp_test.ts", "a RARP request goes to every other port"],
  MIGRATED,
];

export const INFLIGHT = "tests/unit/vhost/session_inflight_test.ts";
export const CRASHES: Proof = [
  "tests/model/crash_test.ts",
  "no crash loses anything: split, inflight to packed, inflight",
];
