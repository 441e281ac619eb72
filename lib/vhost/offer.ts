/**
 * What a port offers its front-ends. It must stay the same across restarts and versions: QEMU
 * refuses a back-end that lost a bit it once had.
 *
 * @module
 */
import { type Mac, parseMac } from "../base/mac.ts";
import {
  OFFERED_FEATURES,
  OFFERED_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT,
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
  VHOST_USER_PROTOCOL_F_GPA_ADDRESSES,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_RING_RESET,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MQ,
} from "../virtio/features.ts";
import { QUEUE_PAIRS_MAX } from "../base/limits.ts";

/** Features and queues of a port. */
export interface Offer {
  /** Virtio features, a bit each. */
  readonly features: bigint;
  /** Protocol features, a bit each. */
  readonly protocolFeatures: bigint;
  /** 1 to 32. */
  readonly queuePairs: number;
  /** MAC address in the device's configuration space, or null: the front-end's business. */
  readonly mac: Mac | null;
  /** Largest MTU, bytes, or null: no limit of the port's own. */
  readonly mtu: number | null;
}

/** What can be offered on top, by the operator's word for it. */
export const OFFER_WORDS = ["inband", "gpa", "skip-drain", "ring-reset", "iommu"] as const;

/** One of {@linkcode OFFER_WORDS}. */
export type OfferWord = (typeof OFFER_WORDS)[number];

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
}

/**
 * Virtio features off unless asked for. RING_RESET: QEMU (7.2 and 10.0) lets its guest reset a queue
 * and tells the back-end nothing. ACCESS_PLATFORM: a front-end that lets its guest have whatever is
 * offered, as User-Mode Linux does, would make it use an IOMMU that is not there. It becomes the
 * owner before it reads the features, QEMU after: but so do DPDK and rust-vmm, an offer must not hang
 * on the order of messages that no specification fixes, and any other front-end that starts like QEMU
 * and acknowledges all it reads would stand still. QEMU ends when it wants the bit and finds none,
 * which lib/control/vhost_port/problems.ts explains.
 */
const VIRTIO_BITS: Readonly<Record<OfferWord, readonly number[]>> = {
  inband: [],
  gpa: [],
  "skip-drain": [],
  "ring-reset": [VIRTIO_F_RING_RESET],
  iommu: [VIRTIO_F_ACCESS_PLATFORM],
};

/**
 * Protocol features off unless asked for. In-band notifications cost a message each; bit 21 stood
 * for something else in front-ends of 2025. A stop never waits for anything here, so that skipping the
 * wait gains nothing.
 */
const PROTOCOL_BITS: Readonly<Record<OfferWord, readonly number[]>> = {
  inband: [VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS],
  gpa: [VHOST_USER_PROTOCOL_F_GPA_ADDRESSES],
  "skip-drain": [
    VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT,
    VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
  ],
  "ring-reset": [],
  iommu: [],
};

/** A word with these bits. */
function bits(numbers: readonly number[]): bigint {
  return numbers.reduce((word, bit) => word | (1n << BigInt(bit)), 0n);
}

/**
 * The offer of a port with these options. MQ and GUEST_ANNOUNCE can be left out for front-ends that
 * pass them to a driver without CTRL_VQ, such as User-Mode Linux: it refuses the device then.
 */
export function makeOffer(options: OfferOptions): Offer {
  const queuePairs = options.queuePairs ?? QUEUE_PAIRS_MAX;
  const more = options.offer ?? [];
  const mac = options.mac === undefined ? null : parseMac(options.mac);
  const without = bits([
    ...queuePairs === 1 ? [VIRTIO_NET_F_MQ] : [],
    ...options.announce === false ? [VIRTIO_NET_F_GUEST_ANNOUNCE] : [],
  ]);
  const macBit = mac === null ? 0n : bits([VIRTIO_NET_F_MAC]);
  return {
    features: (OFFERED_FEATURES & ~without) | macBit |
      bits(more.flatMap((word) => VIRTIO_BITS[word])),
    protocolFeatures: OFFERED_PROTOCOL_FEATURES | bits(more.flatMap((word) => PROTOCOL_BITS[word])),
    queuePairs,
    mac,
    mtu: options.mtu ?? null,
  };
}

/** The offer of a port without options. */
export const DEFAULT_OFFER: Offer = makeOffer({});
