/**
 * The table of requests: for each its payload, descriptors, reply, condition and handler, in the
 * order of the specification (vhost-user.rst «Front-end message types»). A row without a handler is
 * a request that this back-end does not serve and does not offer. Handlers must be idempotent: QEMU
 * repeats most requests per queue pair.
 *
 * @module
 */
import * as f from "../../virtio/features.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import * as id from "../wire/message.ts";
import * as payload from "../wire/payloads.ts";
import type { Payload } from "../wire/payloads.ts";
import { setBackendReqFd } from "./back_end_channel.ts";
import { getConfig, setConfig, setMtu } from "./config.ts";
import {
  getFeatures,
  getProtocolFeatures,
  getQueueNum,
  setFeatures,
  setProtocolFeatures,
} from "./features.ts";
import { getInflightFd, setInflightFd } from "./inflight.ts";
import { iotlbMsg } from "./iotlb.ts";
import { addMemReg, getMaxMemSlots, remMemReg, setMemTable } from "./memory.ts";
import { sendRarp, setLogBase, setLogFd } from "./migration.ts";
import type { Action, Handler } from "./result.ts";
import {
  getVringBase,
  setVringAddr,
  setVringBase,
  setVringCall,
  setVringEnable,
  setVringErr,
  setVringKick,
  setVringNum,
  vringKick,
} from "./rings.ts";
import { checkDeviceState, setDeviceStateFd } from "./state.ts";
import { changeOwner, getStatus, resetDevice, setStatus } from "./status.ts";

/** What is asked of a message besides its payload. */
interface Terms {
  /** Descriptors allowed; how many are due is the handler's to check. */
  readonly fdsMax: number;
  /** Has a reply of its own; the others are acknowledged if that was negotiated and asked for. */
  readonly replies: boolean;
  /** Protocol feature that must have been negotiated, or null. */
  readonly gate: number | null;
}

/** One row of the table. */
export interface Request extends Terms {
  readonly name: MessageName;
  /** Payload bytes allowed. */
  readonly bytesMin: number;
  readonly bytesMax: number;
  /**
   * Reads a payload of an allowed length that came with so many descriptors. Null: not served.
   * @returns what is to be done, once and before the payload's buffer is used again; or why the
   * message is none
   */
  readonly decode: ((view: DataView, fdCount: number) => Action | Refusal) | null;
}

/** Names of message.ts, without their prefix. */
type MessageName = {
  [K in keyof typeof id]: K extends `VHOST_USER_${infer Name}`
    ? ((typeof id)[K] extends number ? Name : never)
    : never;
}[keyof typeof id];

const PLAIN: Terms = { fdsMax: 0, replies: false, gate: null };
const REPLY: Terms = { ...PLAIN, replies: true };
const ONE_FD: Terms = { ...PLAIN, fdsMax: 1 };
const TABLE_FDS: Terms = { ...PLAIN, fdsMax: id.VHOST_MEMORY_BASELINE_NREGIONS };

/** These terms, for who negotiated a protocol feature. */
function gated(gate: number, terms: Terms = PLAIN): Terms {
  return { ...terms, gate };
}

const SLOTS = f.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
const CONFIG = f.VHOST_USER_PROTOCOL_F_CONFIG;
const INFLIGHT = f.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD;
const STATUS = f.VHOST_USER_PROTOCOL_F_STATUS;
const STATE = f.VHOST_USER_PROTOCOL_F_DEVICE_STATE;
const INBAND = f.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS;
const SKIP_DRAIN = f.VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN;
/** Without it SET_LOG_BASE would name memory of the front-end's that nobody else can reach. */
const LOG_SHMFD = f.VHOST_USER_PROTOCOL_F_LOG_SHMFD;
const LOG_BASE: Terms = { fdsMax: 1, replies: true, gate: LOG_SHMFD };
const STATE_FD: Terms = { fdsMax: 1, replies: true, gate: STATE };

const { EMPTY, U64, VRING_STATE, VRING_FD } = payload;

const ROWS: readonly (readonly [number, Request])[] = [
  row("GET_FEATURES", EMPTY, REPLY, getFeatures),
  row("SET_FEATURES", U64, PLAIN, setFeatures),
  row("SET_OWNER", EMPTY, PLAIN, changeOwner),
  row("RESET_OWNER", EMPTY, PLAIN, changeOwner),
  row("SET_MEM_TABLE", payload.MEMORY_TABLE, TABLE_FDS, setMemTable),
  row("SET_LOG_BASE", payload.LOG, LOG_BASE, setLogBase),
  row("SET_LOG_FD", EMPTY, ONE_FD, setLogFd),
  row("SET_VRING_NUM", VRING_STATE, PLAIN, setVringNum),
  row("SET_VRING_ADDR", payload.VRING_ADDR, PLAIN, setVringAddr),
  row("SET_VRING_BASE", VRING_STATE, PLAIN, setVringBase),
  row("GET_VRING_BASE", VRING_STATE, REPLY, getVringBase),
  row("SET_VRING_KICK", VRING_FD, ONE_FD, setVringKick),
  row("SET_VRING_CALL", VRING_FD, ONE_FD, setVringCall),
  row("SET_VRING_ERR", VRING_FD, ONE_FD, setVringErr),
  row("GET_PROTOCOL_FEATURES", EMPTY, REPLY, getProtocolFeatures),
  row("SET_PROTOCOL_FEATURES", U64, PLAIN, setProtocolFeatures),
  row("GET_QUEUE_NUM", EMPTY, gated(f.VHOST_USER_PROTOCOL_F_MQ, REPLY), getQueueNum),
  // Not gated by VHOST_USER_F_PROTOCOL_FEATURES: QEMU sends it before SET_FEATURES.
  row("SET_VRING_ENABLE", VRING_STATE, PLAIN, setVringEnable),
  row("SEND_RARP", payload.MAC, gated(f.VHOST_USER_PROTOCOL_F_RARP), sendRarp),
  row("NET_SET_MTU", U64, gated(f.VHOST_USER_PROTOCOL_F_NET_MTU), setMtu),
  row(
    "SET_BACKEND_REQ_FD",
    EMPTY,
    gated(f.VHOST_USER_PROTOCOL_F_BACKEND_REQ, ONE_FD),
    setBackendReqFd,
  ),
  row("IOTLB_MSG", payload.IOTLB, REPLY, iotlbMsg),
  // Only guests of another byte order than this machine's, and older than VERSION_1, would need it.
  unserved("SET_VRING_ENDIAN"),
  row("GET_CONFIG", payload.CONFIG, gated(CONFIG, REPLY), getConfig),
  row("SET_CONFIG", payload.CONFIG, gated(CONFIG), setConfig),
  unserved("CREATE_CRYPTO_SESSION", REPLY),
  unserved("CLOSE_CRYPTO_SESSION"),
  unserved("POSTCOPY_ADVISE", REPLY),
  unserved("POSTCOPY_LISTEN"),
  unserved("POSTCOPY_END"),
  row("GET_INFLIGHT_FD", payload.INFLIGHT, gated(INFLIGHT, REPLY), getInflightFd),
  row("SET_INFLIGHT_FD", payload.INFLIGHT, gated(INFLIGHT, ONE_FD), setInflightFd),
  unserved("GPU_SET_SOCKET"),
  row("RESET_DEVICE", EMPTY, gated(f.VHOST_USER_PROTOCOL_F_RESET_DEVICE), resetDevice),
  row("VRING_KICK", VRING_STATE, gated(INBAND), vringKick),
  row("GET_MAX_MEM_SLOTS", EMPTY, gated(SLOTS, REPLY), getMaxMemSlots),
  row("ADD_MEM_REG", payload.MEMORY_REGION, gated(SLOTS, ONE_FD), addMemReg),
  row("REM_MEM_REG", payload.MEMORY_REGION, gated(SLOTS, ONE_FD), remMemReg),
  row("SET_STATUS", U64, gated(STATUS), setStatus),
  row("GET_STATUS", EMPTY, gated(STATUS, REPLY), getStatus),
  unserved("GET_SHARED_OBJECT", REPLY),
  row("SET_DEVICE_STATE_FD", payload.STATE_TRANSFER, STATE_FD, setDeviceStateFd),
  row("CHECK_DEVICE_STATE", EMPTY, gated(STATE, REPLY), checkDeviceState),
  unserved("GET_SHMEM_CONFIG", REPLY),
  // What a stop leaves in the inflight area, it leaves there at once: there is no drain to skip.
  row("GET_VRING_BASE_SKIP_DRAIN", VRING_STATE, gated(SKIP_DRAIN, REPLY), getVringBase),
];

/** Every request of the specification, by number. */
export const REQUESTS: ReadonlyMap<number, Request> = new Map(ROWS);

function row<T extends object>(
  name: MessageName,
  { bytesMin, bytesMax, decode }: Payload<T>,
  terms: Terms,
  handle: Handler<T>,
): readonly [number, Request] {
  const read = (view: DataView, fdCount: number): Action | Refusal => {
    const args = decode(view, fdCount);
    return isRefusal(args) ? args : (device, call) => handle(device, args, call);
  };
  return [id[`VHOST_USER_${name}`], { name, bytesMin, bytesMax, ...terms, decode: read }];
}

function unserved(name: MessageName, terms: Terms = PLAIN): readonly [number, Request] {
  return [id[`VHOST_USER_${name}`], { name, bytesMin: 0, bytesMax: 0, ...terms, decode: null }];
}
