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
  fdName,
  fdSeals,
  type FdStat,
  statFd,
  SystemError,
} from "../../../ffi/mod.ts";
import { assert, present } from "../../base/assert.ts";
import { LIMITS } from "../../base/port_limits.ts";
import { plainText } from "../../base/plain_text.ts";
import type { MemoryRegion } from "../../vhost/host.ts";
import { isRefusal, type Refusal } from "../../vhost/reasons.ts";
import type { JournalIdentity } from "../../virtio/packed/recovery.ts";
import type { DataPlane, PlacedRegion } from "../../worker/wire.ts";
import { wantsSeal } from "./file_seals.ts";
import { KeptWaiting } from "./kept_waiting.ts";
import type { Mappings } from "./port_pool.ts";
import type { ArenaMapping, GuestArena } from "./guest_arena.ts";
import { MemoryShares } from "./memory_shares.ts";

const PAGE_BYTES = 4096;

interface SharedMapping {
  readonly key: string;
  /** Device and inode of its file. */
  readonly file: string;
  readonly mapping: ArenaMapping;
  /** Number the data plane knows it by. */
  readonly number: number;
  /** What the file is called, and how its pages may be missing: for people. */
  readonly name: string;
  readonly missing: string;
  users: number;
}

/** Longest name of a file that is told, characters. */
const NAME_MAX = 80;

/** What becomes of memory files that can lose pages: the guard helps, or they are refused. */
export type UnsealedMemory = "take" | "refuse";

/** A region mapped for a port; hand it back with {@linkcode MappingPool.release}. */
export interface MappedRegion {
  /** The region as the data plane is told of it. */
  readonly placed: PlacedRegion;
  /** Of its mapping, for {@linkcode MappingPool.release}. */
  readonly key: string;
  /** Device and inode of its memory file. */
  readonly file: string;
  /** Address space of its mapping, in granules of the arena. */
  readonly granules: number;
}

/** All mappings of a switch, shared by its ports. */
export class MappingPool {
  readonly #plane: Pick<DataPlane, "addMapping" | "removeMapping">;
  readonly #arena: GuestArena;
  readonly #mappings = new Map<string, SharedMapping>();
  readonly #unsealed: UnsealedMemory;
  readonly #kept: KeptWaiting;
  /** Who may have how much of the arena. */
  readonly shares: MemoryShares;
  /** Faults of the arena that were told. */
  #helped: number;

  /**
   * Nothing is mapped yet.
   * @param arena of that plane, where everything is mapped @param unsealed see the type
   * @param kept replaced in tests
   */
  constructor(
    plane: Pick<DataPlane, "addMapping" | "removeMapping">,
    arena: GuestArena,
    unsealed: UnsealedMemory = "take",
    kept: KeptWaiting = new KeptWaiting(),
  ) {
    this.#plane = plane;
    this.#kept = kept;
    this.#arena = arena;
    this.shares = new MemoryShares(arena.granules);
    this.#unsealed = unsealed;
    this.#helped = arena.helped;
  }

  /** Whether pages could not be had since this was asked last. */
  takeNews(): boolean {
    const { helped } = this.#arena;
    const isNews = helped !== this.#helped;
    this.#helped = helped;
    return isNews;
  }

  /** Where in a region a page could not be had (bytes from its start), and why; or null. */
  lostPage({ key, placed }: MappedRegion): { readonly at: number; readonly why: string } | null {
    const { mapping, name, missing } = present(this.#mappings.get(key), `mapping ${key}`);
    const faults = this.#arena.faults(mapping);
    if (faults === null) return null;
    const at = Math.max(0, Math.min(faults.last - placed.address, placed.sizeBytes - 1));
    return { at, why: `a page of ${name} is gone: ${missing}` };
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
    // As a rule it is sealed already, off this thread.
    if (wantsSeal(fd)) addFdSeals(fd, F_SEAL_SHRINK);
    const stat = statFd(fd);
    if (this.#unsealed === "refuse" && !keepsPages(fd, stat)) {
      return {
        code: "unsealed-memory",
        detail: `${describe(fd)} may lose pages: only memfds sealed against shrinking do not`,
      };
    }
    if (region.mmapOffset + region.sizeBytes > stat.sizeBytes) {
      const end = region.mmapOffset + region.sizeBytes;
      return { code: "region-past-eof", detail: `ends at ${end} of ${stat.sizeBytes} bytes` };
    }
    const shared = this.#share(region, fd, stat);
    if (isRefusal(shared)) return shared;
    shared.users++;
    const offset = region.mmapOffset - alignDown(region.mmapOffset, alignment(stat));
    return {
      key: shared.key,
      file: shared.file,
      granules: shared.mapping.count,
      placed: {
        guestAddr: region.guestAddr,
        sizeBytes: region.sizeBytes,
        address: shared.mapping.address + offset,
        mapping: shared.number,
      },
    };
  }

  /** Maps a file of ours that only we can change. The descriptor stays the caller's. */
  acquireOwn(fd: number, sizeBytes: number): MappedRegion | Refusal {
    const region = { guestAddr: 0, sizeBytes, userAddr: 0, mmapOffset: 0 };
    const shared = this.#share(region, fd, statFd(fd));
    if (isRefusal(shared)) return shared;
    shared.users++;
    const { mapping, number } = shared;
    return {
      key: shared.key,
      file: shared.file,
      granules: mapping.count,
      placed: { guestAddr: 0, sizeBytes, address: mapping.address, mapping: number },
    };
  }

  #share(region: MemoryRegion, fd: number, stat: FdStat): SharedMapping | Refusal {
    const align = alignment(stat);
    const start = alignDown(region.mmapOffset, align);
    const end = alignDown(region.mmapOffset + region.sizeBytes + align - 1, align);
    const key = mappingKey(stat, start, end);
    const known = this.#mappings.get(key);
    if (known && this.#arena.faults(known.mapping) !== null) {
      return { code: "bad-page", detail: `a page of ${known.name} is gone: ${known.missing}` };
    }
    if (known) return known;
    try {
      this.#kept.begin();
      const mapping = this.#arena.map(fd, start, end - start, align);
      if (mapping === null) return this.#noRoom(end - start);
      const ms = this.#kept.end();
      if (ms > 0) {
        this.#arena.unmap(mapping);
        const detail = `mapping ${describe(fd)} took ${Math.round(ms)} ms: its owner kept it busy`;
        return { code: "slow-file", detail };
      }
      const number = this.#tell(mapping);
      const about = { name: describe(fd), missing: whyMissing(fd, stat) };
      const shared = { key, file: stat.identity, mapping, number, ...about, users: 0 };
      this.#mappings.set(key, shared);
      return shared;
    } catch (error) {
      if (error instanceof SystemError) return { code: "map-failed", detail: error.message };
      throw error;
    }
  }

  #noRoom(sizeBytes: number): Refusal {
    const most = this.#arena.longestFreeBytes;
    return {
      code: "memory-budget",
      detail: `all guests together have too much memory: ${sizeBytes} bytes, room for ${most}`,
    };
  }

  #tell(mapping: ArenaMapping): number {
    const { address, sizeBytes } = mapping;
    try {
      return this.#plane.addMapping({ address, sizeBytes });
    } catch (error) {
      this.#arena.unmap(mapping);
      throw error;
    }
  }

  /** One more user of a region that is mapped. */
  retain(region: MappedRegion): MappedRegion {
    present(this.#mappings.get(region.key), `mapping ${region.key}`).users++;
    return region;
  }

  /** Gives a region back; the last user of a mapping takes it from the data plane and unmaps it. */
  release(region: MappedRegion): void {
    const shared = present(this.#mappings.get(region.key), `mapping ${region.key}`);
    if (--shared.users > 0) return;
    this.#mappings.delete(region.key);
    this.#plane.removeMapping({ mapping: shared.number });
    this.#arena.unmap(shared.mapping);
  }
}

/**
 * The key of a mapping: ranges with the same key are mapped once.
 *
 * Inode numbers of hugetlbfs have 32 bits and come again: a tenant that waits until its file has
 * another tenant's number cannot have that file's time of change too. Numbers of memfds have 64
 * bits, and their time of change goes on while pages are touched.
 */
export function mappingKey(stat: FdStat, start: number, end: number): string {
  const age = stat.blockBytes > PAGE_BYTES ? stat.changed : "";
  return `${stat.identity}:${age}:${start}:${end}`;
}

/** Whether whoever shares a file can take no page of it from us. */
function keepsPages(fd: number, stat: FdStat): boolean {
  // Where a hole of one of huge pages was, there may be no page left to fill it.
  return (fdSeals(fd) & F_SEAL_SHRINK) !== 0 && stat.blockBytes <= PAGE_BYTES;
}

function whyMissing(fd: number, stat: FdStat): string {
  const isSealed = (fdSeals(fd) & F_SEAL_SHRINK) !== 0;
  const none = stat.blockBytes > PAGE_BYTES ? "no huge page is free" : "its file system is full";
  return isSealed ? none : `it was truncated, or ${none}`;
}

function describe(fd: number): string {
  return plainText(fdName(fd)).replace(/ \(deleted\)$/, "").slice(0, NAME_MAX);
}

function alignment(stat: FdStat): number {
  return Math.max(PAGE_BYTES, stat.blockBytes);
}

function alignDown(value: number, align: number): number {
  return value - (value % align);
}

/** The memory one front-end gave its port. */
export class PortMemory {
  readonly #pool: Mappings;
  /** Most bytes. Only address space: untouched pages cost nothing. */
  readonly #bytesMax: number;
  /** Gives the data plane a new table. */
  readonly #place: (regions: readonly PlacedRegion[]) => void;
  #mapped: readonly MappedRegion[] = [];
  /** The table in force. */
  regions: readonly MemoryRegion[] = [];
  /** Mapped, not in force yet. */
  #next: { regions: readonly MemoryRegion[]; mapped: readonly MappedRegion[] } | null = null;

  /** No table is in force. @param place gives the data plane a new one @param bytesMax of all regions */
  constructor(
    pool: Mappings,
    place: (regions: readonly PlacedRegion[]) => void,
    bytesMax: number = LIMITS.memory.most,
  ) {
    this.#pool = pool;
    this.#bytesMax = bytesMax;
    this.#place = place;
  }

  /** Memory files of the table in force, by device and inode, each once. */
  get files(): string[] {
    return [...new Set(this.#mapped.map((region) => region.file))];
  }

  /** Bytes of all regions. */
  get sizeBytes(): number {
    return this.regions.reduce((sum, region) => sum + region.sizeBytes, 0);
  }

  /** A page of it that could not be had, for people; or null. */
  get lost(): string | null {
    const regions = [...this.regions, ...this.#next?.regions ?? []];
    for (const [i, mapped] of [...this.#mapped, ...this.#next?.mapped ?? []].entries()) {
      const page = this.#pool.lostPage(mapped);
      const guestAddr = (regions[i]?.guestAddr ?? 0) + (page?.at ?? 0);
      if (page) return `guest memory at 0x${guestAddr.toString(16)}: ${page.why}`;
    }
    return null;
  }

  /** Which file a host address is in, and where: the same for every process that maps it. */
  identify(address: number): JournalIdentity | null {
    const index = this.#mapped.findIndex(({ placed }) =>
      address >= placed.address && address < placed.address + placed.sizeBytes
    );
    const region = this.regions[index];
    const mapped = this.#mapped[index];
    if (!region || !mapped) return null;
    const [device = "", inode = ""] = mapped.file.split(":");
    const offset = region.mmapOffset + (address - mapped.placed.address);
    return {
      device: BigInt(device),
      inode: BigInt(inode),
      fileOffset: BigInt(offset),
      regionBytes: BigInt(region.sizeBytes),
    };
  }

  /**
   * Replaces the memory table; with a refusal, the old one is gone too. The descriptors stay the
   * caller's.
   * @returns host address of each region's first byte
   */
  replace(
    regions: readonly MemoryRegion[],
    fds: readonly (number | null)[],
  ): number[] | Refusal {
    const addresses = this.prepare(regions, fds);
    if (isRefusal(addresses)) this.prepare([], []);
    this.commit();
    return addresses;
  }

  /**
   * Maps a table beside the one in force; what both have in common is mapped once.
   * @param fds a descriptor for each region, which stays the caller's, or null for a region of the
   * table in force
   * @returns host address of each region's first byte, or why nothing was mapped
   */
  prepare(regions: readonly MemoryRegion[], fds: readonly (number | null)[]): number[] | Refusal {
    assert(regions.length === fds.length, "A region needs a descriptor or to be known");
    assert(this.#next === null, "One table is prepared at a time");
    const mapped = this.#mapAll(regions, fds);
    if (isRefusal(mapped)) return mapped;
    this.#next = { regions, mapped };
    return mapped.map((region) => region.placed.address);
  }

  /**
   * Puts the prepared table in force; the old one is unmapped as far as nobody else uses it.
   * @throws {CommandFailed} the old one stays in force, and the prepared one is gone
   */
  commit(): void {
    const next = present(this.#next, "a prepared table");
    const old = this.#mapped;
    this.#next = null;
    // Without memory before and after, the data plane need not be told.
    if (old.length === 0 && next.mapped.length === 0) return;
    try {
      this.#place(next.mapped.map((region) => region.placed));
    } catch (error) {
      for (const region of next.mapped) this.#pool.release(region);
      throw error;
    }
    this.#mapped = next.mapped;
    this.regions = next.regions;
    for (const region of old) this.#pool.release(region);
  }

  #mapAll(
    regions: readonly MemoryRegion[],
    fds: readonly (number | null)[],
  ): MappedRegion[] | Refusal {
    const sizeBytes = regions.reduce((sum, region) => sum + region.sizeBytes, 0);
    if (sizeBytes > this.#bytesMax) {
      const detail = `${sizeBytes} bytes of at most ${this.#bytesMax}, see budget=memory:N`;
      return { code: "memory-budget", detail };
    }
    const mapped: MappedRegion[] = [];
    let refusal: Refusal | null = null;
    try {
      for (const [i, region] of regions.entries()) {
        const fd = fds[i] ?? null;
        const result = fd === null ? this.#known(region) : this.#pool.acquire(region, fd);
        if (isRefusal(result)) {
          refusal = result;
          break;
        }
        mapped.push(result);
      }
    } finally {
      // Of a table that cannot be had whole, nothing stays.
      if (mapped.length < regions.length) { for (const done of mapped) this.#pool.release(done); }
    }
    return refusal ?? mapped;
  }

  #known(region: MemoryRegion): MappedRegion {
    const index = this.regions.indexOf(region);
    return this.#pool.retain(present(this.#mapped[index], "a region of the table in force"));
  }
}
