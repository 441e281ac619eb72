/**
 * The table of requests: for each its payload, descriptors, answer, condition, handler and tests, in
 * the order of the specification (vhost-user.rst «Front-end message types»). A request that is not
 * served, and not offered, says why. The list in docs/protocol.md is made of it.
 *
 * Handlers must be idempotent: QEMU repeats most requests per queue pair.
 *
 * @module
 */
import { BIT } from "../features/bits.ts";
import type { FeatureName } from "../features/rows.ts";
import * as by from "../inventory/proofs.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import * as id from "../wire/message.ts";
import * as payload from "../wire/payloads.ts";
import type { Payload } from "../wire/payloads.ts";
import {
  ACKNOWLEDGED,
  type Answer,
  CONFIG_PART,
  INFLIGHT_AREA,
  LOGGED,
  NUMBER,
  POSITION,
  STATE_CHANNEL,
  VERDICT,
} from "./answers.ts";
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

/** One row of the table. */
export interface Request {
  /** Without its prefix `VHOST_USER_`. */
  readonly name: MessageName;
  /** Fewest payload bytes allowed. */
  readonly bytesMin: number;
  /** Most payload bytes allowed. */
  readonly bytesMax: number;
  /** Descriptors allowed; how many are due is the handler's to check. */
  readonly fdsMax: number;
  /** Has a reply of its own; the others are acknowledged if that was negotiated and asked for. */
  readonly replies: boolean;
  /** Protocol feature that must have been negotiated, or null. */
  readonly gate: number | null;
  /**
   * Reads a payload of an allowed length that came with so many descriptors. Null: not served.
   * @returns what is to be done, once and before the payload's buffer is used again; or why the
   * message is none
   */
  readonly decode: ((view: DataView, fdCount: number) => Action | Refusal) | null;
  /** What else there is to know of it. */
  readonly about: About;
}

/** What people are told of a request (docs/protocol.md). */
export interface About {
  /** What comes back; null: it is not served. */
  readonly answer: Answer | null;
  /** Virtio feature without which it is refused. */
  readonly needs?: FeatureName;
  /** What is done on purpose and may surprise. */
  readonly note?: string;
  /** Why it is not served. */
  readonly why?: string;
  /** Tests that show it at work. */
  readonly tests: readonly by.Proof[];
}

/** A served request, as its row says it. */
interface Served<T extends object> {
  readonly payload: Payload<T>;
  /** Descriptors allowed, or none. */
  readonly fdsMax?: number;
  readonly gate?: number;
  /** Its answer, or an acknowledgement. */
  readonly answer?: Answer;
  readonly needs?: FeatureName;
  readonly note?: string;
  readonly handle: Handler<T>;
  readonly tests: readonly by.Proof[];
}

/** Names of message.ts, without their prefix. */
export type MessageName = {
  [K in keyof typeof id]: K extends `VHOST_USER_${infer Name}`
    ? ((typeof id)[K] extends number ? Name : never)
    : never;
}[keyof typeof id];

const SLOTS = BIT.VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
const CONFIG = BIT.VHOST_USER_PROTOCOL_F_CONFIG;
const INFLIGHT = BIT.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD;
const STATUS = BIT.VHOST_USER_PROTOCOL_F_STATUS;
const STATE = BIT.VHOST_USER_PROTOCOL_F_DEVICE_STATE;
const INBAND = BIT.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS;
const SKIP_DRAIN = BIT.VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN;
/** Without it SET_LOG_BASE would name memory of the front-end's that nobody else can reach. */
const LOG_SHMFD = BIT.VHOST_USER_PROTOCOL_F_LOG_SHMFD;

const { EMPTY, U64, VRING_STATE, VRING_FD } = payload;

const ROWS: readonly (readonly [number, Request])[] = [
  served("GET_FEATURES", {
    payload: EMPTY,
    answer: NUMBER,
    handle: getFeatures,
    tests: [by.START, by.QEMU_SPLIT],
  }),
  served("SET_FEATURES", {
    payload: U64,
    handle: setFeatures,
    tests: [[by.REFUSALS, "session refuses other features while rings are in use"]],
  }),
  served("SET_OWNER", { payload: EMPTY, handle: changeOwner, tests: [by.START, by.QEMU_SPLIT] }),
  served("RESET_OWNER", {
    payload: EMPTY,
    handle: changeOwner,
    tests: [[by.STATUS, "RESET_OWNER changes nothing"]],
  }),
  served("SET_MEM_TABLE", {
    payload: payload.MEMORY_TABLE,
    fdsMax: id.VHOST_MEMORY_BASELINE_NREGIONS,
    handle: setMemTable,
    tests: [[by.FRONT_END, "memory: the sender's table is replaced under traffic"]],
  }),
  served("SET_LOG_BASE", {
    payload: payload.LOG,
    fdsMax: 1,
    gate: LOG_SHMFD,
    answer: LOGGED,
    handle: setLogBase,
    tests: by.LOG,
  }),
  served("SET_LOG_FD", {
    payload: EMPTY,
    fdsMax: 1,
    handle: setLogFd,
    tests: [[by.MIGRATION, "session keeps one log descriptor, an eventfd"]],
  }),
  served("SET_VRING_NUM", {
    payload: VRING_STATE,
    handle: setVringNum,
    tests: [[by.RINGS, "rings: sizes from 1 to 32,768"]],
  }),
  served("SET_VRING_ADDR", {
    payload: payload.VRING_ADDR,
    handle: setVringAddr,
    tests: [[by.REFUSALS, "session refuses ring areas that are unaligned"]],
  }),
  served("SET_VRING_BASE", {
    payload: VRING_STATE,
    handle: setVringBase,
    tests: [[by.FRONT_END, "rings: GET_VRING_BASE is exact"]],
  }),
  served("GET_VRING_BASE", {
    payload: VRING_STATE,
    answer: POSITION,
    handle: getVringBase,
    tests: [[by.FRONT_END, "rings: GET_VRING_BASE is exact"]],
  }),
  served("SET_VRING_KICK", {
    payload: VRING_FD,
    fdsMax: 1,
    handle: setVringKick,
    tests: [[by.FRONT_ENDS, "session starts a ring whose kick came before"]],
  }),
  served("SET_VRING_CALL", {
    payload: VRING_FD,
    fdsMax: 1,
    handle: setVringCall,
    tests: [["tests/e2e/faults_calls_test.ts", "a call descriptor that is full"]],
  }),
  served("SET_VRING_ERR", {
    payload: VRING_FD,
    fdsMax: 1,
    handle: setVringErr,
    tests: [[by.FRONT_ENDS, "session signals the err descriptor of a broken ring"]],
  }),
  served("GET_PROTOCOL_FEATURES", {
    payload: EMPTY,
    answer: NUMBER,
    handle: getProtocolFeatures,
    tests: [by.START, by.QEMU_SPLIT],
  }),
  served("SET_PROTOCOL_FEATURES", {
    payload: U64,
    handle: setProtocolFeatures,
    tests: [by.REFUSAL, by.QEMU_SPLIT],
  }),
  served("GET_QUEUE_NUM", {
    payload: EMPTY,
    gate: BIT.VHOST_USER_PROTOCOL_F_MQ,
    answer: {
      ...NUMBER,
      readers: "all: 8 bytes; rust-vmm refuses more than 32,768, QEMU fewer than its queue pairs",
    },
    handle: getQueueNum,
    tests: [by.START],
  }),
  // Not gated by VHOST_USER_F_PROTOCOL_FEATURES: QEMU sends it before SET_FEATURES.
  served("SET_VRING_ENABLE", {
    payload: VRING_STATE,
    handle: setVringEnable,
    tests: [[by.FRONT_END, "rings: disabled means that frames are taken"]],
  }),
  served("SEND_RARP", {
    payload: payload.MAC,
    gate: BIT.VHOST_USER_PROTOCOL_F_RARP,
    handle: sendRarp,
    tests: by.RARP,
  }),
  served("NET_SET_MTU", {
    payload: U64,
    gate: BIT.VHOST_USER_PROTOCOL_F_NET_MTU,
    handle: setMtu,
    tests: [[by.CONFIGURED, "config: longer frames than a port's MTU reach nobody"]],
  }),
  served("SET_BACKEND_REQ_FD", {
    payload: EMPTY,
    fdsMax: 1,
    gate: BIT.VHOST_USER_PROTOCOL_F_BACKEND_REQ,
    handle: setBackendReqFd,
    tests: [by.WALK, by.CHANNEL],
  }),
  served("IOTLB_MSG", {
    payload: payload.IOTLB,
    answer: { ...VERDICT, readers: "QEMU: 8 bytes, with NEED_REPLY set; rust-vmm: never sent" },
    handle: iotlbMsg,
    needs: "VIRTIO_F_ACCESS_PLATFORM",
    tests: by.TRANSLATED,
  }),
  // Only guests of another byte order than this machine's, and older than VERSION_1, would need it.
  unserved("SET_VRING_ENDIAN", "only big-endian guests without VERSION_1 need it"),
  served("GET_CONFIG", {
    payload: payload.CONFIG,
    gate: CONFIG,
    answer: CONFIG_PART,
    handle: getConfig,
    tests: [by.CONFIG_READ],
  }),
  served("SET_CONFIG", {
    payload: payload.CONFIG,
    gate: CONFIG,
    handle: setConfig,
    tests: [[by.CONFIG, "SET_CONFIG after a migration"]],
  }),
  unserved("CREATE_CRYPTO_SESSION", "crypto devices only", true),
  unserved("CLOSE_CRYPTO_SESSION", "crypto devices only"),
  unserved("POSTCOPY_ADVISE", "belongs to PAGEFAULT", true),
  unserved("POSTCOPY_LISTEN", "belongs to PAGEFAULT"),
  unserved("POSTCOPY_END", "belongs to PAGEFAULT"),
  served("GET_INFLIGHT_FD", {
    payload: payload.INFLIGHT,
    gate: INFLIGHT,
    answer: INFLIGHT_AREA,
    handle: getInflightFd,
    tests: [[by.INFLIGHT, "an area has a region for each queue"]],
  }),
  served("SET_INFLIGHT_FD", {
    payload: payload.INFLIGHT,
    fdsMax: 1,
    gate: INFLIGHT,
    handle: setInflightFd,
    tests: [[by.INFLIGHT, "an area that comes while rings run takes them over"], by.CRASHES],
  }),
  unserved("GPU_SET_SOCKET", "GPUs only"),
  served("RESET_DEVICE", {
    payload: EMPTY,
    gate: BIT.VHOST_USER_PROTOCOL_F_RESET_DEVICE,
    handle: resetDevice,
    tests: [[by.FRONT_ENDS, "session forgets the device but neither memory"]],
  }),
  served("VRING_KICK", {
    payload: VRING_STATE,
    gate: INBAND,
    handle: vringKick,
    tests: [by.CALLS],
  }),
  served("GET_MAX_MEM_SLOTS", {
    payload: EMPTY,
    gate: SLOTS,
    answer: { ...NUMBER, readers: "all: 8 bytes; QEMU refuses fewer than its machine has slots" },
    handle: getMaxMemSlots,
    tests: [by.SLOTS],
  }),
  served("ADD_MEM_REG", {
    payload: payload.MEMORY_REGION,
    fdsMax: 1,
    gate: SLOTS,
    handle: addMemReg,
    tests: [by.SLOTS, by.QEMU_SLOTS],
  }),
  served("REM_MEM_REG", {
    payload: payload.MEMORY_REGION,
    fdsMax: 1,
    gate: SLOTS,
    handle: remMemReg,
    note: "a region that is not known is removed already: success",
    tests: [by.SLOTS, by.QEMU_SLOTS],
  }),
  served("SET_STATUS", {
    payload: U64,
    gate: STATUS,
    handle: setStatus,
    tests: [[by.FRONT_ENDS, "session takes a new driver's features after a status of 0"]],
  }),
  served("GET_STATUS", {
    payload: EMPTY,
    gate: STATUS,
    answer: { ...NUMBER, readers: "QEMU: 8 bytes, the low one counts; rust-vmm: never sent" },
    handle: getStatus,
    tests: [[by.STATUS, "FEATURES_OK stays only if the features go together"]],
  }),
  unserved("GET_SHARED_OBJECT", "belongs to SHARED_OBJECT", true),
  served("SET_DEVICE_STATE_FD", {
    payload: payload.STATE_TRANSFER,
    fdsMax: 1,
    gate: STATE,
    answer: STATE_CHANNEL,
    handle: setDeviceStateFd,
    tests: [by.MOVED],
  }),
  served("CHECK_DEVICE_STATE", {
    payload: EMPTY,
    gate: STATE,
    answer: VERDICT,
    handle: checkDeviceState,
    tests: [by.MOVED, [
      "tests/unit/vhost/wire/device_state_test.ts",
      "decodeDeviceState() refuses every single bit",
    ]],
  }),
  unserved("GET_SHMEM_CONFIG", "belongs to SHMEM", true),
  // What a stop leaves in the inflight area, it leaves there at once: there is no drain to skip.
  served("GET_VRING_BASE_SKIP_DRAIN", {
    payload: VRING_STATE,
    gate: SKIP_DRAIN,
    answer: POSITION,
    handle: getVringBase,
    tests: [by.NOT_DRAINED],
  }),
];

/** Every request of the specification, by number. */
export const REQUESTS: ReadonlyMap<number, Request> = new Map(ROWS);

function served<T extends object>(
  name: MessageName,
  row: Served<T>,
): readonly [number, Request] {
  const { payload: { bytesMin, bytesMax, decode: read }, handle } = row;
  const decode = (view: DataView, fdCount: number): Action | Refusal => {
    const args = read(view, fdCount);
    return isRefusal(args) ? args : (device, call) => handle(device, args, call);
  };
  const { fdsMax = 0, gate = null, answer = ACKNOWLEDGED } = row;
  const replies = answer !== ACKNOWLEDGED;
  const about = { ...row, answer };
  return [id[`VHOST_USER_${name}`], {
    ...{ name, bytesMin, bytesMax, fdsMax, replies, gate, decode, about },
  }];
}

/** A request that is known and refused. @param replies it would have a reply of its own */
function unserved(name: MessageName, why: string, replies = false): readonly [number, Request] {
  const about = { answer: null, why, tests: [by.WALK] };
  return [id[`VHOST_USER_${name}`], {
    ...{ name, bytesMin: 0, bytesMax: 0, fdsMax: 0, replies, gate: null, decode: null, about },
  }];
}
