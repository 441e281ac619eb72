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

export const VHOST_USER_GET_FEATURES = 1;
export const VHOST_USER_SET_FEATURES = 2;
export const VHOST_USER_SET_OWNER = 3;
export const VHOST_USER_RESET_OWNER = 4;
export const VHOST_USER_SET_MEM_TABLE = 5;
export const VHOST_USER_SET_LOG_BASE = 6;
export const VHOST_USER_SET_LOG_FD = 7;
export const VHOST_USER_SET_VRING_NUM = 8;
export const VHOST_USER_SET_VRING_ADDR = 9;
export const VHOST_USER_SET_VRING_BASE = 10;
export const VHOST_USER_GET_VRING_BASE = 11;
export const VHOST_USER_SET_VRING_KICK = 12;
export const VHOST_USER_SET_VRING_CALL = 13;
export const VHOST_USER_SET_VRING_ERR = 14;
export const VHOST_USER_GET_PROTOCOL_FEATURES = 15;
export const VHOST_USER_SET_PROTOCOL_FEATURES = 16;
export const VHOST_USER_GET_QUEUE_NUM = 17;
export const VHOST_USER_SET_VRING_ENABLE = 18;
export const VHOST_USER_SEND_RARP = 19;
export const VHOST_USER_NET_SET_MTU = 20;
export const VHOST_USER_SET_BACKEND_REQ_FD = 21;
export const VHOST_USER_IOTLB_MSG = 22;
export const VHOST_USER_SET_VRING_ENDIAN = 23;
export const VHOST_USER_GET_CONFIG = 24;
export const VHOST_USER_SET_CONFIG = 25;
export const VHOST_USER_CREATE_CRYPTO_SESSION = 26;
export const VHOST_USER_CLOSE_CRYPTO_SESSION = 27;
export const VHOST_USER_POSTCOPY_ADVISE = 28;
export const VHOST_USER_POSTCOPY_LISTEN = 29;
export const VHOST_USER_POSTCOPY_END = 30;
export const VHOST_USER_GET_INFLIGHT_FD = 31;
export const VHOST_USER_SET_INFLIGHT_FD = 32;
export const VHOST_USER_GPU_SET_SOCKET = 33;
export const VHOST_USER_RESET_DEVICE = 34;
export const VHOST_USER_VRING_KICK = 35;
export const VHOST_USER_GET_MAX_MEM_SLOTS = 36;
export const VHOST_USER_ADD_MEM_REG = 37;
export const VHOST_USER_REM_MEM_REG = 38;
export const VHOST_USER_SET_STATUS = 39;
export const VHOST_USER_GET_STATUS = 40;
export const VHOST_USER_GET_SHARED_OBJECT = 41;
export const VHOST_USER_SET_DEVICE_STATE_FD = 42;
export const VHOST_USER_CHECK_DEVICE_STATE = 43;
export const VHOST_USER_GET_SHMEM_CONFIG = 44;
export const VHOST_USER_GET_VRING_BASE_SKIP_DRAIN = 45;

/** Bytes of the header. */
export const HEADER_BYTES = 12;
export const VHOST_USER_VERSION = 1;
export const VHOST_USER_VERSION_MASK = 0x3;
export const VHOST_USER_REPLY_MASK = 0x4;
export const VHOST_USER_NEED_REPLY_MASK = 0x8;
/** Longest payload accepted: the largest defined one (SHMEM config) is 2,056 bytes. */
export const PAYLOAD_BYTES_MAX = 4096;
/** Regions in SET_MEM_TABLE, and the descriptors one message may carry. */
export const VHOST_MEMORY_BASELINE_NREGIONS = 8;

/** In kick, call and err messages: vring index in bits 0-7, and no descriptor comes along. */
export const VHOST_USER_VRING_IDX_MASK = 0xffn;
export const VHOST_USER_VRING_NOFD_MASK = 0x100n;

/** A message as it came, descriptors included. Who holds it owns them. */
export interface Message {
  readonly request: number;
  readonly flags: number;
  /** Valid until the message is handled: the connection reuses its buffer. */
  readonly payload: DataView;
  readonly fds: readonly number[];
}

/** Header fields of a message. */
export interface Header {
  readonly request: number;
  readonly flags: number;
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

/** A whole message. For replies QEMU wants flags of exactly 0x5 and the size it expects. */
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

/** A u64 payload. */
export function encodeU64(value: bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(8));
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** A vring state payload: index u32@0, num u32@4. */
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
