/**
 * Every feature bit of the specifications, a row each: virtio features, negotiated with the driver
 * (virtio-v1.3 §5.1.3, §6; bits 26 and 30 of vhost-user.rst), and vhost-user protocol features,
 * negotiated with the front-end. The offer, the readers of options and their help, `port show`, the
 * inventory and docs/protocol.md are made of these rows; to offer a bit is to say so here.
 *
 * What is offered must stay the same across restarts and versions: QEMU refuses a back-end that lost
 * a bit it once had.
 *
 * @module
 */
import * as by from "../inventory/proofs.ts";

/** What can be offered on top: the operator's word (`offer=WORD`), and what it is. */
export const OFFER_WORD_ROWS = {
  "inband": "kicks and calls as messages",
  "gpa": "rings and memory named by guest addresses",
  "skip-drain": "rings that stop at once",
  "ring-reset": "a guest may reset one ring",
  "iommu": "guests behind an IOMMU",
} as const;

/** What a port offers of offloads (`offload=WORD`): each word is all before it, and what it says. */
export const OFFLOAD_WORD_ROWS = {
  "off": "none",
  "csum": "checksums",
  "tso": "large TCP frames too",
  "uso": "large UDP frames too",
} as const;

/** A key of {@linkcode OFFLOAD_WORD_ROWS}. */
export type OffloadWord = keyof typeof OFFLOAD_WORD_ROWS;

const OFFLOAD_WORDS: readonly string[] = Object.keys(OFFLOAD_WORD_ROWS);

/** A key of {@linkcode OFFER_WORD_ROWS}. */
export type OfferWord = keyof typeof OFFER_WORD_ROWS;

/** What an operator may choose; what is left out has its default. */
export interface OfferOptions {
  /** 1 to 32; all by default. */
  readonly queuePairs?: number | undefined;
  /** `52:54:00:00:00:01` */
  readonly mac?: string | undefined;
  /** Largest MTU, bytes; by default there is none. */
  readonly mtu?: number | undefined;
  /** Offered on top; by default nothing. */
  readonly offer?: readonly OfferWord[] | undefined;
  /** False leaves GUEST_ANNOUNCE out. */
  readonly announce?: boolean | undefined;
  /** Leaves out what comes behind this word; by default nothing. */
  readonly offload?: OffloadWord | undefined;
  /** Limits other than the usual ones; regions of memory are told to front-ends. */
  readonly budget?: { readonly regions?: number | undefined } | undefined;
}

/** A bit that every port offers. */
export interface Always {
  /** Tells the kinds of rows apart. */
  readonly offered: "always";
  /** 0 to 63. */
  readonly bit: number;
  /** Options of a port that leave it out. */
  readonly unless?: (options: OfferOptions) => boolean;
  /** Bits of the same table without which it means nothing. */
  readonly needs?: readonly string[];
  /** Tests that show it at work. */
  readonly tests: readonly by.Proof[];
}

/** A bit that a port offers if its operator says so. */
export interface OnDemand {
  /** Tells the kinds of rows apart. */
  readonly offered: "option";
  /** 0 to 63. */
  readonly bit: number;
  /** The option, as it is written in `-p NAME,…`. */
  readonly option: string;
  /** Options that offer it, for tests and checks. */
  readonly example: OfferOptions;
  /** Whether these options offer it. */
  readonly when: (options: OfferOptions) => boolean;
  /** Why not every port offers it. */
  readonly why: string;
  /** Bits of the same table without which it means nothing. */
  readonly needs?: readonly string[];
  /** Tests that show it at work. */
  readonly tests: readonly by.Proof[];
}

/** A bit that is not offered. */
export interface Never {
  /** Tells the kinds of rows apart. */
  readonly offered: "never";
  /** 0 to 63. */
  readonly bit: number;
  /** Why not. */
  readonly why: string;
}

/** One row. */
export type FeatureRow = Always | OnDemand | Never;

/** Rows by name, as in the headers of Linux and QEMU. */
export type FeatureRows = Readonly<Record<string, FeatureRow>>;

function always(
  bit: number,
  tests: readonly by.Proof[],
  more: Pick<Always, "unless" | "needs"> = {},
): Always {
  return { offered: "always", bit, tests, ...more };
}

/** A bit that is left out by an `offload=` before `word`. */
function offload(bit: number, word: OffloadWord): Always {
  const unless = ({ offload = "uso" }: OfferOptions): boolean =>
    OFFLOAD_WORDS.indexOf(offload) < OFFLOAD_WORDS.indexOf(word);
  return { offered: "always", bit, tests: by.OFFLOADS, unless };
}

function never(bit: number, why: string): Never {
  return { offered: "never", bit, why };
}

/** A bit that `offer=WORD` offers. */
function asked(
  bit: number,
  word: OfferWord,
  why: string,
  tests: readonly by.Proof[],
  needs: readonly string[] = [],
): OnDemand {
  const when = ({ offer }: OfferOptions): boolean => offer?.includes(word) ?? false;
  const example = { offer: [word] };
  return {
    ...{ offered: "option", bit, option: `offer=${word}`, example, when, why, needs, tests },
  };
}

// The control queue that GUEST_ANNOUNCE and MQ need is the front-end's: CTRL_VQ is not offered.
const CONTROL_QUEUE = "the control queue is the front-end's; none is served here";
const FRAGMENTS = "UDP datagrams in fragments: Linux itself gave them up for segments";
const COALESCED = "frames are never put together here";
/** What only a device of version 1 has (virtio-v1.3 §6). */
const MODERN = ["VIRTIO_F_VERSION_1"];

/** Virtio features. Bits from 64 on do not fit a message. */
export const VIRTIO_FEATURES = {
  // Without CSUM, drivers that take the bits of segments all the same ask for none, and likewise
  // GUEST_CSUM: so none of these needs another.
  VIRTIO_NET_F_CSUM: offload(0, "csum"),
  VIRTIO_NET_F_GUEST_CSUM: offload(1, "csum"),
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: never(2, CONTROL_QUEUE),
  VIRTIO_NET_F_MTU: always(3, [[by.QEMU, "QEMU MTU 9000"]]),
  VIRTIO_NET_F_MAC: {
    offered: "option",
    bit: 5,
    option: "mac=ADDRESS",
    example: { mac: "52:54:00:00:00:01" },
    when: ({ mac }) => mac !== undefined,
    why: "the front-end chooses its guest's address",
    tests: [by.CONFIG_READ],
  },
  VIRTIO_NET_F_GSO: never(6, "for drivers before VIRTIO 1; it stands for UFO too"),
  VIRTIO_NET_F_GUEST_TSO4: offload(7, "tso"),
  VIRTIO_NET_F_GUEST_TSO6: offload(8, "tso"),
  VIRTIO_NET_F_GUEST_ECN: offload(9, "tso"),
  VIRTIO_NET_F_GUEST_UFO: never(10, FRAGMENTS),
  VIRTIO_NET_F_HOST_TSO4: offload(11, "tso"),
  VIRTIO_NET_F_HOST_TSO6: offload(12, "tso"),
  VIRTIO_NET_F_HOST_ECN: offload(13, "tso"),
  VIRTIO_NET_F_HOST_UFO: never(14, FRAGMENTS),
  VIRTIO_NET_F_MRG_RXBUF: always(15, [by.RING_KINDS]),
  VIRTIO_NET_F_STATUS: always(16, [by.LINK]),
  VIRTIO_NET_F_CTRL_VQ: never(17, CONTROL_QUEUE),
  VIRTIO_NET_F_CTRL_RX: never(18, CONTROL_QUEUE),
  VIRTIO_NET_F_CTRL_VLAN: never(19, CONTROL_QUEUE),
  VIRTIO_NET_F_CTRL_RX_EXTRA: never(20, CONTROL_QUEUE),
  // This one and MQ can be left out for front-ends that pass them to a driver without CTRL_VQ, such
  // as User-Mode Linux: it refuses the device then.
  VIRTIO_NET_F_GUEST_ANNOUNCE: always(21, [by.MIGRATED], {
    unless: ({ announce }) => announce === false,
  }),
  VIRTIO_NET_F_MQ: always(22, [["tests/model/queues_test.ts", "a flow keeps its receive queue"]], {
    unless: ({ queuePairs }) => queuePairs === 1,
  }),
  VIRTIO_NET_F_CTRL_MAC_ADDR: never(23, CONTROL_QUEUE),
  VIRTIO_F_NOTIFY_ON_EMPTY: never(24, "for old drivers; EVENT_IDX does better"),
  VHOST_F_LOG_ALL: always(26, by.LOG),
  VIRTIO_F_ANY_LAYOUT: always(27, [
    [by.RINGS, "rings: header and data over descriptors in every layout"],
  ]),
  VIRTIO_RING_F_INDIRECT_DESC: always(28, [by.RING_KINDS]),
  VIRTIO_RING_F_EVENT_IDX: always(29, [by.RING_KINDS]),
  VHOST_USER_F_PROTOCOL_FEATURES: always(30, [
    [by.FRONT_ENDS, "session enables every ring when features come without bit 30"],
  ]),
  VIRTIO_F_VERSION_1: always(32, [by.RING_KINDS]),
  // A front-end that lets its guest have whatever is offered, as User-Mode Linux does, would make it
  // use an IOMMU that is not there. It becomes the owner before it reads the features, QEMU after:
  // but so do DPDK and rust-vmm, an offer must not hang on the order of messages that no
  // specification fixes, and any other front-end that starts like QEMU and acknowledges all it reads
  // would stand still. QEMU ends when it wants the bit and finds none, which
  // lib/control/vhost_port/problems.ts explains.
  VIRTIO_F_ACCESS_PLATFORM: asked(
    33,
    "iommu",
    "User-Mode Linux would use an IOMMU that is not there",
    by.TRANSLATED,
    MODERN,
  ),
  VIRTIO_F_RING_PACKED: always(34, [by.RING_KINDS, by.QEMU_PACKED], { needs: MODERN }),
  VIRTIO_F_IN_ORDER: always(35, [[by.RINGS, "rings: a split and a packed guest, in-order"]], {
    needs: MODERN,
  }),
  VIRTIO_F_ORDER_PLATFORM: never(36, "the processors' own order is all there is to keep"),
  VIRTIO_F_SR_IOV: never(37, "a matter of PCI devices"),
  VIRTIO_F_NOTIFICATION_DATA: never(38, "a kick is an eventfd and carries no data"),
  VIRTIO_F_NOTIF_CONFIG_DATA: never(39, "a matter of PCI devices"),
  VIRTIO_F_RING_RESET: asked(
    40,
    "ring-reset",
    "QEMU 7.2 and 10 let the guest reset a ring and tell nobody",
    [[by.CONFIGURED, "ring reset: one ring stops and starts anew elsewhere"]],
    MODERN,
  ),
  VIRTIO_F_ADMIN_VQ: never(41, "vhost-user has no administration queue"),
  VIRTIO_F_SUSPEND: never(43, "vhost-user has no message for it"),
  VIRTIO_NET_F_DEVICE_STATS: never(50, CONTROL_QUEUE),
  VIRTIO_NET_F_HASH_TUNNEL: never(51, CONTROL_QUEUE),
  VIRTIO_NET_F_VQ_NOTF_COAL: never(52, CONTROL_QUEUE),
  VIRTIO_NET_F_NOTF_COAL: never(53, CONTROL_QUEUE),
  VIRTIO_NET_F_GUEST_USO4: offload(54, "uso"),
  VIRTIO_NET_F_GUEST_USO6: offload(55, "uso"),
  VIRTIO_NET_F_HOST_USO: offload(56, "uso"),
  VIRTIO_NET_F_HASH_REPORT: never(57, CONTROL_QUEUE),
  VIRTIO_NET_F_GUEST_HDRLEN: never(59, "a hint that nobody here would take"),
  VIRTIO_NET_F_RSS: never(60, CONTROL_QUEUE),
  VIRTIO_NET_F_RSC_EXT: never(61, COALESCED),
  VIRTIO_NET_F_STANDBY: never(62, "the front-end's: it pairs its device with a physical one"),
  VIRTIO_NET_F_SPEED_DUPLEX: never(63, "a switch in memory has no speed to tell"),
} satisfies FeatureRows;

const NO_DRAIN = "a stop never waits for frames: nothing is gained by skipping the wait";

/** Protocol features (vhost-user.rst «Protocol features»). */
export const PROTOCOL_FEATURES = {
  VHOST_USER_PROTOCOL_F_MQ: always(0, [
    ["tests/e2e/testpmd_test.ts", "testpmd: four queue pairs"],
  ]),
  VHOST_USER_PROTOCOL_F_LOG_SHMFD: always(1, by.LOG),
  VHOST_USER_PROTOCOL_F_RARP: always(2, by.RARP),
  VHOST_USER_PROTOCOL_F_REPLY_ACK: always(3, [
    [by.REFUSALS, "session acknowledges only once REPLY_ACK"],
  ]),
  VHOST_USER_PROTOCOL_F_NET_MTU: always(4, [[by.FRONT_ENDS, "session applies NET_SET_MTU"]]),
  VHOST_USER_PROTOCOL_F_BACKEND_REQ: always(5, [by.CHANNEL]),
  VHOST_USER_PROTOCOL_F_CROSS_ENDIAN: never(
    6,
    "only big-endian guests without VERSION_1 need it",
  ),
  VHOST_USER_PROTOCOL_F_CRYPTO_SESSION: never(7, "crypto devices only"),
  VHOST_USER_PROTOCOL_F_PAGEFAULT: never(
    8,
    "post-copy: a page one tenant withholds would stop the thread that serves all",
  ),
  VHOST_USER_PROTOCOL_F_CONFIG: always(9, [by.CONFIG_READ, by.LINK]),
  VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD: never(
    10,
    "nothing this back-end sends has a descriptor",
  ),
  VHOST_USER_PROTOCOL_F_HOST_NOTIFIER: never(11, "for hardware with doorbells"),
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD: always(12, [by.CRASHES]),
  VHOST_USER_PROTOCOL_F_RESET_DEVICE: always(13, [
    [by.FRONT_ENDS, "session forgets the device but neither memory"],
  ]),
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS: asked(
    14,
    "inband",
    "a message for each kick and call: for front-ends that cannot make eventfds",
    [by.CALLS],
    ["VHOST_USER_PROTOCOL_F_REPLY_ACK", "VHOST_USER_PROTOCOL_F_BACKEND_REQ"],
  ),
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS: always(15, [by.SLOTS, by.QEMU_SLOTS]),
  VHOST_USER_PROTOCOL_F_STATUS: always(16, [
    [by.FRONT_ENDS, "session takes a new driver's features after a status of 0"],
  ]),
  VHOST_USER_PROTOCOL_F_XEN_MMAP: never(17, "Xen grants are not mapped"),
  VHOST_USER_PROTOCOL_F_SHARED_OBJECT: never(18, "for graphics and video"),
  VHOST_USER_PROTOCOL_F_DEVICE_STATE: always(19, [by.MOVED]),
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT: asked(
    20,
    "skip-drain",
    NO_DRAIN,
    [by.NOT_DRAINED],
    ["VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD"],
  ),
  VHOST_USER_PROTOCOL_F_GPA_ADDRESSES: asked(
    21,
    "gpa",
    "front-ends of 2025 take the bit for SHMEM",
    [[by.CONFIGURED, "guest addresses: rings and memory named"]],
  ),
  VHOST_USER_PROTOCOL_F_SHMEM: never(22, "a network device has no memory of its own to share"),
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN: asked(
    23,
    "skip-drain",
    NO_DRAIN,
    [by.NOT_DRAINED],
    [
      "VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD",
      "VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT",
    ],
  ),
} satisfies FeatureRows;

/** The name of a feature bit. */
export type FeatureName = keyof typeof VIRTIO_FEATURES | keyof typeof PROTOCOL_FEATURES;
