/**
 * vhost-user messages as bytes (vhost-user.rst «Message Specification»): a header of 12 bytes in
 * native byte order (little-endian on every machine this runs on), then the payload.
 *
 * ```
 * request u32@0   flags u32@4 (bits 0-1 version = 1, bit 2 REPLY, bit 3 NEED_REPLY)   size u32@8
 * ```
 *
 * @module
 */

/** Asks for the virtio features offered. Reply: u64. */
export const VHOST_USER_GET_FEATURES = 1;
/** Virtio features taken: u64. */
export const VHOST_USER_SET_FEATURES = 2;
/** The sender owns the session from now on. */
export const VHOST_USER_SET_OWNER = 3;
/** Deprecated, without effect. */
export const VHOST_USER_RESET_OWNER = 4;
/** Replaces all memory regions; a descriptor for each comes along. */
export const VHOST_USER_SET_MEM_TABLE = 5;
/** Where the dirty log lies in the descriptor that comes along. Reply: u64. */
export const VHOST_USER_SET_LOG_BASE = 6;
/** Brings an eventfd to be signalled when the log is written to. */
export const VHOST_USER_SET_LOG_FD = 7;
/** Entries of a vring, in num. */
export const VHOST_USER_SET_VRING_NUM = 8;
/** Where a vring's three areas lie, in user addresses. */
export const VHOST_USER_SET_VRING_ADDR = 9;
/** Where a vring stands, in num: how it is encoded depends on its kind. */
export const VHOST_USER_SET_VRING_BASE = 10;
/** Stops a vring. Reply: where it stands. */
export const VHOST_USER_GET_VRING_BASE = 11;
/** Starts a vring; its kick eventfd comes along, unless bit 8 is set. */
export const VHOST_USER_SET_VRING_KICK = 12;
/** Brings a vring's call eventfd, unless bit 8 is set. */
export const VHOST_USER_SET_VRING_CALL = 13;
/** Brings a vring's err eventfd, unless bit 8 is set. */
export const VHOST_USER_SET_VRING_ERR = 14;
/** Asks for the protocol features offered. Reply: u64. */
export const VHOST_USER_GET_PROTOCOL_FEATURES = 15;
/** Protocol features taken: u64. */
export const VHOST_USER_SET_PROTOCOL_FEATURES = 16;
/** Asks for the number of queues. Reply: u64. */
export const VHOST_USER_GET_QUEUE_NUM = 17;
/** Enables (num 1) or disables (0) a vring. */
export const VHOST_USER_SET_VRING_ENABLE = 18;
/** The guest with this MAC address is behind this port now. */
export const VHOST_USER_SEND_RARP = 19;
/** The guest was given this MTU: u64, bytes. */
export const VHOST_USER_NET_SET_MTU = 20;
/** Brings the socket of the back-end channel. */
export const VHOST_USER_SET_BACKEND_REQ_FD = 21;
/** A translation, or that one ends. Reply: u64. */
export const VHOST_USER_IOTLB_MSG = 22;
/** Byte order of a vring. Not served. */
export const VHOST_USER_SET_VRING_ENDIAN = 23;
/** Reads a part of the configuration space. Reply: the same part. */
export const VHOST_USER_GET_CONFIG = 24;
/** Writes a part of the configuration space. */
export const VHOST_USER_SET_CONFIG = 25;
/** Crypto devices only. Not served. */
export const VHOST_USER_CREATE_CRYPTO_SESSION = 26;
/** Crypto devices only. Not served. */
export const VHOST_USER_CLOSE_CRYPTO_SESSION = 27;
/** Post-copy migration begins. Not served. */
export const VHOST_USER_POSTCOPY_ADVISE = 28;
/** Post-copy: memory is to be registered. Not served. */
export const VHOST_USER_POSTCOPY_LISTEN = 29;
/** Post-copy is over. Not served. */
export const VHOST_USER_POSTCOPY_END = 30;
/** Asks for a new inflight area. Reply: its description and descriptor. */
export const VHOST_USER_GET_INFLIGHT_FD = 31;
/** Gives the inflight area of an earlier back-end, or the new one. */
export const VHOST_USER_SET_INFLIGHT_FD = 32;
/** GPUs only. Not served. */
export const VHOST_USER_GPU_SET_SOCKET = 33;
/** Resets the device, the connection and its memory kept. */
export const VHOST_USER_RESET_DEVICE = 34;
/** In-band kick of a vring. */
export const VHOST_USER_VRING_KICK = 35;
/** Asks for the number of memory slots. Reply: u64. */
export const VHOST_USER_GET_MAX_MEM_SLOTS = 36;
/** Adds one memory region; its descriptor comes along. */
export const VHOST_USER_ADD_MEM_REG = 37;
/** Removes one memory region. */
export const VHOST_USER_REM_MEM_REG = 38;
/** Virtio device status: u64, 8 bits used. */
export const VHOST_USER_SET_STATUS = 39;
/** Asks for the virtio device status. Reply: u64. */
export const VHOST_USER_GET_STATUS = 40;
/** A buffer shared between devices. Not served. */
export const VHOST_USER_GET_SHARED_OBJECT = 41;
/** Saves or loads the device's state through the descriptor that comes along. Reply: u64. */
export const VHOST_USER_SET_DEVICE_STATE_FD = 42;
/** Asks whether the state was transferred. Reply: u64, 0 if so. */
export const VHOST_USER_CHECK_DEVICE_STATE = 43;
/** Asks for shared memory regions of the device. Not served. */
export const VHOST_USER_GET_SHMEM_CONFIG = 44;
/** As GET_VRING_BASE, without waiting for what is under way. */
export const VHOST_USER_GET_VRING_BASE_SKIP_DRAIN = 45;

/** Bytes of the header. */
export const HEADER_BYTES = 12;
/** The one version there is, in bits 0 and 1 of the flags. */
export const VHOST_USER_VERSION = 1;
/** Bits of the version. */
export const VHOST_USER_VERSION_MASK = 0x3;
/** The message is a reply. */
export const VHOST_USER_REPLY_MASK = 0x4;
/** The front-end wants an acknowledgement (VHOST_USER_PROTOCOL_F_REPLY_ACK). */
export const VHOST_USER_NEED_REPLY_MASK = 0x8;
/** Longest payload accepted: the largest defined one (SHMEM config) is 2,056 bytes. */
export const PAYLOAD_BYTES_MAX = 4096;
/** Regions in SET_MEM_TABLE, and the descriptors one message may carry. */
export const VHOST_MEMORY_BASELINE_NREGIONS = 8;

/** In the u64 of kick, call and err messages: the vring's index. */
export const VHOST_USER_VRING_IDX_MASK = 0xffn;
/** In the same u64: no descriptor comes along. */
export const VHOST_USER_VRING_NOFD_MASK = 0x100n;

/** A message as it came, descriptors included. Who holds it owns them. */
export interface Message {
  /** A number of the list above, or any other. */
  readonly request: number;
  /** As in the header: version, REPLY, NEED_REPLY. */
  readonly flags: number;
  /** Valid until the message is handled: the connection reuses its buffer. */
  readonly payload: DataView;
  /** In the order they were sent; at most VHOST_MEMORY_BASELINE_NREGIONS of a sane message. */
  readonly fds: readonly number[];
}

/** Header fields of a message. */
export interface Header {
  /** Bytes 0-3. */
  readonly request: number;
  /** Bytes 4-7. */
  readonly flags: number;
  /** Of the payload alone; not checked. */
  readonly sizeBytes: number;
}

/** Reads a header from the first 12 bytes of `bytes`. */
export function decodeHeader(bytes: DataView): Header {
  return {
    request: bytes.getUint32(0, true),
    flags: bytes.getUint32(4, true),
    sizeBytes: bytes.getUint32(8, true),
  };
}

/** Encodes a whole message. For replies QEMU wants flags of exactly 0x5 and the size it expects. */
export function encodeMessage(
  request: number,
  flags: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(HEADER_BYTES + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** Encodes a u64 payload. */
export function encodeU64(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(8));
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** Encodes a vring state payload: index u32@0, num u32@4. @param num its low 32 bits are taken */
export function encodeVringState(index: number, num: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(8));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, num >>> 0, true);
  return bytes;
}

/** Numbers at or above this are not exact as a Number; no real address is that high. */
const EXACT_MAX = 2n ** 53n;

/** A u64 as an exact Number, or null if it is 2^53 or more. */
export function exactU64(view: DataView, offset: number): number | null {
  const value = view.getBigUint64(offset, true);
  return value < EXACT_MAX ? Number(value) : null;
}
