/**
 * The table of requests: for each its size, descriptors, condition and handler, in the order of
 * the specification (vhost-user.rst «Front-end message types»). A request that is not here is
 * refused. Handlers must be idempotent: QEMU repeats most requests per queue pair.
 *
 * @module
 */
import {
  hasFeature,
  OFFERED_FEATURES,
  OFFERED_PROTOCOL_FEATURES,
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_MQ,
} from "../virtio/features.ts";
import { VIRTQUEUE_SIZE_MAX } from "../virtio/ring.ts";
import { VRINGS_PER_PORT } from "../worker/types.ts";
import type { Refusal } from "./host.ts";
import { decodeMemoryTable, isRefusal } from "./memory_table.ts";
import * as id from "./message.ts";
import type { Message } from "./message.ts";
import type { Session } from "./session.ts";
import type { VringState } from "./vring.ts";

/** Smallest and largest MTU (virtio-v1.3 §5.1.4.1). */
export const MTU_MIN = 68;
export const MTU_MAX = 65535;

/** Why a request failed. `keep`: answer with an error and go on; otherwise the connection ends. */
export interface Failure extends Refusal {
  readonly keep?: boolean;
}

/** A reply's payload, null for done, or why not. */
export type Result = Uint8Array | Failure | null;

/** One row of the table. */
export interface Request {
  readonly name: string;
  /** Payload bytes allowed. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** Descriptors allowed; how many are due is the handler's to check. */
  readonly fdsMax: number;
  /** Owns the message's descriptors. */
  readonly handle: (session: Session, message: Message) => Result;
}

const NONE = { bytesMin: 0, bytesMax: 0, fdsMax: 0 };
const U64 = { bytesMin: 8, bytesMax: 8, fdsMax: 0 };
const U64_FD = { bytesMin: 8, bytesMax: 8, fdsMax: 1 };
const VRING_STATE = { bytesMin: 8, bytesMax: 8, fdsMax: 0 };
const VRING_ADDR = { bytesMin: 40, bytesMax: 40, fdsMax: 0 };
const MEM_TABLE = { bytesMin: 8, bytesMax: 8 + 8 * 32, fdsMax: 8 };

/** Every request this back-end serves. */
export const REQUESTS: ReadonlyMap<number, Request> = new Map<number, Request>([
  [id.VHOST_USER_GET_FEATURES, {
    name: "GET_FEATURES",
    ...NONE,
    handle: () => id.encodeU64(OFFERED_FEATURES),
  }],
  [id.VHOST_USER_SET_FEATURES, { name: "SET_FEATURES", ...U64, handle: setFeatures }],
  [id.VHOST_USER_SET_OWNER, { name: "SET_OWNER", ...NONE, handle: () => null }],
  // Deprecated and of no meaning any more; the session goes on.
  [id.VHOST_USER_RESET_OWNER, { name: "RESET_OWNER", ...NONE, handle: () => null }],
  [id.VHOST_USER_SET_MEM_TABLE, { name: "SET_MEM_TABLE", ...MEM_TABLE, handle: setMemTable }],
  [id.VHOST_USER_SET_VRING_NUM, { name: "SET_VRING_NUM", ...VRING_STATE, handle: setVringNum }],
  [id.VHOST_USER_SET_VRING_ADDR, { name: "SET_VRING_ADDR", ...VRING_ADDR, handle: setVringAddr }],
  [id.VHOST_USER_SET_VRING_BASE, { name: "SET_VRING_BASE", ...VRING_STATE, handle: setVringBase }],
  [id.VHOST_USER_GET_VRING_BASE, { name: "GET_VRING_BASE", ...VRING_STATE, handle: getVringBase }],
  [id.VHOST_USER_SET_VRING_KICK, { name: "SET_VRING_KICK", ...U64_FD, handle: setVringKick }],
  [id.VHOST_USER_SET_VRING_CALL, { name: "SET_VRING_CALL", ...U64_FD, handle: setVringCall }],
  [id.VHOST_USER_SET_VRING_ERR, { name: "SET_VRING_ERR", ...U64_FD, handle: setVringErr }],
  [id.VHOST_USER_GET_PROTOCOL_FEATURES, {
    name: "GET_PROTOCOL_FEATURES",
    ...NONE,
    handle: () => id.encodeU64(OFFERED_PROTOCOL_FEATURES),
  }],
  [id.VHOST_USER_SET_PROTOCOL_FEATURES, {
    name: "SET_PROTOCOL_FEATURES",
    ...U64,
    handle: setProtocolFeatures,
  }],
  [id.VHOST_USER_GET_QUEUE_NUM, { name: "GET_QUEUE_NUM", ...NONE, handle: getQueueNum }],
  [id.VHOST_USER_SET_VRING_ENABLE, {
    name: "SET_VRING_ENABLE",
    ...VRING_STATE,
    handle: setVringEnable,
  }],
  [id.VHOST_USER_NET_SET_MTU, { name: "NET_SET_MTU", ...U64, handle: setMtu }],
  [id.VHOST_USER_RESET_DEVICE, { name: "RESET_DEVICE", ...NONE, handle: resetDevice }],
  [id.VHOST_USER_SET_STATUS, { name: "SET_STATUS", ...U64, handle: setStatus }],
  [id.VHOST_USER_GET_STATUS, {
    name: "GET_STATUS",
    ...NONE,
    handle: (session) => id.encodeU64(BigInt(session.status)),
  }],
]);

function badIndex(index: number | bigint): Failure {
  return { code: "bad-index", detail: `vring ${index} of ${VRINGS_PER_PORT}` };
}

/** The vring a state or address message names, or null. */
function named(session: Session, message: Message): VringState | null {
  return session.vrings[message.payload.getUint32(0, true)] ?? null;
}

function setFeatures(session: Session, message: Message): Result {
  const features = message.payload.getBigUint64(0, true);
  const unknown = features & ~OFFERED_FEATURES;
  if (unknown !== 0n) {
    return { code: "bad-features", detail: `bits 0x${unknown.toString(16)} were not offered` };
  }
  // These two may come and go while rings run; anything else changes what the rings mean.
  const free = (1n << BigInt(VHOST_F_LOG_ALL)) | (1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES));
  const changed = ((features ^ session.features) & ~free) !== 0n;
  if (changed && session.vrings.some((vring) => vring.running)) {
    return { code: "features-while-running", detail: `0x${features.toString(16)}` };
  }
  session.setFeatures(features);
  return session.resumeAll();
}

function setProtocolFeatures(session: Session, message: Message): Result {
  const features = message.payload.getBigUint64(0, true);
  const unknown = features & ~OFFERED_PROTOCOL_FEATURES;
  if (unknown !== 0n) {
    const detail = `protocol bits 0x${unknown.toString(16)} were not offered`;
    return { code: "bad-protocol-features", detail };
  }
  session.protocolFeatures = features;
  return null;
}

function getQueueNum(session: Session): Result {
  if (!hasFeature(session.protocolFeatures, VHOST_USER_PROTOCOL_F_MQ)) {
    return { code: "not-negotiated", detail: "GET_QUEUE_NUM without MQ" };
  }
  // QEMU compares it with queue pairs.
  return id.encodeU64(BigInt(VRINGS_PER_PORT / 2));
}

function setMemTable(session: Session, message: Message): Result {
  const regions = decodeMemoryTable(message.payload, message.fds.length);
  if (isRefusal(regions)) {
    session.closeFds(message.fds);
    return regions;
  }
  return session.setMemory(regions, message.fds);
}

function setVringNum(session: Session, message: Message): Result {
  const vring = named(session, message);
  if (!vring) return badIndex(message.payload.getUint32(0, true));
  const size = message.payload.getUint32(4, true);
  if (size === 0 || size > VIRTQUEUE_SIZE_MAX) {
    return { code: "bad-ring-size", detail: `${size} entries` };
  }
  if (vring.running && size !== vring.size) {
    return { code: "ring-running", detail: "SET_VRING_NUM of a running ring" };
  }
  vring.size = size;
  return session.resume(session.vrings.indexOf(vring));
}

function setVringAddr(session: Session, message: Message): Result {
  const vring = named(session, message);
  if (!vring) return badIndex(message.payload.getUint32(0, true));
  const desc = id.exactU64(message.payload, 8);
  const used = id.exactU64(message.payload, 16);
  const avail = id.exactU64(message.payload, 24);
  if (desc === null || used === null || avail === null) {
    return { code: "bad-ring-address", detail: "an address of 2^53 or more" };
  }
  const index = session.vrings.indexOf(vring);
  session.suspend(index);
  vring.addresses = { desc, used, avail };
  return session.resume(index);
}

function setVringBase(session: Session, message: Message): Result {
  const vring = named(session, message);
  if (!vring) return badIndex(message.payload.getUint32(0, true));
  // A running ring restarts from here with the next kick message.
  session.stop(session.vrings.indexOf(vring));
  vring.base = message.payload.getUint32(4, true);
  return null;
}

function getVringBase(session: Session, message: Message): Result {
  const index = message.payload.getUint32(0, true);
  if (index >= session.vrings.length) return badIndex(index);
  return id.encodeVringState(index, session.stop(index));
}

function setVringEnable(session: Session, message: Message): Result {
  const index = message.payload.getUint32(0, true);
  if (index >= session.vrings.length) return badIndex(index);
  const value = message.payload.getUint32(4, true);
  if (value > 1) return { code: "bad-value", detail: `SET_VRING_ENABLE ${value}` };
  session.setEnabled(index, value === 1);
  return null;
}

/** The vring and descriptor of a kick, call or err message, checked; -1: none comes along. */
function vringFd(
  session: Session,
  message: Message,
  socketToo: boolean,
): { index: number; fd: number } | Failure {
  const value = message.payload.getBigUint64(0, true);
  const index = Number(value & id.VHOST_USER_VRING_IDX_MASK);
  const fdsDue = (value & id.VHOST_USER_VRING_NOFD_MASK) === 0n ? 1 : 0;
  const failure = checkVringFd(session, message, value, fdsDue, socketToo);
  if (!failure) return { index, fd: message.fds[0] ?? -1 };
  session.closeFds(message.fds);
  return failure;
}

function checkVringFd(
  session: Session,
  message: Message,
  value: bigint,
  fdsDue: number,
  socketToo: boolean,
): Failure | null {
  const known = id.VHOST_USER_VRING_IDX_MASK | id.VHOST_USER_VRING_NOFD_MASK;
  const index = value & id.VHOST_USER_VRING_IDX_MASK;
  if ((value & ~known) !== 0n || index >= BigInt(session.vrings.length)) return badIndex(value);
  if (message.fds.length !== fdsDue) {
    return { code: "fd-count", detail: `${message.fds.length} descriptors, ${fdsDue} due` };
  }
  const fd = message.fds[0];
  if (fd === undefined) return null;
  const kind = session.host.fdKind(fd);
  if (kind === "eventfd" || (socketToo && kind === "socket")) return null;
  return { code: "not-eventfd", detail: `vring ${index}: the descriptor is no eventfd` };
}

function setVringKick(session: Session, message: Message): Result {
  const given = vringFd(session, message, false);
  if ("code" in given) return given;
  const vring = session.vrings[given.index] as VringState;
  session.suspend(given.index);
  if (vring.kickFd >= 0) session.host.closeFd(vring.kickFd);
  vring.kickFd = given.fd;
  vring.started = true;
  return session.resume(given.index);
}

function setVringCall(session: Session, message: Message): Result {
  // User-Mode Linux gives a socket here.
  const given = vringFd(session, message, true);
  if ("code" in given) return given;
  const vring = session.vrings[given.index] as VringState;
  const old = vring.callFd;
  vring.callFd = given.fd;
  if (vring.running) {
    session.host.setVringCall(given.index, given.fd);
    // What was published with the old descriptor may not have been seen: one call too many is
    // harmless, one too few hangs the guest after a reconnect.
    if (given.fd >= 0 && session.host.fdKind(given.fd) === "eventfd") {
      session.host.signal(given.fd);
    }
  }
  if (old >= 0) session.host.closeFd(old);
  return null;
}

function setVringErr(session: Session, message: Message): Result {
  const given = vringFd(session, message, false);
  if ("code" in given) return given;
  const vring = session.vrings[given.index] as VringState;
  if (vring.errFd >= 0) session.host.closeFd(vring.errFd);
  vring.errFd = given.fd;
  return null;
}

function setMtu(session: Session, message: Message): Result {
  const mtu = message.payload.getBigUint64(0, true);
  if (mtu < BigInt(MTU_MIN) || mtu > BigInt(MTU_MAX)) {
    return { code: "bad-mtu", detail: `MTU ${mtu}`, keep: true };
  }
  session.host.setMtu(Number(mtu));
  return null;
}

function resetDevice(session: Session): Result {
  session.reset();
  return null;
}

function setStatus(session: Session, message: Message): Result {
  // 0 is a reset of the device, but QEMU 7.2 sends it before it asks for the rings' positions: the
  // rings stay as they are until GET_VRING_BASE stops them.
  session.status = Number(message.payload.getBigUint64(0, true) & 0xffn);
  return null;
}
