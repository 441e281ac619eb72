/**
 * Feature bits: virtio (negotiated with the driver), and vhost-user protocol features (with the
 * front-end). What is offered must stay the same across restarts and versions: QEMU refuses a
 * back-end that lost a bit it once had.
 *
 * @module
 */

export const VIRTIO_NET_F_MTU = 3;
export const VIRTIO_NET_F_MAC = 5;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
export const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_GUEST_ANNOUNCE = 21;
export const VIRTIO_NET_F_MQ = 22;
export const VIRTIO_F_NOTIFY_ON_EMPTY = 24;
export const VHOST_F_LOG_ALL = 26;
export const VIRTIO_F_ANY_LAYOUT = 27;
export const VIRTIO_RING_F_INDIRECT_DESC = 28;
export const VIRTIO_RING_F_EVENT_IDX = 29;
export const VHOST_USER_F_PROTOCOL_FEATURES = 30;
export const VIRTIO_F_VERSION_1 = 32;
export const VIRTIO_F_ACCESS_PLATFORM = 33;
export const VIRTIO_F_RING_PACKED = 34;
export const VIRTIO_F_IN_ORDER = 35;
export const VIRTIO_F_ORDER_PLATFORM = 36;
export const VIRTIO_F_RING_RESET = 40;

export const VHOST_USER_PROTOCOL_F_MQ = 0;
export const VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1;
export const VHOST_USER_PROTOCOL_F_RARP = 2;
export const VHOST_USER_PROTOCOL_F_REPLY_ACK = 3;
export const VHOST_USER_PROTOCOL_F_NET_MTU = 4;
export const VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5;
export const VHOST_USER_PROTOCOL_F_CROSS_ENDIAN = 6;
export const VHOST_USER_PROTOCOL_F_CRYPTO_SESSION = 7;
export const VHOST_USER_PROTOCOL_F_PAGEFAULT = 8;
export const VHOST_USER_PROTOCOL_F_CONFIG = 9;
export const VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10;
export const VHOST_USER_PROTOCOL_F_HOST_NOTIFIER = 11;
export const VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12;
export const VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13;
export const VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS = 14;
export const VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15;
export const VHOST_USER_PROTOCOL_F_STATUS = 16;
export const VHOST_USER_PROTOCOL_F_SHARED_OBJECT = 18;
export const VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19;
export const VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT = 20;
export const VHOST_USER_PROTOCOL_F_GPA_ADDRESSES = 21;
export const VHOST_USER_PROTOCOL_F_SHMEM = 22;
export const VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN = 23;

const VIRTIO_NAMES: Readonly<Record<number, string>> = {
  [VIRTIO_NET_F_MTU]: "MTU",
  [VIRTIO_NET_F_MAC]: "MAC",
  [VIRTIO_NET_F_MRG_RXBUF]: "MRG_RXBUF",
  [VIRTIO_NET_F_STATUS]: "STATUS",
  [VIRTIO_NET_F_GUEST_ANNOUNCE]: "GUEST_ANNOUNCE",
  [VIRTIO_NET_F_MQ]: "MQ",
  [VIRTIO_F_NOTIFY_ON_EMPTY]: "NOTIFY_ON_EMPTY",
  [VHOST_F_LOG_ALL]: "LOG_ALL",
  [VIRTIO_F_ANY_LAYOUT]: "ANY_LAYOUT",
  [VIRTIO_RING_F_INDIRECT_DESC]: "INDIRECT_DESC",
  [VIRTIO_RING_F_EVENT_IDX]: "EVENT_IDX",
  [VHOST_USER_F_PROTOCOL_FEATURES]: "PROTOCOL_FEATURES",
  [VIRTIO_F_VERSION_1]: "VERSION_1",
  [VIRTIO_F_ACCESS_PLATFORM]: "ACCESS_PLATFORM",
  [VIRTIO_F_RING_PACKED]: "RING_PACKED",
  [VIRTIO_F_IN_ORDER]: "IN_ORDER",
  [VIRTIO_F_ORDER_PLATFORM]: "ORDER_PLATFORM",
  [VIRTIO_F_RING_RESET]: "RING_RESET",
};

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [VHOST_USER_PROTOCOL_F_MQ]: "MQ",
  [VHOST_USER_PROTOCOL_F_LOG_SHMFD]: "LOG_SHMFD",
  [VHOST_USER_PROTOCOL_F_RARP]: "RARP",
  [VHOST_USER_PROTOCOL_F_REPLY_ACK]: "REPLY_ACK",
  [VHOST_USER_PROTOCOL_F_NET_MTU]: "NET_MTU",
  [VHOST_USER_PROTOCOL_F_BACKEND_REQ]: "BACKEND_REQ",
  [VHOST_USER_PROTOCOL_F_CONFIG]: "CONFIG",
  [VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD]: "INFLIGHT_SHMFD",
  [VHOST_USER_PROTOCOL_F_RESET_DEVICE]: "RESET_DEVICE",
  [VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS]: "INBAND_NOTIFICATIONS",
  [VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS]: "CONFIGURE_MEM_SLOTS",
  [VHOST_USER_PROTOCOL_F_STATUS]: "STATUS",
  [VHOST_USER_PROTOCOL_F_DEVICE_STATE]: "DEVICE_STATE",
  [VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT]: "GET_VRING_BASE_INFLIGHT",
  [VHOST_USER_PROTOCOL_F_GPA_ADDRESSES]: "GPA_ADDRESSES",
  [VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN]: "GET_VRING_BASE_SKIP_DRAIN",
};

/** Feature words are BigInt: control thread only. */
function bits(...numbers: number[]): bigint {
  return numbers.reduce((word, bit) => word | (1n << BigInt(bit)), 0n);
}

/**
 * Virtio features every port offers. The control queue that GUEST_ANNOUNCE and MQ need is the
 * front-end's: VIRTIO_NET_F_CTRL_VQ is not offered, because nothing here serves it. Nor is
 * VIRTIO_F_RING_RESET: QEMU (7.2 and 10.0) would let the guest reset a queue and tell us nothing.
 */
export const OFFERED_FEATURES: bigint = bits(
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_MQ,
  VHOST_F_LOG_ALL,
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_RING_F_INDIRECT_DESC,
  VIRTIO_RING_F_EVENT_IDX,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_IN_ORDER,
);

/** Protocol features every port offers. */
export const OFFERED_PROTOCOL_FEATURES: bigint = bits(
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_STATUS,
  VHOST_USER_PROTOCOL_F_DEVICE_STATE,
);

/** Whether a feature word has a bit. */
export function hasFeature(word: bigint, bit: number): boolean {
  return (word >> BigInt(bit)) % 2n === 1n;
}

function names(word: bigint, table: Readonly<Record<number, string>>): string[] {
  const list: string[] = [];
  for (let bit = 0; word >> BigInt(bit) !== 0n; bit++) {
    if (hasFeature(word, bit)) list.push(table[bit] ?? `bit ${bit}`);
  }
  return list;
}

/** Names of the virtio feature bits in a word. */
export function featureNames(word: bigint): string[] {
  return names(word, VIRTIO_NAMES);
}

/** Names of the protocol feature bits in a word. */
export function protocolFeatureNames(word: bigint): string[] {
  return names(word, PROTOCOL_NAMES);
}
