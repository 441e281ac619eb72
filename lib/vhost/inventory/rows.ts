/**
 * What the tables of the code do not say of a message or feature bit: why it is not offered, or
 * only on demand, and which test shows it at work. A row that says what is no longer so fails
 * `tests/unit/vhost/inventory_test.ts`, as does an offered entry without a test.
 *
 * @module
 */
import type { OfferOptions } from "../offer.ts";
import * as by from "./proofs.ts";

/** Kinds of entries, in the order of every list of them. */
export const ENTRY_KINDS = [
  "front-end message",
  "back-end message",
  "protocol feature",
  "virtio feature",
] as const;

/** One of {@linkcode ENTRY_KINDS}. */
export type EntryKind = (typeof ENTRY_KINDS)[number];

/**
 * Kinds whose reasons and tests stand in this file; front-end messages have a table of their own.
 */
export type ListedKind = Exclude<EntryKind, "front-end message">;

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

/**
 * What no port offers, or only one that an option asks to, and why. Front-end messages are not
 * here: theirs stand in `requests/table.ts`. A message without a row has the reason of the feature
 * it needs.
 */
export const NOT_BY_DEFAULT: Readonly<Record<ListedKind, readonly Row[]>> = {
  "back-end message": [
    [3, "VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG", "belongs to HOST_NOTIFIER"],
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

/** Tests of what is offered, by name; those of front-end messages are in their rows. */
export const COVERING_TESTS: Readonly<Record<string, readonly by.Proof[]>> = {
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: [
    by.LINK,
    [by.CONFIGURED, "config: a port taken down is told, read as down"],
  ],
  VHOST_USER_BACKEND_VRING_CALL: [by.CALLS],
  VHOST_USER_BACKEND_VRING_ERR: [[by.CONFIGURED, "in-band: a driver that breaks its ring is told"]],
  VHOST_USER_BACKEND_IOTLB_MSG: by.TRANSLATED,
  VHOST_USER_PROTOCOL_F_MQ: [["tests/e2e/testpmd_test.ts", "testpmd: four queue pairs"]],
  VHOST_USER_PROTOCOL_F_LOG_SHMFD: by.LOG,
  VHOST_USER_PROTOCOL_F_RARP: by.RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK: [[by.REFUSALS, "session acknowledges only once REPLY_ACK"]],
  VHOST_USER_PROTOCOL_F_NET_MTU: [[by.FRONT_ENDS, "session applies NET_SET_MTU"]],
  VHOST_USER_PROTOCOL_F_BACKEND_REQ: [by.CHANNEL],
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD: [by.CRASHES],
  VHOST_USER_PROTOCOL_F_RESET_DEVICE: [
    [by.FRONT_ENDS, "session forgets the device but neither memory"],
  ],
  VHOST_USER_PROTOCOL_F_DEVICE_STATE: [by.MOVED],
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT: [by.NOT_DRAINED],
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN: [by.NOT_DRAINED],
  VHOST_USER_PROTOCOL_F_CONFIG: [by.CONFIG_READ, by.LINK],
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS: [by.CALLS],
  VHOST_USER_PROTOCOL_F_GPA_ADDRESSES: [[by.CONFIGURED, "guest addresses: rings and memory named"]],
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS: [by.SLOTS, by.QEMU_SLOTS],
  VHOST_USER_PROTOCOL_F_STATUS: [
    [by.FRONT_ENDS, "session takes a new driver's features after a status of 0"],
  ],
  VIRTIO_NET_F_MTU: [[by.QEMU, "QEMU MTU 9000"]],
  VIRTIO_NET_F_MAC: [by.CONFIG_READ],
  VIRTIO_NET_F_STATUS: [by.LINK],
  VIRTIO_NET_F_MRG_RXBUF: [by.RING_KINDS],
  VIRTIO_NET_F_GUEST_ANNOUNCE: [by.MIGRATED],
  VIRTIO_NET_F_MQ: [["tests/model/queues_test.ts", "a flow keeps its receive queue"]],
  VHOST_F_LOG_ALL: by.LOG,
  VIRTIO_F_ANY_LAYOUT: [[by.RINGS, "rings: header and data over descriptors in every layout"]],
  VIRTIO_RING_F_INDIRECT_DESC: [by.RING_KINDS],
  VIRTIO_RING_F_EVENT_IDX: [by.RING_KINDS],
  VHOST_USER_F_PROTOCOL_FEATURES: [
    [by.FRONT_ENDS, "session enables every ring when features come without bit 30"],
  ],
  VIRTIO_F_VERSION_1: [by.RING_KINDS],
  VIRTIO_F_ACCESS_PLATFORM: by.TRANSLATED,
  VIRTIO_F_RING_PACKED: [by.RING_KINDS, by.QEMU_PACKED],
  VIRTIO_F_RING_RESET: [[by.CONFIGURED, "ring reset: one ring stops and starts anew elsewhere"]],
  VIRTIO_F_IN_ORDER: [[by.RINGS, "rings: a split and a packed guest, in-order"]],
};
