/**
 * What must come of a message, by rule: the table of requests says what is wrong with its size, its
 * descriptors and its moment; what is right with it is stated here, request by request.
 *
 * @module
 */
import * as id from "../../../../lib/vhost/wire/message.ts";
import { REQUESTS } from "../../../../lib/vhost/requests/table.ts";
import { BIT, hasFeature } from "../../../../lib/vhost/features/bits.ts";
import { addr, config, state, table, words } from "../fake_host.ts";
import { QEMU_HVA } from "../front_ends.ts";
import {
  type Facts,
  PROTOCOL,
  REGION,
  REGION_2,
  regionPayload,
  ringPlaces,
  SPLIT,
  translateAll,
} from "./walk_states.ts";

/** Which payload a cell has: as long as it must be, or not; `hostile` has all bits set. */
export type Payload = "short" | "exact" | "long" | "hostile";

/** One message in one state. */
export interface Cell {
  readonly facts: Facts;
  readonly request: number;
  readonly payload: Payload;
  readonly fds: number;
  readonly needReply: boolean;
}

/**
 * The one outcome that is right. A message with two faults may be closed for either of them.
 */
export type Expected =
  | { readonly kind: "reply"; readonly bytes: number }
  | { readonly kind: "ack" | "nack" | "silent" }
  | { readonly kind: "close"; readonly codes: readonly string[] };

/** What a served request does when its size and number of descriptors are in the table's range. */
interface Rule {
  /** The payload of a front-end that is right. */
  readonly payload: (facts: Facts) => Uint8Array;
  /** Descriptors due with it. */
  readonly fds: number;
  readonly fdKind?: "eventfd" | "socket" | "other";
  /** Which descriptor it replaces: of vring 0, of the log, or the back-end channel. */
  readonly keeps?: "kick" | "call" | "err" | "log" | "channel";
  /** Bytes of its own reply, `done`, or why it is refused while the session goes on. */
  readonly gives: (facts: Facts) => number | "done" | "refused";
  /**
   * The same for a payload with all bits set; a code: the connection ends with it, or as many bytes
   * say so to who hears of it.
   */
  readonly hostile?: number | "done" | "refused" | {
    readonly code: string;
    readonly told?: number;
  };
  /** More descriptors than due are closed, not an error. */
  readonly toleratesFds?: true;
}

const empty = (): Uint8Array => new Uint8Array(0);
const done = (): "done" => "done";
/** One byte for 32 KiB: covers the regions of every state, and the one that is added. */
const LOG_BYTES = 0x10000;
const MAC = 0x0161_6100_5452n;
const BAD_INDEX = { code: "bad-index" };

const ask: Rule = { payload: empty, fds: 0, gives: () => 8 };
const tell: Rule = { payload: empty, fds: 0, gives: done };

function ring(payload: Rule["payload"]): Rule {
  return { payload, fds: 0, gives: done, hostile: BAD_INDEX };
}

function fd(keeps: "kick" | "call" | "err"): Rule {
  return { ...ring(() => words(0)), fds: 1, fdKind: "eventfd", keeps };
}

function ringAddress({ features }: Facts): Uint8Array {
  const place = ringPlaces(features)[0] ?? { desc: 0, used: 0, avail: 0 };
  return addr(0, QEMU_HVA + place.desc, QEMU_HVA + place.used, QEMU_HVA + place.avail);
}

/** Regions for two rings of 256, large enough for either kind. */
function inflightArea(): Uint8Array {
  const bytes = words(2 * 8256, 0, 0);
  new DataView(bytes.buffer).setUint32(16, 2 | (256 << 16), true);
  return bytes;
}

/** Rules of the requests by number. */
export const RULES: Readonly<Record<number, Rule>> = {
  [id.VHOST_USER_GET_FEATURES]: ask,
  [id.VHOST_USER_SET_FEATURES]: {
    ...tell,
    payload: ({ features }) => words(features ?? SPLIT),
    hostile: { code: "bad-features" },
  },
  [id.VHOST_USER_SET_OWNER]: tell,
  [id.VHOST_USER_RESET_OWNER]: tell,
  [id.VHOST_USER_SET_MEM_TABLE]: {
    ...{ payload: () => table([REGION]), fds: 1, fdKind: "other", gives: done },
    hostile: { code: "bad-region" },
  },
  [id.VHOST_USER_SET_LOG_BASE]: {
    ...{ payload: () => words(LOG_BYTES, 0), fds: 1, fdKind: "other", gives: () => 8 },
    hostile: { code: "bad-log", told: 8 },
  },
  [id.VHOST_USER_SET_LOG_FD]: { ...tell, fds: 1, fdKind: "eventfd", keeps: "log" },
  [id.VHOST_USER_SET_VRING_NUM]: ring(() => state(0, 256)),
  [id.VHOST_USER_SET_VRING_ADDR]: ring(ringAddress),
  [id.VHOST_USER_SET_VRING_BASE]: ring(() => state(0, 0)),
  [id.VHOST_USER_GET_VRING_BASE]: { ...ring(() => state(0, 0)), gives: () => 8 },
  [id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN]: { ...ring(() => state(0, 0)), gives: () => 8 },
  [id.VHOST_USER_SET_VRING_KICK]: fd("kick"),
  [id.VHOST_USER_SET_VRING_CALL]: fd("call"),
  [id.VHOST_USER_SET_VRING_ERR]: fd("err"),
  [id.VHOST_USER_GET_PROTOCOL_FEATURES]: ask,
  [id.VHOST_USER_SET_PROTOCOL_FEATURES]: {
    ...tell,
    payload: ({ protocol }) => words(protocol | PROTOCOL),
    hostile: { code: "bad-protocol-features" },
  },
  [id.VHOST_USER_GET_QUEUE_NUM]: ask,
  [id.VHOST_USER_SET_VRING_ENABLE]: ring(() => state(0, 1)),
  [id.VHOST_USER_SEND_RARP]: { ...tell, payload: () => words(MAC), hostile: "refused" },
  // The front-end can do without an MTU: refused, not closed.
  [id.VHOST_USER_NET_SET_MTU]: { ...tell, payload: () => words(1500), hostile: "refused" },
  [id.VHOST_USER_SET_BACKEND_REQ_FD]: { ...tell, fds: 1, fdKind: "socket", keeps: "channel" },
  [id.VHOST_USER_GET_INFLIGHT_FD]: {
    ...{ payload: inflightArea, fds: 0, gives: () => 24 },
    hostile: { code: "bad-inflight" },
  },
  [id.VHOST_USER_SET_INFLIGHT_FD]: {
    ...{ payload: inflightArea, fds: 1, fdKind: "other", gives: done },
    hostile: { code: "bad-inflight" },
  },
  // More is asked for than any space has: an empty reply is the error.
  [id.VHOST_USER_GET_CONFIG]: {
    ...{ payload: () => config(0, 24, 0), fds: 0, gives: () => 36, hostile: 0 },
  },
  // What a front-end writes after a migration; the driver of a modern device only reads.
  [id.VHOST_USER_SET_CONFIG]: {
    payload: () => config(10, 2, 1, 1400),
    ...{ fds: 0, gives: done, hostile: { code: "bad-size" } },
  },
  [id.VHOST_USER_RESET_DEVICE]: tell,
  [id.VHOST_USER_VRING_KICK]: ring(() => state(0, 0)),
  [id.VHOST_USER_GET_MAX_MEM_SLOTS]: ask,
  [id.VHOST_USER_ADD_MEM_REG]: {
    // In the state with two slots this one is the third.
    payload: () =>
      regionPayload({
        ...REGION_2,
        guestAddr: 4 * REGION_2.guestAddr,
        userAddr: REGION_2.userAddr + 4 * REGION_2.guestAddr,
      }),
    ...{ fds: 1, fdKind: "other", gives: done },
    hostile: { code: "bad-region" },
  },
  [id.VHOST_USER_REM_MEM_REG]: {
    payload: () => regionPayload(REGION),
    // One that is not there is as removed as it can be: QEMU 7.2 says it once per queue pair.
    gives: () => "done",
    fds: 0,
    hostile: { code: "bad-region" },
    // vhost-user.rst «VHOST_USER_REM_MEM_REG»: old front-ends send one, it is to be closed.
    toleratesFds: true,
  },
  // Refused in its reply, whatever is wrong.
  [id.VHOST_USER_SET_DEVICE_STATE_FD]: {
    payload: () => state(0, 0),
    ...{ fds: 1, gives: () => 8, hostile: 8, toleratesFds: true },
  },
  [id.VHOST_USER_CHECK_DEVICE_STATE]: ask,
  // A status byte: whatever the driver wrote.
  [id.VHOST_USER_SET_STATUS]: { ...tell, payload: () => words(15), hostile: "done" },
  [id.VHOST_USER_GET_STATUS]: ask,
  // Its own reply says what became of it, also where no IOMMU was negotiated.
  [id.VHOST_USER_IOTLB_MSG]: { ...ask, payload: () => translateAll(), hostile: 8 },
};

/** The payload of a cell. */
export function payloadOf({ facts, request, payload }: Cell): Uint8Array {
  const row = REQUESTS.get(request);
  const rule = RULES[request];
  if (!row?.decode) {
    const bytes = { short: 0, exact: 8, long: 4096, hostile: 8 }[payload];
    return new Uint8Array(bytes).fill(payload === "hostile" ? 0xff : 0);
  }
  const exact = rule?.payload(facts) ?? new Uint8Array(row.bytesMin);
  switch (payload) {
    case "short":
      return new Uint8Array(row.bytesMin - 1);
    case "exact":
      return exact;
    case "long":
      return new Uint8Array(row.bytesMax + 1);
    case "hostile":
      // A count of regions as announced, or the message would only have a wrong size.
      if (request === id.VHOST_USER_SET_MEM_TABLE) return new Uint8Array(exact).fill(0xff, 8);
      return new Uint8Array(exact.length).fill(0xff);
  }
}

/** Payloads a request can have. */
export function payloadsOf(request: number): Payload[] {
  const row = REQUESTS.get(request);
  if (!row?.decode) return ["short", "exact", "long", "hostile"];
  const few: Payload[] = row.bytesMin > 0 ? ["short"] : [];
  return [...few, "exact", "long", ...(row.bytesMax > 0 ? ["hostile" as const] : [])];
}

/** Numbers of descriptors to try: none, one less than due, due, all that may be, too many. */
export function fdCountsOf(request: number): number[] {
  const row = REQUESTS.get(request);
  if (!row?.decode) return [0, 1, 8];
  const due = RULES[request]?.fds ?? 0;
  const counts = [0, due - 1, due, due + 1, row.fdsMax, row.fdsMax + 1, 253];
  return [...new Set(counts)].filter((count) => count >= 0);
}

/** What must come of a cell. */
export function expect(cell: Cell): Expected {
  const { facts, request, payload, fds, needReply } = cell;
  const row = REQUESTS.get(request);
  const open = (row?.gate ?? null) === null || hasFeature(facts.protocol, row?.gate ?? 0);
  if (row?.decode) {
    if (payload === "short" || payload === "long") return { kind: "close", codes: ["bad-size"] };
    if (fds > row.fdsMax) return { kind: "close", codes: ["fd-count"] };
  }
  if (!row?.decode || !open) {
    const code = row ? "not-negotiated" : "unknown-request";
    // A front-end that waits for a reply of its own kind cannot be given an error.
    if (row?.replies || !needReply) return { kind: "close", codes: [code] };
    // Answered also where REPLY_ACK was not negotiated: the connection would have to end instead
    // (vhost-user.rst «Communication»: closing is for exceptional circumstances).
    return { kind: "nack" };
  }
  const rule = RULES[request];
  if (!rule) throw new Error(`walk_rules.ts needs a rule for ${row.name}`);
  const gives = payload === "hostile" ? rule.hostile ?? "done" : rule.gives(facts);
  const codes = typeof gives === "object" ? [gives.code] : [];
  // SET_PROTOCOL_FEATURES negotiates what its own answer depends on.
  const protocol = request === id.VHOST_USER_SET_PROTOCOL_FEATURES ? PROTOCOL : facts.protocol;
  const heard = needReply && hasFeature(protocol, BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK);
  const told = typeof gives === "object" && heard ? gives.told : undefined;
  const countIsRight = fds === rule.fds || rule.toleratesFds === true;
  if (!countIsRight) codes.push("fd-count");
  if (countIsRight && told !== undefined) return { kind: "reply", bytes: told };
  if (codes.length > 0 || typeof gives === "object") return { kind: "close", codes };
  if (typeof gives === "number") return { kind: "reply", bytes: gives };
  if (!heard) return { kind: "silent" };
  return { kind: gives === "done" ? "ack" : "nack" };
}

/** Descriptors that the session holds after a cell, compared with before. */
export function fdsKept(cell: Cell, expected: Expected): number {
  const keeps = RULES[cell.request]?.keeps;
  if (!keeps || (expected.kind !== "ack" && expected.kind !== "silent")) return 0;
  // No state has one of these yet.
  if (keeps === "log" || keeps === "channel") return cell.fds;
  return cell.fds - (cell.facts[keeps] ? 1 : 0);
}
