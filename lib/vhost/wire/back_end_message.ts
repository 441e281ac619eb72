/**
 * Messages of the back-end channel (vhost-user.rst «Back-end message types»): what a back-end asks
 * of its front-end, on the socket that came with SET_BACKEND_REQ_FD. The header is that of every
 * vhost-user message.
 *
 * ```
 * iotlb   iova u64@0  size u64@8  uaddr u64@16  perm u8@24  type u8@25  padding to 32 bytes
 * ```
 *
 * @module
 */
import {
  decodeHeader,
  encodeMessage,
  encodeVringState,
  HEADER_BYTES,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
} from "./message.ts";

/** About translations, in either direction: IOTLB payload. */
export const VHOST_USER_BACKEND_IOTLB_MSG = 1;
/** The configuration space changed. No payload. */
export const VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2;
/** Not sent. */
export const VHOST_USER_BACKEND_VRING_HOST_NOTIFIER_MSG = 3;
/** In-band call of a virtqueue: vring state payload. */
export const VHOST_USER_BACKEND_VRING_CALL = 4;
/** In-band error of a virtqueue: vring state payload. */
export const VHOST_USER_BACKEND_VRING_ERR = 5;
/** Not sent. */
export const VHOST_USER_BACKEND_SHARED_OBJECT_ADD = 6;
/** Not sent. */
export const VHOST_USER_BACKEND_SHARED_OBJECT_REMOVE = 7;
/** Not sent. */
export const VHOST_USER_BACKEND_SHARED_OBJECT_LOOKUP = 8;
/** Not sent. */
export const VHOST_USER_BACKEND_SHMEM_MAP = 9;
/** Not sent. */
export const VHOST_USER_BACKEND_SHMEM_UNMAP = 10;

/** Permission of a translation: the device may read. */
export const VHOST_ACCESS_RO = 1;
/** The device may write. */
export const VHOST_ACCESS_WO = 2;
/** The device may do both; bits of the two above. */
export const VHOST_ACCESS_RW = 3;

/** Back-end to front-end: there is no translation. */
export const VHOST_IOTLB_MISS = 1;
/** Front-end to back-end: a translation. */
export const VHOST_IOTLB_UPDATE = 2;
/** Front-end to back-end: forget a range. */
export const VHOST_IOTLB_INVALIDATE = 3;
/** Back-end to front-end: a translation does not allow the access. */
export const VHOST_IOTLB_ACCESS_FAIL = 4;

/** Bytes of an IOTLB payload, on either channel. */
export const IOTLB_BYTES = 32;
/** Bytes of a whole reply: header and u64. */
export const BACK_END_REPLY_BYTES: number = HEADER_BYTES + 8;

/** A message to be sent, before its header is made. */
export interface BackEndMessage {
  /** A VHOST_USER_BACKEND_ number. */
  readonly request: number;
  /** At most PAYLOAD_BYTES_MAX bytes. */
  readonly payload: Uint8Array;
}

/** An IOTLB message as it stands in a payload. */
export interface IotlbMessage {
  /** First I/O virtual address. */
  readonly iova: bigint;
  /** Bytes of the range; 0 in questions. */
  readonly sizeBytes: bigint;
  /** User address that it stands for; 0 in questions. */
  readonly userAddr: bigint;
  /** VHOST_ACCESS_ bits. */
  readonly permission: number;
  /** VHOST_IOTLB_ number. */
  readonly type: number;
}

/** Encodes an IOTLB payload, 32 bytes. */
export function encodeIotlb(message: IotlbMessage): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(IOTLB_BYTES));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, message.iova, true);
  view.setBigUint64(8, message.sizeBytes, true);
  view.setBigUint64(16, message.userAddr, true);
  view.setUint8(24, message.permission);
  view.setUint8(25, message.type);
  return bytes;
}

/** Reads an IOTLB payload of {@linkcode IOTLB_BYTES}. */
export function decodeIotlb(payload: DataView): IotlbMessage {
  return {
    iova: payload.getBigUint64(0, true),
    sizeBytes: payload.getBigUint64(8, true),
    userAddr: payload.getBigUint64(16, true),
    permission: payload.getUint8(24),
    type: payload.getUint8(25),
  };
}

/**
 * What the front-end is asked when a translation is missing or its permission does not do.
 * @param type VHOST_IOTLB_MISS or VHOST_IOTLB_ACCESS_FAIL
 * @param iova below 2^53
 */
export function iotlbMessage(type: number, iova: number, permission: number): BackEndMessage {
  const message = { iova: BigInt(iova), sizeBytes: 0n, userAddr: 0n, permission, type };
  return { request: VHOST_USER_BACKEND_IOTLB_MSG, payload: encodeIotlb(message) };
}

/** The configuration space changed: the front-end reads it anew. */
export function configChangeMessage(): BackEndMessage {
  return { request: VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, payload: new Uint8Array() };
}

/** In-band call or error of a virtqueue. */
export function vringMessage(
  request: typeof VHOST_USER_BACKEND_VRING_CALL | typeof VHOST_USER_BACKEND_VRING_ERR,
  vring: number,
): BackEndMessage {
  return { request, payload: encodeVringState(vring, 0) };
}

/** The bytes of a message, header included. */
export function encodeBackEnd(
  message: BackEndMessage,
  needReply: boolean,
): Uint8Array<ArrayBuffer> {
  const flags = VHOST_USER_VERSION | (needReply ? VHOST_USER_NEED_REPLY_MASK : 0);
  return encodeMessage(message.request, flags, message.payload);
}

/** The u64 of a whole reply to `request`, or null if these bytes are none. */
export function decodeBackEndReply(bytes: DataView, request: number): bigint | null {
  const header = decodeHeader(bytes);
  const flags = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
  if (header.request !== request || header.flags !== flags || header.sizeBytes !== 8) return null;
  return bytes.getBigUint64(HEADER_BYTES, true);
}
