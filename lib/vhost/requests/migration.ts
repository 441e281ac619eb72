/**
 * Requests about live migration: the dirty log (vhost-user.rst «Migration») and the announcement of
 * a guest that has moved. Everything takes effect at once and no virtqueue is stopped for it.
 *
 * @module
 */
import type { Mac } from "../../base/mac.ts";
import { LIMITS } from "../../base/port_limits.ts";
import type { Device } from "../device.ts";
import type { LogArea } from "../host.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { encodeU64 } from "../wire/message.ts";
import type { FilePart } from "../wire/payloads.ts";
import { type Call, DONE, ends, failed, reply, type Result } from "./result.ts";

/** Longest log, bytes: one bit a page of 32 TiB of guest-physical addresses. */
const LOG_BYTES_MAX = LIMITS["dirty-log"].most;
const GROUP_BIT = 1;

/**
 * SET_LOG_BASE. Always answered with a u64: QEMU waits for a message and looks no further, rust-vmm
 * reads 8 bytes. So a failure is told by a number only to who asked for one with NEED_REPLY: QEMU
 * would take it for success, and migrate without what is written from then on.
 */
export function setLogBase(device: Device, part: FilePart, { fds }: Call): Result {
  const fd = fds[0];
  if (fd === undefined) return ends("fd-count", "SET_LOG_BASE without descriptor");
  const area = checkLogArea(part);
  if (isRefusal(area)) {
    device.closeFds(fds);
    return failed(area);
  }
  const missed = device.vrings.some((vring) => vring.running && vring.logGuestAddr !== null);
  const refusal = device.migration.setLog(area, fd, device.memory.regions, missed);
  return refusal ? failed(refusal) : reply(encodeU64(0n));
}

function checkLogArea({ sizeBytes, mmapOffset }: FilePart): LogArea | Refusal {
  if (sizeBytes === null || sizeBytes === 0 || sizeBytes > LOG_BYTES_MAX) {
    return { code: "bad-log", detail: `a log of ${sizeBytes ?? "2^53 or more"} bytes` };
  }
  if (mmapOffset === null || mmapOffset + sizeBytes > Number.MAX_SAFE_INTEGER) {
    return { code: "bad-log", detail: "its file offset is 2^53 or more" };
  }
  return { sizeBytes, mmapOffset };
}

/** SET_LOG_FD: kept for the front-end, which has not been seen to wait for it. */
export function setLogFd(device: Device, _: object, { fds }: Call): Result {
  const fd = fds[0];
  if (fd === undefined) return ends("fd-count", "SET_LOG_FD without descriptor");
  if (device.host.fdKind(fd) !== "eventfd") {
    device.closeFds(fds);
    return ends("not-eventfd", "the descriptor is no eventfd");
  }
  device.migration.setLogFd(fd);
  return DONE;
}

/** SEND_RARP: the guest with this MAC address is behind this port now. */
export function sendRarp(device: Device, mac: Mac): Result {
  if ((mac.low & GROUP_BIT) !== 0 || (mac.low === 0 && mac.high === 0)) {
    return failed({ code: "bad-mac", detail: "a group or zero address is nobody's" });
  }
  device.migration.announce(mac, device.linkUp);
  return DONE;
}
