/**
 * The arena: one stretch of address space into which all guests' memory of a data plane is mapped,
 * so that the data plane's views of it are made once and never detached.
 *
 * It is handed out in granules of 1 GiB, as the data plane's windows are cut. Behind every mapping
 * at least a page stays inaccessible, so that nothing runs on into the next guest's memory.
 *
 * @module
 */
import type { MemoryGuard, RangeFaults, Reservation } from "../../../ffi/mod.ts";
import { Stretches } from "../../base/stretches.ts";
import { WINDOW_STRIDE, WINDOWS_AT_START } from "../../virtio/memory/arena.ts";

const GUARD_BYTES = 4096;
const SMALL_PAGE_BYTES = 4096;
/** A huge page of a memory file is one in our page table only where address and offset agree. */
const HUGE_PAGE_BYTES = 2 ** 21;

/** What is mapped in the arena; give it to {@linkcode GuestArena.unmap}. */
export interface ArenaMapping {
  /** Host address of its first byte. */
  readonly address: number;
  /** As many as were asked for. */
  readonly sizeBytes: number;
  /** Number of its first granule. */
  readonly first: number;
  /** How many granules it has. */
  readonly count: number;
  /** The guard's record of it, or null: nothing guards it. */
  readonly record: number | null;
}

/** What the arena needs of the guard. */
export type ArenaGuard = Pick<MemoryGuard, "cover" | "uncover" | "faultsOf" | "helped">;

/** The arena of one data plane. Control thread only. */
export class GuestArena {
  readonly #reservation: Pick<Reservation, "address" | "sizeBytes" | "map" | "unmap">;
  readonly #granules: Stretches;
  readonly #guard: ArenaGuard | null;

  /**
   * Nothing is mapped at first.
   * @param reservation at a multiple of 1 GiB; stays the caller's
   * @param guard covers whatever is mapped; null: a page that cannot be had ends the process
   */
  constructor(
    reservation: Pick<Reservation, "address" | "sizeBytes" | "map" | "unmap">,
    guard: ArenaGuard | null = null,
  ) {
    this.#reservation = reservation;
    this.#guard = guard;
    const granules = Math.floor(reservation.sizeBytes / WINDOW_STRIDE);
    // The data plane has views of these.
    this.#granules = new Stretches(granules, WINDOWS_AT_START);
  }

  /** How many granules it has in all. */
  get granules(): number {
    return Math.floor(this.#reservation.sizeBytes / WINDOW_STRIDE);
  }

  /** Bytes of the longest stretch that is free. */
  get longestFreeBytes(): number {
    return this.#granules.longest * WINDOW_STRIDE;
  }

  /**
   * Maps a piece of a memory file. The descriptor is not kept.
   * @param offset multiple of the file's page size, which is `pageBytes`
   * @returns null if there is no room
   * @throws {SystemError} the file cannot be mapped
   */
  map(
    fd: number,
    offset: number,
    sizeBytes: number,
    pageBytes: number = SMALL_PAGE_BYTES,
  ): ArenaMapping | null {
    const skew = offset % HUGE_PAGE_BYTES;
    const count = Math.ceil((skew + sizeBytes + GUARD_BYTES) / WINDOW_STRIDE);
    const first = this.#granules.take(count);
    if (first < 0) return null;
    const address = this.#reservation.address + first * WINDOW_STRIDE + skew;
    try {
      // A range that is not ours any more stays taken.
      if (!this.#reservation.map(address, fd, offset, sizeBytes)) return null;
      const record = this.#guard?.cover(address, sizeBytes, pageBytes) ?? null;
      const mapping = { address, sizeBytes, first, count, record };
      if (record !== null || this.#guard === null) return mapping;
      this.unmap(mapping);
      return null;
    } catch (error) {
      this.#granules.give(first, count);
      throw error;
    }
  }

  /** Pages of a mapping that could not be had; none without a guard. */
  faults({ record }: ArenaMapping): RangeFaults | null {
    const faults = record === null ? undefined : this.#guard?.faultsOf(record);
    return faults !== undefined && faults.count > 0 ? faults : null;
  }

  /** Faults of all guarded memory so far: where it is as before, nothing is new. */
  get helped(): number {
    return this.#guard?.helped ?? 0;
  }

  /** Unmaps. Nobody may use it any more, and a view of it shows nothing. @throws {SystemError} */
  unmap({ address, sizeBytes, first, count, record }: ArenaMapping): void {
    if (record !== null) this.#guard?.uncover(record);
    this.#reservation.unmap(address, sizeBytes);
    this.#granules.give(first, count);
  }
}
