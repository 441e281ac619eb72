/**
 * What the tables of the code do not say of a message or feature bit: why it is not offered, or
 * only on demand, and which test shows it at work. A row that says what is no longer so fails
 * `tests/unit/vhost/inventory_test.ts`, as does an offered entry without a test.
 *
 * @module
 */
import type { EntryKind } from "./inventory.ts";
import type { OfferOptions } from "../offer.ts";

/** Options of a port that change its offer, as they are written in `-p NAME,…`. */
export const OFFER_CHOICES: readonly (readonly [string, OfferOptions])[] = [
  ["mac=ADDRESS", { mac: "52:54:00:00:00:01" }],
  ["offer=inband", { offer: ["inband"] }],
  ["offer=gpa", { offer: ["gpa"] }],
  ["offer=skip-drain", { offer: ["skip-drain"] }],
  ["offer=ring-reset", { offer: ["ring-reset"] }],
  ["offer=iommu", { offer: ["iommu"] }],
];

/** Number, name, and why it is not offered, or not by default. */
export type Row = readonly [number: number, name: string, reason: string];

const CONTROL_QUEUE = "the control queue is the front-end's; none is served here";
const OFFLOAD = "no checksum or segmentation offload: frames travel as they are";
const NO_DRAIN = "a stop never waits for frames: nothing is gained by skipping the wait";
const IN_BAND = "a message for each kick and call: for front-ends that cannot make eventfds";
const IOMMU = "User-Mode Linux would use an IOMMU that is not there";

/** What is done on purpose and not what one would expect. */
export const NOTES: Readonly<Record<string, string>> = {
  VHOST_USER_REM_MEM_REG: "a region that is not known is removed already: success",
};

/** Everything that not every port offers. */
export const NOT_BY_DEFAULT: Readonly<Record<EntryKind, readonly Row[]>> = {
  "front-end message": [
    [22, "VHOST_USER_IOTLB_MSG", IOMMU],
    [23, "VHOST_USER_SET_VRING_ENDIAN", "only big-endian guests without VERSION_1 need it"],
    [26, "VHOST_USER_CREATE_CRYPTO_SESSION", "crypto devices only"],
    [27, "VHOST_USER_CLOSE_CRYPTO_SESSION", "crypto devices only"],
    [28, "VHOST_USER_POSTCOPY_ADVISE", "belongs to PAGEFAULT"],
    [29, "VHOST_USER_POSTCOPY_LISTEN", "belongs to PAGEFAULT"],
    [30, "VHOST_USER_POSTCOPY_END", "belongs to PAGEFAULT"],
    [33, "VHOST_USER_GPU_SET_SOCKET", "GPUs only"],
    [35, "VHOST_USER_VRING_KICK", IN_BAND],
    [41, "VHOST_USER_GET_SHARED_OBJECT", "belongs to SHARED_OBJECT"],
    [44, "VHOST_USER_GET_SHMEM_CONFIG", "belongs to SHMEM"],
    [45, "VHOST_USER_GET_VRING_BASE_SKIP_DRAIN", NO_DRAIN],
  ],
  "back-end message": [
    [1, "VHOST_USER_BACKEND_IOTLB_MSG", IOMMU],
    [3, "VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG", "belongs to HOST_NOTIFIER"],
    [4, "VHOST_USER_BACKEND_VRING_CALL", IN_BAND],
    [5, "VHOST_USER_BACKEND_VRING_ERR", IN_BAND],
    [6, "VHOST_USER_BACKEND_SHARED_OBJECT_ADD", "belongs to SHARED_OBJECT"],
    [7, "VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE", "belongs to SHARED_OBJECT"],
    [8, "VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP", "belongs to SHARED_OBJECT"],
    [9, "VHOST_USER_BACKEND_SHMEM_MAP", "belongs to SHMEM"],
    [10, "VHOST_USER_BACKEND_SHMEM_UNMAP", "belongs to SHMEM"],
  ],
  "protocol feature": [
    [6, "VHOST_USER_PROTOCOL_F_CROSS_ENDIAN", "only big-endian guests without VERSION_1 need it"],
    [7, "VHOST_USER_PROTOCOL_F_CRYPTO_SESSION", "crypto devices only"],
    [
      8,
      "VHOST_USER_PROTOCOL_F_PAGEFAULT",
      "post-copy: a page one tenant withholds would stop the thread that serves all",
    ],
    [10, "VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD", "nothing this back-end sends has a descriptor"],
    [11, "VHOST_USER_PROTOCOL_F_HOST_NOTIFIER", "for hardware with doorbells"],
    [14, "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS", IN_BAND],
    [17, "VHOST_USER_PROTOCOL_F_XEN_MMAP", "Xen grants are not mapped"],
    [18, "VHOST_USER_PROTOCOL_F_SHARED_OBJECT", "for graphics and video"],
    [20, "VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT", NO_DRAIN],
    [21, "VHOST_USER_PROTOCOL_F_GPA_ADDRESSES", "front-ends of 2025 take the bit for SHMEM"],
    [22, "VHOST_USER_PROTOCOL_F_SHMEM", "a network device has no memory of its own to share"],
    [23, "VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN", NO_DRAIN],
  ],
  "virtio feature": [
    [0, "VIRTIO_NET_F_CSUM", OFFLOAD],
    [1, "VIRTIO_NET_F_GUEST_CSUM", OFFLOAD],
    [2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS", CONTROL_QUEUE],
    [5, "VIRTIO_NET_F_MAC", "the front-end chooses its guest's address"],
    [6, "VIRTIO_NET_F_GSO", OFFLOAD],
    [7, "VIRTIO_NET_F_GUEST_TSO4", OFFLOAD],
    [8, "VIRTIO_NET_F_GUEST_TSO6", OFFLOAD],
    [9, "VIRTIO_NET_F_GUEST_ECN", OFFLOAD],
    [10, "VIRTIO_NET_F_GUEST_UFO", OFFLOAD],
    [11, "VIRTIO_NET_F_HOST_TSO4", OFFLOAD],
    [12, "VIRTIO_NET_F_HOST_TSO6", OFFLOAD],
    [13, "VIRTIO_NET_F_HOST_ECN", OFFLOAD],
    [14, "VIRTIO_NET_F_HOST_UFO", OFFLOAD],
    [17, "VIRTIO_NET_F_CTRL_VQ", CONTROL_QUEUE],
    [18, "VIRTIO_NET_F_CTRL_RX", CONTROL_QUEUE],
    [19, "VIRTIO_NET_F_CTRL_VLAN", CONTROL_QUEUE],
    [20, "VIRTIO_NET_F_CTRL_RX_EXTRA", CONTROL_QUEUE],
    [23, "VIRTIO_NET_F_CTRL_MAC_ADDR", CONTROL_QUEUE],
    [24, "VIRTIO_F_NOTIFY_ON_EMPTY", "for old drivers; EVENT_IDX does better"],
    [33, "VIRTIO_F_ACCESS_PLATFORM", IOMMU],
    [36, "VIRTIO_F_ORDER_PLATFORM", "the processors' own order is all there is to keep"],
    [37, "VIRTIO_F_SR_IOV", "a matter of PCI devices"],
    [38, "VIRTIO_F_NOTIFICATION_DATA", "a kick is an eventfd and carries no data"],
    [39, "VIRTIO_F_NOTIF_CONFIG_DATA", "a matter of PCI devices"],
    [40, "VIRTIO_F_RING_RESET", "QEMU 7.2 and 10 let the guest reset a ring and tell nobody"],
    [41, "VIRTIO_F_ADMIN_VQ", "vhost-user has no administration queue"],
    [43, "VIRTIO_F_SUSPEND", "vhost-user has no message for it"],
    [50, "VIRTIO_NET_F_DEVICE_STATS", CONTROL_QUEUE],
    [51, "VIRTIO_NET_F_HASH_TUNNEL", CONTROL_QUEUE],
    [52, "VIRTIO_NET_F_VQ_NOTF_COAL", CONTROL_QUEUE],
    [53, "VIRTIO_NET_F_NOTF_COAL", CONTROL_QUEUE],
    [54, "VIRTIO_NET_F_GUEST_USO4", OFFLOAD],
    [55, "VIRTIO_NET_F_GUEST_USO6", OFFLOAD],
    [56, "VIRTIO_NET_F_HOST_USO", OFFLOAD],
    [57, "VIRTIO_NET_F_HASH_REPORT", CONTROL_QUEUE],
    [59, "VIRTIO_NET_F_GUEST_HDRLEN", OFFLOAD],
    [60, "VIRTIO_NET_F_RSS", CONTROL_QUEUE],
    [61, "VIRTIO_NET_F_RSC_EXT", OFFLOAD],
    [62, "VIRTIO_NET_F_STANDBY", "the front-end's: it pairs its device with a physical one"],
    [63, "VIRTIO_NET_F_SPEED_DUPLEX", "a switch in memory has no speed to tell"],
  ],
};

/** A test's file, and how its name starts. */
export type Proof = readonly [file: string, name: string];

const WALK: Proof = [
  "tests/unit/vhost/conformance_walk_test.ts",
  "every message in every state has its one right outcome",
];
const REFUSAL: Proof = [
  "tests/unit/vhost/session_refusals_test.ts",
  "session refuses features that were not offered",
];
const FRONT_ENDS = "tests/unit/vhost/session_front_ends_test.ts";
const REFUSALS = "tests/unit/vhost/session_refusals_test.ts";
const QEMU = "tests/e2e/qemu_test.ts";
const FRONT_END = "tests/e2e/frontend_test.ts";
const RINGS = "tests/e2e/frontend_rings_test.ts";
const QEMU_SPLIT: Proof = [QEMU, "QEMU split rings: 1,000 pings"];
const QEMU_PACKED: Proof = [QEMU, "QEMU packed rings: 1,000 pings"];
const START: Proof = [FRONT_ENDS, "session starts split rings of QEMU 7.2"];
const SLOTS: Proof = [FRONT_ENDS, "session leaves rings running whose memory stays while slots"];
const QEMU_SLOTS: Proof = [
  "tests/e2e/qemu_queues_test.ts",
  "QEMU plugs memory in while traffic flows",
];
const CONFIGURED = "tests/e2e/frontend_config_test.ts";
const CONFIG = "tests/unit/vhost/session_config_test.ts";
const CONFIG_READ: Proof = [CONFIGURED, "config: what the operator gave a port is what"];
const STATUS = "tests/unit/vhost/session_status_test.ts";
const LINK: Proof = [CONFIG, "a link taken down is told on the back-end channel"];
const MOVED: Proof = ["tests/e2e/frontend_state_test.ts", "device state: what one switch knew"];
const NOT_DRAINED: Proof = [CONFIGURED, "skip-drain: rings stop at once and go on"];
const CALLS: Proof = [CONFIGURED, "in-band: kicks and calls as messages carry every frame"];
const RING_KINDS: Proof = [RINGS, "rings: kind × buffers × suppression × header"];
const CHANNEL: Proof = [
  "tests/unit/control/front_end/back_end_channel_test.ts",
  "the channel sends what the specification lays out",
];
const MIGRATION = "tests/unit/vhost/session_migration_test.ts";
const LOGGED: Proof = ["tests/e2e/dirty_log_test.ts", "dirty log: a copy of memory that follows"];
const MIGRATED: Proof = [
  "tests/e2e/migration_test.ts",
  "QEMU live migration between two ports, there and back",
];
const LOG: readonly Proof[] = [
  [MIGRATION, "session logs for QEMU, twice, and no ring stops"],
  LOGGED,
  MIGRATED,
];
const TRANSLATED: readonly Proof[] = [
  ["tests/unit/vhost/session_iommu_test.ts", "IOTLB messages that cannot be right are refused"],
  ["tests/e2e/iommu_test.ts", "QEMU behind an IOMMU, split and packed"],
];
const RARP: readonly Proof[] = [
  [MIGRATION, "session announces a guest at once"],
  ["tests/unit/switch/rarp_test.ts", "a RARP request goes to every other port"],
  MIGRATED,
];

const INFLIGHT = "tests/unit/vhost/session_inflight_test.ts";
const CRASHES: Proof = [
  "tests/model/crash_test.ts",
  "no crash loses anything: split, inflight to packed, inflight",
];

/** What shows that something that is not offered is refused. */
export const REFUSING_TESTS: Readonly<Record<EntryKind, readonly Proof[]>> = {
  "front-end message": [WALK],
  // Never sent.
  "back-end message": [],
  "protocol feature": [REFUSAL],
  "virtio feature": [REFUSAL],
};

/** Tests of what is offered, by name. */
export const COVERING_TESTS: Readonly<Record<string, readonly Proof[]>> = {
  VHOST_USER_GET_FEATURES: [START, QEMU_SPLIT],
  VHOST_USER_SET_FEATURES: [[REFUSALS, "session refuses other features while rings are in use"]],
  VHOST_USER_SET_OWNER: [START, QEMU_SPLIT],
  VHOST_USER_RESET_OWNER: [[STATUS, "RESET_OWNER changes nothing"]],
  VHOST_USER_SET_MEM_TABLE: [[FRONT_END, "memory: the sender's table is replaced under traffic"]],
  VHOST_USER_SET_LOG_BASE: LOG,
  VHOST_USER_SET_LOG_FD: [[MIGRATION, "session keeps one log descriptor, an eventfd"]],
  VHOST_USER_SET_VRING_NUM: [[RINGS, "rings: sizes from 1 to 32,768"]],
  VHOST_USER_SET_VRING_ADDR: [[REFUSALS, "session refuses ring areas that are unaligned"]],
  VHOST_USER_SET_VRING_BASE: [[FRONT_END, "rings: GET_VRING_BASE is exact"]],
  VHOST_USER_GET_VRING_BASE: [[FRONT_END, "rings: GET_VRING_BASE is exact"]],
  VHOST_USER_SET_VRING_KICK: [[FRONT_ENDS, "session starts a ring whose kick came before"]],
  VHOST_USER_SET_VRING_CALL: [["tests/e2e/faults_calls_test.ts", "a call descriptor that is full"]],
  VHOST_USER_SET_VRING_ERR: [[FRONT_ENDS, "session signals the err descriptor of a broken ring"]],
  VHOST_USER_GET_PROTOCOL_FEATURES: [START, QEMU_SPLIT],
  VHOST_USER_SET_PROTOCOL_FEATURES: [REFUSAL, QEMU_SPLIT],
  VHOST_USER_GET_QUEUE_NUM: [START],
  VHOST_USER_SET_VRING_ENABLE: [[FRONT_END, "rings: disabled means that frames are taken"]],
  VHOST_USER_SEND_RARP: RARP,
  VHOST_USER_NET_SET_MTU: [[CONFIGURED, "config: longer frames than a port's MTU reach nobody"]],
  VHOST_USER_SET_BACKEND_REQ_FD: [WALK, CHANNEL],
  VHOST_USER_GET_CONFIG: [CONFIG_READ],
  VHOST_USER_SET_CONFIG: [[CONFIG, "SET_CONFIG after a migration"]],
  VHOST_USER_VRING_KICK: [CALLS],
  VHOST_USER_SET_DEVICE_STATE_FD: [MOVED],
  VHOST_USER_CHECK_DEVICE_STATE: [
    MOVED,
    ["tests/unit/vhost/device_state_test.ts", "decodeDeviceState() refuses every single bit"],
  ],
  VHOST_USER_GET_VRING_BASE_SKIP_DRAIN: [NOT_DRAINED],
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: [
    LINK,
    [CONFIGURED, "config: a port taken down is told, read as down"],
  ],
  VHOST_USER_BACKEND_VRING_CALL: [CALLS],
  VHOST_USER_BACKEND_VRING_ERR: [[CONFIGURED, "in-band: a driver that breaks its ring is told"]],
  VHOST_USER_IOTLB_MSG: TRANSLATED,
  VHOST_USER_BACKEND_IOTLB_MSG: TRANSLATED,
  VHOST_USER_GET_INFLIGHT_FD: [[INFLIGHT, "an area has a region for each queue"]],
  VHOST_USER_SET_INFLIGHT_FD: [
    [INFLIGHT, "an area that comes while rings run takes them over"],
    CRASHES,
  ],
  VHOST_USER_RESET_DEVICE: [[FRONT_ENDS, "session forgets the device but neither memory"]],
  VHOST_USER_GET_MAX_MEM_SLOTS: [SLOTS],
  VHOST_USER_ADD_MEM_REG: [SLOTS, QEMU_SLOTS],
  VHOST_USER_REM_MEM_REG: [SLOTS, QEMU_SLOTS],
  VHOST_USER_SET_STATUS: [[
    FRONT_ENDS,
    "session takes a new driver's features after a status of 0",
  ]],
  VHOST_USER_GET_STATUS: [[STATUS, "FEATURES_OK stays only if the features go together"]],
  VHOST_USER_PROTOCOL_F_MQ: [["tests/e2e/testpmd_test.ts", "testpmd: four queue pairs"]],
  VHOST_USER_PROTOCOL_F_LOG_SHMFD: LOG,
  VHOST_USER_PROTOCOL_F_RARP: RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK: [[REFUSALS, "session acknowledges only once REPLY_ACK"]],
  VHOST_USER_PROTOCOL_F_NET_MTU: [[FRONT_ENDS, "session applies NET_SET_MTU"]],
  VHOST_USER_PROTOCOL_F_BACKEND_REQ: [CHANNEL],
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD: [CRASHES],
  VHOST_USER_PROTOCOL_F_RESET_DEVICE: [
    [FRONT_ENDS, "session forgets the device but neither memory"],
  ],
  VHOST_USER_PROTOCOL_F_DEVICE_STATE: [MOVED],
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT: [NOT_DRAINED],
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN: [NOT_DRAINED],
  VHOST_USER_PROTOCOL_F_CONFIG: [CONFIG_READ, LINK],
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS: [CALLS],
  VHOST_USER_PROTOCOL_F_GPA_ADDRESSES: [[CONFIGURED, "guest addresses: rings and memory named"]],
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS: [SLOTS, QEMU_SLOTS],
  VHOST_USER_PROTOCOL_F_STATUS: [
    [FRONT_ENDS, "session takes a new driver's features after a status of 0"],
  ],
  VIRTIO_NET_F_MTU: [[QEMU, "QEMU MTU 9000"]],
  VIRTIO_NET_F_MAC: [CONFIG_READ],
  VIRTIO_NET_F_STATUS: [LINK],
  VIRTIO_NET_F_MRG_RXBUF: [RING_KINDS],
  VIRTIO_NET_F_GUEST_ANNOUNCE: [MIGRATED],
  VIRTIO_NET_F_MQ: [["tests/model/queues_test.ts", "a flow keeps its receive queue"]],
  VHOST_F_LOG_ALL: LOG,
  VIRTIO_F_ANY_LAYOUT: [[RINGS, "rings: header and data over descriptors in every layout"]],
  VIRTIO_RING_F_INDIRECT_DESC: [RING_KINDS],
  VIRTIO_RING_F_EVENT_IDX: [RING_KINDS],
  VHOST_USER_F_PROTOCOL_FEATURES: [
    [FRONT_ENDS, "session enables every ring when features come without bit 30"],
  ],
  VIRTIO_F_VERSION_1: [RING_KINDS],
  VIRTIO_F_ACCESS_PLATFORM: TRANSLATED,
  VIRTIO_F_RING_PACKED: [RING_KINDS, QEMU_PACKED],
  VIRTIO_F_RING_RESET: [[CONFIGURED, "ring reset: one ring stops and starts anew elsewhere"]],
  VIRTIO_F_IN_ORDER: [[RINGS, "rings: a split and a packed guest, in-order"]],
};
