/**
 * The dirty log one front-end gave its port. It is mapped like guest memory, through the same gate,
 * so that several ports of one VM share the mapping.
 *
 * @module
 */
import { viewMemory } from "../../../ffi/mod.ts";
import type { LogArea, LogHost, MemoryRegion } from "../../vhost/host.ts";
import { isRefusal, type Refusal } from "../../vhost/reasons.ts";
import type { DataPlane, PlacedLog } from "../../worker/wire.ts";
import type { MappedRegion, PortMemory } from "./guest_memory.ts";
import type { Mappings } from "./port_pool.ts";

const PAGE_BYTES = 4096;
/** Guest memory one byte of the log stands for, bytes. */
const BYTE_SPAN = 8 * PAGE_BYTES;

/** The log of a port, and whether buffers are logged. Control thread only. */
export class PortDirtyLog {
  readonly #plane: Pick<DataPlane, "setLog" | "setVringLog">;
  readonly #pool: Mappings;
  readonly #memory: Pick<PortMemory, "regions">;
  readonly #port: number;
  #mapped: MappedRegion | null = null;
  #logAll = false;

  /** No log at first. @param port its number on the data plane */
  constructor(
    plane: Pick<DataPlane, "setLog" | "setVringLog">,
    pool: Mappings,
    memory: Pick<PortMemory, "regions">,
    port: number,
  ) {
    this.#plane = plane;
    this.#pool = pool;
    this.#memory = memory;
    this.#port = port;
  }

  /** A page of it that could not be had, for people; or null. */
  get lost(): string | null {
    const page = this.#mapped && this.#pool.lostPage(this.#mapped);
    return page && `the dirty log at byte ${page.at}: ${page.why}`;
  }

  /** Bytes of the log that is in force, 0 without one. */
  get sizeBytes(): number {
    return this.#mapped?.placed.sizeBytes ?? 0;
  }

  /** What a session asks of it. @param closeFd takes a descriptor of the front-end's back */
  sessionHost(
    closeFd: (fd: number) => void,
  ): LogHost {
    return {
      setVringLog: (vring, guestAddr) =>
        this.#plane.setVringLog({ port: this.#port, vring, logGuestAddr: guestAddr }),
      setLog: (area, fd, allDirty) => {
        try {
          return this.#replace(area, fd, allDirty);
        } finally {
          closeFd(fd);
        }
      },
      setLogAll: (on) => {
        this.#logAll = on;
        this.#plane.setLog({ port: this.#port, log: this.#mapped?.placed ?? null, logAll: on });
      },
      dropLog: () => {
        const old = this.#swap(null);
        if (old) this.#pool.release(old);
      },
    };
  }

  #replace(area: LogArea, fd: number, allDirty: boolean): Refusal | null {
    const mapped = this.#pool.acquire({ ...area, guestAddr: 0, userAddr: 0 }, fd);
    if (isRefusal(mapped)) return mapped;
    const log = viewLog(mapped.placed);
    let old: MappedRegion | null;
    try {
      old = this.#swap(mapped);
    } catch (error) {
      this.#pool.release(mapped);
      throw error;
    }
    if (old) {
      // A front-end may have forgotten the old log before it sent this one: QEMU does while its
      // guest reboots in the middle of a migration.
      inheritBits(log, old.placed, this.#memory.regions);
      this.#pool.release(old);
    }
    if (allDirty) { for (const region of this.#memory.regions) logRegion(log, region); }
    return null;
  }

  /** @returns the old log, which the data plane has let go of and which is to be released */
  #swap(mapped: MappedRegion | null): MappedRegion | null {
    const old = this.#mapped;
    // Without a log before and after, the data plane need not be told.
    if (old !== null || mapped !== null) {
      this.#plane.setLog({ port: this.#port, log: mapped?.placed ?? null, logAll: this.#logAll });
    }
    this.#mapped = mapped;
    return old;
  }
}

function viewLog({ address, sizeBytes }: PlacedLog): Uint8Array {
  return new Uint8Array(viewMemory(address, sizeBytes));
}

/** Logs every page of a region. */
function logRegion(log: Uint8Array, { guestAddr, sizeBytes }: MemoryRegion): void {
  const first = Math.floor(guestAddr / PAGE_BYTES);
  const end = Math.ceil((guestAddr + sizeBytes) / PAGE_BYTES);
  const mark = (byte: number): void => {
    const from = 0xff << Math.max(0, first - 8 * byte);
    const to = 0xff >> Math.max(0, 8 * byte + 8 - end);
    Atomics.or(log, byte, from & to);
  };
  const [firstByte, lastByte] = [Math.floor(first / 8), Math.ceil(end / 8) - 1];
  mark(firstByte);
  mark(lastByte);
  // Others have bits in the first and the last alone. A TiB has 32 MiB of these.
  log.fill(0xff, firstByte + 1, Math.max(firstByte + 1, lastByte));
}

/** Logs what another log has of these regions. Both cover them, or there is nothing to inherit. */
function inheritBits(log: Uint8Array, from: PlacedLog, regions: readonly MemoryRegion[]): void {
  const old = viewLog(from);
  // Most of a log is zeros: four bytes at once, where they are a word.
  const words = from.address % 4 === 0 ? new Int32Array(old.buffer, 0, old.length >>> 2) : null;
  for (const { guestAddr, sizeBytes } of regions) {
    const end = Math.min(Math.ceil((guestAddr + sizeBytes) / BYTE_SPAN), old.length, log.length);
    let byte = Math.floor(guestAddr / BYTE_SPAN);
    while (byte < end) {
      if (words !== null && byte % 4 === 0 && byte + 4 <= end && words[byte >>> 2] === 0) {
        byte += 4;
        continue;
      }
      const bits = Atomics.load(old, byte);
      if (bits !== 0) Atomics.or(log, byte, bits);
      byte++;
    }
  }
}
