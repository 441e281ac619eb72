/**
 * Requests about live migration: the dirty log (vhost-user.rst «Migration») and the announcement of
 * a guest that has moved. Everything takes effect at once and no virtqueue is stopped for it.
 *
 * ```
 * SET_LOG_BASE   mmap_size u64@0  mmap_offset u64@8
 * SEND_RARP      MAC address in the first 6 bytes of a u64
 * ```
 *
 * @module
 */
import type { LogArea } from "../host.ts";
import { encodeU64, exactU64, type Message } from "../wire/message.ts";
import type { Failure, Result } from "./table.ts";
import type { Session } from "../session.ts";

/** SET_VRING_ADDR: log what is written into the ring. */
export const VHOST_VRING_F_LOG = 1;
/** Longest log: one bit a page of 32 TiB of guest-physical addresses. */
const LOG_BYTES_MAX = 2 ** 30;
const GROUP_BIT = 1;

/**
 * SET_LOG_BASE. Always answered with a u64: QEMU waits for a message and looks no further, rust-vmm
 * reads 8 bytes. So a failure is told by a number only to who asked for one with NEED_REPLY: QEMU
 * would take it for success, and migrate without what is written from then on.
 */
export function setLogBase(session: Session, message: Message): Result {
  const fd = message.fds[0];
  if (fd === undefined) return { code: "fd-count", detail: "SET_LOG_BASE without descriptor" };
  const area = readLogArea(message);
  if ("code" in area) {
    session.closeFds(message.fds);
    return { ...area, keep: true };
  }
  const missed = session.vrings.some((vring) => vring.running && vring.logGuestAddr !== null);
  const refusal = session.migration.setLog(area, fd, session.memory.regions, missed);
  if (refusal) return { ...refusal, keep: true };
  return encodeU64(0n);
}

function readLogArea(message: Message): LogArea | Failure {
  const sizeBytes = exactU64(message.payload, 0);
  const mmapOffset = exactU64(message.payload, 8);
  if (sizeBytes === null || sizeBytes === 0 || sizeBytes > LOG_BYTES_MAX) {
    return { code: "bad-log", detail: `a log of ${sizeBytes ?? "2^53 or more"} bytes` };
  }
  if (mmapOffset === null || mmapOffset + sizeBytes > Number.MAX_SAFE_INTEGER) {
    return { code: "bad-log", detail: "its file offset is 2^53 or more" };
  }
  return { sizeBytes, mmapOffset };
}

/** SET_LOG_FD: kept for the front-end, which has not been seen to wait for it. */
export function setLogFd(session: Session, message: Message): Result {
  const fd = message.fds[0];
  if (fd === undefined) return { code: "fd-count", detail: "SET_LOG_FD without descriptor" };
  if (session.host.fdKind(fd) !== "eventfd") {
    session.closeFds(message.fds);
    return { code: "not-eventfd", detail: "the descriptor is no eventfd" };
  }
  session.migration.setLogFd(fd);
  return null;
}

/** SEND_RARP: the guest with this MAC address is behind this port now. */
export function sendRarp(session: Session, message: Message): Result {
  const macLow = message.payload.getInt32(0, true);
  const macHigh = message.payload.getUint16(4, true);
  if ((macLow & GROUP_BIT) !== 0 || (macLow === 0 && macHigh === 0)) {
    return { code: "bad-mac", detail: "a group or zero address is nobody's", keep: true };
  }
  session.migration.announce({ low: macLow, high: macHigh }, session.linkUp);
  return null;
}
