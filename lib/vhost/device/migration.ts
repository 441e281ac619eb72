/**
 * What a session keeps for live migration: the dirty log and whether buffers are logged, the
 * front-end's log descriptor, and a guest that is still to be announced.
 *
 * @module
 */
import { formatMac, type Mac } from "../../base/mac.ts";
import { LIMITS } from "../../base/port_limits.ts";
import { BIT, hasFeature } from "../features/bits.ts";
import type {
  DescriptorHost,
  LogArea,
  LogHost,
  MemoryRegion,
  PortHost,
  RingHost,
} from "../host.ts";
import type { Refusal } from "../reasons.ts";

/** What a migration asks for. */
export type MigrationHost =
  & LogHost
  & Pick<DescriptorHost, "closeFd">
  & Pick<RingHost, "announce">
  & Pick<PortHost, "log">;

/** Guest memory one byte of the log stands for, bytes: 8 pages of 4096. */
const LOG_BYTE_SPAN = 8 * 4096;
/** A log may be longer than its memory needs: for what is to be plugged in, in whole huge pages. */
const LOG_TIMES = 2;
const LOG_SPARE_BYTES = 2 ** 21;

/** One session's migration state. Control thread only. */
export class Migration {
  readonly #host: MigrationHost;
  /** Eventfd of SET_LOG_FD, or -1. */
  #logFd = -1;
  #log: LogArea | null = null;
  #logAll = false;
  /** To be announced when the link comes up. */
  #unannounced: Mac | null = null;

  /** Nothing is logged, and nobody waits to be announced. */
  constructor(host: MigrationHost) {
    this.#host = host;
  }

  /** A descriptor of SET_LOG_FD is kept. */
  get hasLogFd(): boolean {
    return this.#logFd >= 0;
  }

  /** That descriptor, which stays the session's; -1: there is none. */
  get logFd(): number {
    return this.#logFd;
  }

  /** The log in force, or null. */
  get log(): LogArea | null {
    return this.#log;
  }

  /** Who is to be announced when the link comes up, or null. */
  get unannounced(): Mac | null {
    return this.#unannounced;
  }

  /** Features were negotiated, or given up: VHOST_F_LOG_ALL comes and goes while rings run. */
  setFeatures(features: bigint): void {
    const on = hasFeature(features, BIT.VHOST_F_LOG_ALL);
    if (on === this.#logAll) return;
    this.#host.setLogAll(on);
    this.#logAll = on;
    const what = on ? "dirty pages are logged" : "dirty pages are logged no more";
    this.#host.log("info", "dirty-log", what);
  }

  /**
   * Puts a log in force in place of another. Takes the descriptor over.
   * @param missed ring writes should have been logged before and there was nowhere to: QEMU that
   * finds its back-end anew in the middle of a migration starts the rings first
   */
  setLog(
    area: LogArea,
    fd: number,
    regions: readonly MemoryRegion[],
    missed: boolean,
  ): Refusal | null {
    const refusal = refuseShort(area, regions) ?? refuseLong(area, regions);
    if (refusal) {
      this.#host.closeFd(fd);
      return refusal;
    }
    const failure = this.#host.setLog(area, fd, missed && this.#log === null);
    if (failure === null) this.#log = area;
    return failure;
  }

  /**
   * Another memory table is to come in force. A log that is too short for it cannot tell what is
   * written; one that is only left from an earlier migration is given up.
   */
  setMemory(regions: readonly MemoryRegion[]): Refusal | null {
    const refusal = this.#log && refuseShort(this.#log, regions);
    if (!refusal || this.#logAll) return refusal;
    this.#dropLog();
    return null;
  }

  #dropLog(): void {
    this.#log = null;
    this.#host.dropLog();
  }

  /** Takes the front-end's log descriptor over; an earlier one is closed. */
  setLogFd(fd: number): void {
    if (this.#logFd >= 0) this.#host.closeFd(this.#logFd);
    this.#logFd = fd;
  }

  /**
   * A guest is behind this port now: its address is learned at once, and the other ports are told
   * when the link is up.
   */
  announce(mac: Mac, linkUp: boolean): void {
    this.#host.announce(mac, linkUp);
    const guest = `guest ${formatMac(mac.low, mac.high)}`;
    if (linkUp) this.#host.log("debug", "announced", `${guest} announced here`);
    else this.#host.log("debug", "expected", `${guest} expected here`);
    this.#unannounced = linkUp ? null : mac;
  }

  /** The link came up. */
  linkUp(): void {
    if (this.#unannounced !== null) this.announce(this.#unannounced, true);
  }

  /** The device was reset: nothing is logged, nobody waits to be announced. The log stays mapped. */
  reset(): void {
    this.setFeatures(0n);
    this.#unannounced = null;
  }

  /** The connection is gone. Call with every virtqueue stopped. */
  close(): void {
    this.setLogFd(-1);
    this.reset();
    this.#dropLog();
  }
}

/** vhost-user.rst «Migration»: a log covers all known guest addresses. */
/** The guest address behind the last region. */
function endOf(regions: readonly MemoryRegion[]): number {
  return regions.reduce(
    (most, { guestAddr, sizeBytes }) => Math.max(most, guestAddr + sizeBytes),
    0,
  );
}

/** Longest log of a port with such regions, bytes; before they come, of one with all it may have. */
export function logBytesMax(regions: readonly MemoryRegion[]): number {
  const end = regions.length === 0 ? LIMITS.memory.most : endOf(regions);
  const needed = Math.ceil(end / LOG_BYTE_SPAN);
  return Math.min(LOG_TIMES * needed + LOG_SPARE_BYTES, LIMITS["dirty-log"].most);
}

function refuseLong(log: LogArea, regions: readonly MemoryRegion[]): Refusal | null {
  const most = logBytesMax(regions);
  if (log.sizeBytes <= most) return null;
  const detail = `a log of ${log.sizeBytes} bytes, at most ${most} for its memory`;
  return { code: "bad-log", detail };
}

function refuseShort(log: LogArea, regions: readonly MemoryRegion[]): Refusal | null {
  const end = endOf(regions);
  if (log.sizeBytes >= Math.ceil(end / LOG_BYTE_SPAN)) return null;
  const detail = `${log.sizeBytes} bytes for guest addresses up to 0x${end.toString(16)}`;
  return { code: "log-too-short", detail };
}
