/**
 * Tenants' memory files: what may be mapped, and mapping it once.
 *
 * The gate asks a received descriptor only questions that never enter a foreign file's code, in
 * this order: seals (only memory has them), then shrinking is forbidden where the file allows it,
 * then its size. Two ports of one VM that send the same file share one mapping.
 *
 * @module
 */
import {
  addFdSeals,
  F_SEAL_SHRINK,
  fdSeals,
  type FdStat,
  Mapping,
  statFd,
  SystemError,
} from "../../ffi/mod.ts";
import type { MemoryRegion, Refusal } from "../vhost/host.ts";
import type { DataPlane, PlacedRegion } from "../worker/types.ts";

const PAGE_BYTES = 4096;

interface SharedMapping {
  readonly key: string;
  readonly mapping: Mapping;
  /** Number the data plane knows it by. */
  readonly number: number;
  users: number;
}

/** A region mapped for a port; hand it back with {@linkcode MappingPool.release}. */
export interface MappedRegion {
  readonly placed: PlacedRegion;
  readonly key: string;
}

/** All mappings of a switch, shared by its ports. */
export class MappingPool {
  readonly #plane: DataPlane;
  readonly #mappings = new Map<string, SharedMapping>();

  constructor(plane: DataPlane) {
    this.#plane = plane;
  }

  /** Bytes mapped now, each mapping counted once. */
  get mappedBytes(): number {
    let bytes = 0;
    for (const { mapping } of this.#mappings.values()) bytes += mapping.sizeBytes;
    return bytes;
  }

  /** Maps one region of a memory file, or finds it mapped. The descriptor stays the caller's. */
  acquire(region: MemoryRegion, fd: number): MappedRegion | Refusal {
    if (fdSeals(fd) < 0) {
      return { code: "bad-memory-kind", detail: "the descriptor is neither memfd nor hugetlbfs" };
    }
    addFdSeals(fd, F_SEAL_SHRINK);
    const stat = statFd(fd);
    if (region.mmapOffset + region.sizeBytes > stat.sizeBytes) {
      const end = region.mmapOffset + region.sizeBytes;
      return { code: "region-past-eof", detail: `ends at ${end} of ${stat.sizeBytes} bytes` };
    }
    const shared = this.#share(region, fd, stat);
    if ("code" in shared) return shared;
    shared.users++;
    const offset = region.mmapOffset - alignDown(region.mmapOffset, alignment(stat));
    return {
      key: shared.key,
      placed: {
        guestAddr: region.guestAddr,
        sizeBytes: region.sizeBytes,
        address: shared.mapping.address + offset,
        mapping: shared.number,
      },
    };
  }

  #share(region: MemoryRegion, fd: number, stat: FdStat): SharedMapping | Refusal {
    const align = alignment(stat);
    const start = alignDown(region.mmapOffset, align);
    const end = alignDown(region.mmapOffset + region.sizeBytes + align - 1, align);
    const key = `${stat.identity}:${start}:${end}`;
    const known = this.#mappings.get(key);
    if (known) return known;
    try {
      const mapping = Mapping.map(fd, start, end - start);
      const number = this.#plane.addMapping(mapping.address, mapping.sizeBytes);
      const shared = { key, mapping, number, users: 0 };
      this.#mappings.set(key, shared);
      return shared;
    } catch (error) {
      if (error instanceof SystemError) return { code: "map-failed", detail: error.message };
      throw error;
    }
  }

  /** Gives a region back; the last user of a mapping detaches its views and unmaps it. */
  release(region: MappedRegion): void {
    const shared = this.#mappings.get(region.key);
    if (!shared) throw new Error(`Cannot release mapping ${region.key}: it is not mapped`);
    if (--shared.users > 0) return;
    this.#mappings.delete(region.key);
    this.#plane.removeMapping(shared.number);
    shared.mapping.unmap();
  }
}

function alignment(stat: FdStat): number {
  return Math.max(PAGE_BYTES, stat.blockBytes);
}

function alignDown(value: number, align: number): number {
  return value - (value % align);
}
