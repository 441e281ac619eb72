/**
 * The table of requests: for each its size, descriptors, reply, condition and handler, in the order
 * of the specification (vhost-user.rst «Front-end message types»). A row without a handler is a
 * request that this back-end does not serve and does not offer. Handlers must be idempotent: QEMU
 * repeats most requests per queue pair.
 *
 * @module
 */
import {
  VHOST_F_LOG_ALL,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  VHOST_USER_PROTOCOL_F_DEVICE_STATE,
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_LOG_SHMFD,
  VHOST_USER_PROTOCOL_F_MQ,
  VHOST_USER_PROTOCOL_F_NET_MTU,
  VHOST_USER_PROTOCOL_F_RARP,
  VHOST_USER_PROTOCOL_F_RESET_DEVICE,
  VHOST_USER_PROTOCOL_F_STATUS,
} from "../../virtio/features.ts";
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import { IOTLB_BYTES } from "../wire/back_end_message.ts";
import { CONFIG_BYTES_MAX, CONFIG_HEAD_BYTES, getConfig, setConfig, setMtu } from "./config.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { setBackEndChannel, vringKick } from "../device/in_band.ts";
import { iotlbMsg } from "./iotlb.ts";
import { getInflightFd, INFLIGHT_PAYLOAD_BYTES, setInflightFd } from "./inflight.ts";
import { addMemReg, getMaxMemSlots, remMemReg, setMemTable } from "./memory.ts";
import { sendRarp, setLogBase, setLogFd, VHOST_VRING_F_LOG } from "./migration.ts";
import * as id from "../wire/message.ts";
import type { Message } from "../wire/message.ts";
import { getProtocolFeatures, getQueueNum, setProtocolFeatures } from "./protocol.ts";
import type { Session } from "../session.ts";
import { checkDeviceState, setDeviceStateFd } from "./state.ts";
import { getStatus, resetDevice, setStatus } from "./status.ts";
import type { VringState } from "../device/vring.ts";

/** Why a request failed. `keep`: answer with an error and go on; otherwise the connection ends. */
export interface Failure extends Refusal {
  readonly keep?: boolean;
}

/** A reply's payload and descriptors, which whoever sends them closes. */
export interface ReplyWithFds {
  readonly payload: Uint8Array;
  readonly fds: readonly number[];
}

/** A reply's payload, now or later, null for done, or why not. */
export type Result = Uint8Array | Promise<Uint8Array> | ReplyWithFds | Failure | null;

/** One row of the table. */
export interface Request {
  readonly name: string;
  /** Payload bytes allowed. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /** Descriptors allowed; how many are due is the handler's to check. */
  readonly fdsMax: number;
  /** Has a reply of its own; the others are acknowledged if that was negotiated and asked for. */
  readonly replies: boolean;
  /** Protocol feature that must have been negotiated, or null. */
  readonly gate: number | null;
  /** Takes the message's descriptors over. Null: not served. */
  readonly handle: ((session: Session, message: Message) => Result) | null;
}

type Shape = Omit<Request, "name" | "handle">;

const NONE: Shape = { bytesMin: 0, bytesMax: 0, fdsMax: 0, replies: false, gate: null };
const U64: Shape = { ...NONE, bytesMin: 8, bytesMax: 8 };
const U64_FD: Shape = { ...U64, fdsMax: 1 };
const VRING_STATE: Shape = { ...NONE, bytesMin: 8, bytesMax: 8 };
const VRING_ADDR: Shape = { ...NONE, bytesMin: 40, bytesMax: 40 };
/** Without LOG_SHMFD it would name memory of the front-end's that nobody else can reach. */
const LOG_SHMFD: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_LOG_SHMFD };
const LOG_BASE: Shape = { ...NONE, bytesMin: 16, bytesMax: 16, fdsMax: 1, ...LOG_SHMFD };
const LOG_FD: Shape = { ...NONE, fdsMax: 1 };
const RARP: Shape = { ...U64, gate: VHOST_USER_PROTOCOL_F_RARP };
const MEM_TABLE: Shape = {
  ...NONE,
  bytesMin: 8,
  bytesMax: 8 + 32 * id.VHOST_MEMORY_BASELINE_NREGIONS,
  fdsMax: id.VHOST_MEMORY_BASELINE_NREGIONS,
};
const MEM_REG: Shape = {
  ...NONE,
  bytesMin: 40,
  bytesMax: 40,
  fdsMax: 1,
  gate: VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS,
};
const BACK_END: Shape = { ...NONE, fdsMax: 1, gate: VHOST_USER_PROTOCOL_F_BACKEND_REQ };
const CONFIG: Shape = {
  ...NONE,
  bytesMin: CONFIG_HEAD_BYTES,
  bytesMax: CONFIG_BYTES_MAX,
  gate: VHOST_USER_PROTOCOL_F_CONFIG,
};
const IOTLB: Shape = { ...NONE, bytesMin: IOTLB_BYTES, bytesMax: IOTLB_BYTES };
const INFLIGHT: Shape = {
  ...NONE,
  bytesMin: INFLIGHT_PAYLOAD_BYTES,
  bytesMax: INFLIGHT_PAYLOAD_BYTES,
  gate: VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
};
/** Reply of its own. */
const REPLY: Partial<Shape> = { replies: true };
const MQ: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_MQ };
const NET_MTU: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_NET_MTU };
const RESET: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_RESET_DEVICE };
const SLOTS: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS };
const INBAND: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS };
const STATE: Partial<Shape> = { replies: true, gate: VHOST_USER_PROTOCOL_F_DEVICE_STATE };
const SKIP_DRAIN: Partial<Shape> = {
  replies: true,
  gate: VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
};
const STATUS: Partial<Shape> = { gate: VHOST_USER_PROTOCOL_F_STATUS };

const ROWS: readonly (readonly [number, Request])[] = [
  [id.VHOST_USER_GET_FEATURES, row("GET_FEATURES", { ...NONE, ...REPLY }, getFeatures)],
  [id.VHOST_USER_SET_FEATURES, row("SET_FEATURES", U64, setFeatures)],
  [id.VHOST_USER_SET_OWNER, row("SET_OWNER", NONE, done)],
  // Deprecated and of no meaning any more; the session goes on.
  [id.VHOST_USER_RESET_OWNER, row("RESET_OWNER", NONE, done)],
  [id.VHOST_USER_SET_MEM_TABLE, row("SET_MEM_TABLE", MEM_TABLE, setMemTable)],
  [id.VHOST_USER_SET_LOG_BASE, row("SET_LOG_BASE", { ...LOG_BASE, ...REPLY }, setLogBase)],
  [id.VHOST_USER_SET_LOG_FD, row("SET_LOG_FD", LOG_FD, setLogFd)],
  [id.VHOST_USER_SET_VRING_NUM, row("SET_VRING_NUM", VRING_STATE, setVringNum)],
  [id.VHOST_USER_SET_VRING_ADDR, row("SET_VRING_ADDR", VRING_ADDR, setVringAddr)],
  [id.VHOST_USER_SET_VRING_BASE, row("SET_VRING_BASE", VRING_STATE, setVringBase)],
  [
    id.VHOST_USER_GET_VRING_BASE,
    row("GET_VRING_BASE", { ...VRING_STATE, ...REPLY }, getVringBase),
  ],
  [id.VHOST_USER_SET_VRING_KICK, row("SET_VRING_KICK", U64_FD, setVringKick)],
  [id.VHOST_USER_SET_VRING_CALL, row("SET_VRING_CALL", U64_FD, setVringCall)],
  [id.VHOST_USER_SET_VRING_ERR, row("SET_VRING_ERR", U64_FD, setVringErr)],
  [
    id.VHOST_USER_GET_PROTOCOL_FEATURES,
    row("GET_PROTOCOL_FEATURES", { ...NONE, ...REPLY }, getProtocolFeatures),
  ],
  [
    id.VHOST_USER_SET_PROTOCOL_FEATURES,
    row("SET_PROTOCOL_FEATURES", U64, setProtocolFeatures),
  ],
  [id.VHOST_USER_GET_QUEUE_NUM, row("GET_QUEUE_NUM", { ...NONE, ...REPLY, ...MQ }, getQueueNum)],
  // Not gated by VHOST_USER_F_PROTOCOL_FEATURES: QEMU sends it before SET_FEATURES.
  [id.VHOST_USER_SET_VRING_ENABLE, row("SET_VRING_ENABLE", VRING_STATE, setVringEnable)],
  [id.VHOST_USER_SEND_RARP, row("SEND_RARP", RARP, sendRarp)],
  [id.VHOST_USER_NET_SET_MTU, row("NET_SET_MTU", { ...U64, ...NET_MTU }, setMtu)],
  [
    id.VHOST_USER_SET_BACKEND_REQ_FD,
    row("SET_BACKEND_REQ_FD", BACK_END, setBackEndChannel),
  ],
  [id.VHOST_USER_IOTLB_MSG, row("IOTLB_MSG", { ...IOTLB, ...REPLY }, iotlbMsg)],
  // Only guests of another byte order than this machine's, and older than VERSION_1, would need it.
  [id.VHOST_USER_SET_VRING_ENDIAN, unserved("SET_VRING_ENDIAN")],
  [id.VHOST_USER_GET_CONFIG, row("GET_CONFIG", { ...CONFIG, ...REPLY }, getConfig)],
  [id.VHOST_USER_SET_CONFIG, row("SET_CONFIG", CONFIG, setConfig)],
  [id.VHOST_USER_CREATE_CRYPTO_SESSION, unserved("CREATE_CRYPTO_SESSION", REPLY)],
  [id.VHOST_USER_CLOSE_CRYPTO_SESSION, unserved("CLOSE_CRYPTO_SESSION")],
  [id.VHOST_USER_POSTCOPY_ADVISE, unserved("POSTCOPY_ADVISE", REPLY)],
  [id.VHOST_USER_POSTCOPY_LISTEN, unserved("POSTCOPY_LISTEN")],
  [id.VHOST_USER_POSTCOPY_END, unserved("POSTCOPY_END")],
  [
    id.VHOST_USER_GET_INFLIGHT_FD,
    row("GET_INFLIGHT_FD", { ...INFLIGHT, ...REPLY }, getInflightFd),
  ],
  [
    id.VHOST_USER_SET_INFLIGHT_FD,
    row("SET_INFLIGHT_FD", { ...INFLIGHT, fdsMax: 1 }, setInflightFd),
  ],
  [id.VHOST_USER_GPU_SET_SOCKET, unserved("GPU_SET_SOCKET")],
  [id.VHOST_USER_RESET_DEVICE, row("RESET_DEVICE", { ...NONE, ...RESET }, resetDevice)],
  [id.VHOST_USER_VRING_KICK, row("VRING_KICK", { ...VRING_STATE, ...INBAND }, vringKick)],
  [
    id.VHOST_USER_GET_MAX_MEM_SLOTS,
    row("GET_MAX_MEM_SLOTS", { ...NONE, ...REPLY, ...SLOTS }, getMaxMemSlots),
  ],
  [id.VHOST_USER_ADD_MEM_REG, row("ADD_MEM_REG", MEM_REG, addMemReg)],
  [id.VHOST_USER_REM_MEM_REG, row("REM_MEM_REG", MEM_REG, remMemReg)],
  [id.VHOST_USER_SET_STATUS, row("SET_STATUS", { ...U64, ...STATUS }, setStatus)],
  [id.VHOST_USER_GET_STATUS, row("GET_STATUS", { ...NONE, ...REPLY, ...STATUS }, getStatus)],
  [id.VHOST_USER_GET_SHARED_OBJECT, unserved("GET_SHARED_OBJECT", REPLY)],
  [
    id.VHOST_USER_SET_DEVICE_STATE_FD,
    row("SET_DEVICE_STATE_FD", { ...U64_FD, ...STATE }, setDeviceStateFd),
  ],
  [
    id.VHOST_USER_CHECK_DEVICE_STATE,
    row("CHECK_DEVICE_STATE", { ...NONE, ...STATE }, checkDeviceState),
  ],
  [id.VHOST_USER_GET_SHMEM_CONFIG, unserved("GET_SHMEM_CONFIG", REPLY)],
  // What a stop leaves in the inflight area, it leaves there at once: there is no drain to skip.
  [
    id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN,
    row("GET_VRING_BASE_SKIP_DRAIN", { ...VRING_STATE, ...SKIP_DRAIN }, getVringBase),
  ],
];

/** Every request of the specification, by number. */
export const REQUESTS: ReadonlyMap<number, Request> = new Map(ROWS);

function row(
  name: string,
  shape: Shape,
  handle: (session: Session, message: Message) => Result,
): Request {
  return { name, ...shape, handle };
}

function unserved(name: string, shape: Partial<Shape> = {}): Request {
  return { name, ...NONE, ...shape, handle: null };
}

function badIndex(session: Session, index: number | bigint): Failure {
  return { code: "bad-index", detail: `vring ${index} of ${session.vrings.length}` };
}

/** A vring that a message names. */
interface Named {
  readonly index: number;
  readonly vring: VringState;
}

/** The vring in the first 32 bits of a state or address message. */
function named(session: Session, message: Message): Named | Failure {
  const index = message.payload.getUint32(0, true);
  const vring = session.vrings[index];
  return vring ? { index, vring } : badIndex(session, index);
}

function done(): Result {
  return null;
}

function getFeatures(session: Session): Result {
  return id.encodeU64(session.offer.features);
}

function setFeatures(session: Session, message: Message): Result {
  const features = message.payload.getBigUint64(0, true);
  const unknown = features & ~session.offer.features;
  if (unknown !== 0n) {
    return { code: "bad-features", detail: `bits 0x${unknown.toString(16)} were not offered` };
  }
  // These two may come and go while rings run; anything else changes what the rings mean.
  const free = (1n << BigInt(VHOST_F_LOG_ALL)) | (1n << BigInt(VHOST_USER_F_PROTOCOL_FEATURES));
  if (((features ^ session.features) & ~free) !== 0n) {
    const busy = session.vrings.findIndex((vring) => session.inUse(vring));
    if (busy >= 0) {
      return { code: "features-while-running", detail: `0x${features.toString(16)}` };
    }
    session.vrings.forEach((vring, index) => vring.running && session.stop(index));
  }
  session.setFeatures(features);
  return session.resumeAll();
}

function setVringNum(session: Session, message: Message): Result {
  const target = named(session, message);
  if (isRefusal(target)) return target;
  const { index, vring } = target;
  const size = message.payload.getUint32(4, true);
  if (size === 0 || size > VIRTQUEUE_SIZE_MAX) {
    return { code: "bad-ring-size", detail: `${size} entries` };
  }
  if (size !== vring.size) {
    if (session.inUse(vring)) {
      return { code: "ring-running", detail: `SET_VRING_NUM of running vring ${index}` };
    }
    if (vring.running) session.stop(index);
  }
  vring.size = size;
  return session.resume(index);
}

function setVringAddr(session: Session, message: Message): Result {
  const target = named(session, message);
  if (isRefusal(target)) return target;
  const desc = id.exactU64(message.payload, 8);
  const used = id.exactU64(message.payload, 16);
  const avail = id.exactU64(message.payload, 24);
  if (desc === null || used === null || avail === null) {
    return { code: "bad-ring-address", detail: "an address of 2^53 or more" };
  }
  const logged = (message.payload.getUint32(4, true) & VHOST_VRING_F_LOG) !== 0;
  const logGuestAddr = logged ? id.exactU64(message.payload, 32) : null;
  if (logged && logGuestAddr === null) {
    return { code: "bad-log-address", detail: "a log address of 2^53 or more" };
  }
  return session.setAddresses(target.index, { desc, used, avail }, logGuestAddr);
}

function setVringBase(session: Session, message: Message): Result {
  const target = named(session, message);
  if (isRefusal(target)) return target;
  // A running ring is being set up anew by a front-end that never asked where it stands: it starts
  // from here with the next kick message, when its addresses are known too.
  if (target.vring.running) session.stop(target.index);
  target.vring.base = message.payload.getUint32(4, true);
  return null;
}

function getVringBase(session: Session, message: Message): Result {
  const target = named(session, message);
  if (isRefusal(target)) return target;
  const base = session.stop(target.index);
  target.vring.told = true;
  session.host.forgetVring(target.index);
  return id.encodeVringState(target.index, base);
}

function setVringEnable(session: Session, message: Message): Result {
  const target = named(session, message);
  if (isRefusal(target)) return target;
  const value = message.payload.getUint32(4, true);
  if (value > 1) return { code: "bad-value", detail: `SET_VRING_ENABLE ${value}` };
  session.setEnabled(target.index, value === 1);
  return null;
}

/** The vring and descriptor of a kick, call or err message, checked; -1: none comes along. */
function vringFd(
  session: Session,
  message: Message,
  socketToo: boolean,
): (Named & { readonly fd: number }) | Failure {
  const value = message.payload.getBigUint64(0, true);
  const index = Number(value & id.VHOST_USER_VRING_IDX_MASK);
  const known = id.VHOST_USER_VRING_IDX_MASK | id.VHOST_USER_VRING_NOFD_MASK;
  const vring = session.vrings[index];
  let failure: Failure | null = null;
  if (!vring || (value & ~known) !== 0n) failure = badIndex(session, value);
  else failure = checkFds(session, message, value, socketToo);
  if (vring && !failure) return { index, vring, fd: message.fds[0] ?? -1 };
  session.closeFds(message.fds);
  return failure ?? badIndex(session, index);
}

function checkFds(
  session: Session,
  message: Message,
  value: bigint,
  socketToo: boolean,
): Failure | null {
  const due = (value & id.VHOST_USER_VRING_NOFD_MASK) === 0n ? 1 : 0;
  if (message.fds.length !== due) {
    return { code: "fd-count", detail: `${message.fds.length} descriptors, ${due} due` };
  }
  const fd = message.fds[0];
  if (fd === undefined) return null;
  const kind = session.host.fdKind(fd);
  if (kind === "eventfd" || (socketToo && kind === "socket")) return null;
  return { code: "not-eventfd", detail: "the descriptor is no eventfd" };
}

function setVringKick(session: Session, message: Message): Result {
  const given = vringFd(session, message, false);
  if (isRefusal(given)) return given;
  const { index, vring, fd } = given;
  session.suspend(index);
  if (vring.kickFd >= 0) session.host.closeFd(vring.kickFd);
  vring.kickFd = fd;
  vring.kickGiven = true;
  vring.started = true;
  return session.resume(index);
}

function setVringCall(session: Session, message: Message): Result {
  // User-Mode Linux gives a socket here.
  const given = vringFd(session, message, true);
  if (isRefusal(given)) return given;
  const { index, vring, fd } = given;
  const old = vring.callFd;
  vring.callFd = fd;
  vring.callGiven = true;
  if (vring.running) {
    session.host.setVringCall(index, fd);
    // What was published with the old descriptor may not have been seen: one call too many is
    // harmless, one too few hangs the guest after a reconnect.
    if (fd >= 0 && session.host.fdKind(fd) === "eventfd") session.host.signal(fd);
  }
  if (old >= 0) session.host.closeFd(old);
  return null;
}

function setVringErr(session: Session, message: Message): Result {
  const given = vringFd(session, message, false);
  if (isRefusal(given)) return given;
  const { vring, fd } = given;
  if (vring.errFd >= 0) session.host.closeFd(vring.errFd);
  vring.errFd = fd;
  return null;
}
