/**
 * A stretch of address space that is ours for good. Files are mapped into it where we want them,
 * and what they leave is inaccessible memory of nobody again: a view of the stretch stays valid for
 * as long as the stretch does, and never shows what somebody else maps.
 *
 * @module
 */
import {
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  RLIMIT_AS,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { MAP_FAILED } from "./memory.ts";
import { libc } from "./symbols.ts";

const NOBODYS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;
/** V8 before 15 ends the process when a buffer of 32 GiB is made; later ones take all there is. */
const VIEW_BYTES_MAX = parseInt(Deno.version.v8) < 15 ? 31 * 2 ** 30 : 2 ** 47;

/** Longest view of memory that this runtime can make, bytes. */
export function viewBytesMax(): number {
  return VIEW_BYTES_MAX;
}

/** Owner of a stretch of address space. Control thread only. Release it. */
export class Reservation {
  /** Address of the first byte, a multiple of the alignment it was made with. */
  readonly address: number;
  /** Bytes of it. */
  readonly sizeBytes: number;
  readonly #whole: { readonly address: bigint; readonly sizeBytes: bigint };

  private constructor(whole: bigint, wholeBytes: bigint, address: bigint, sizeBytes: number) {
    this.#whole = { address: whole, sizeBytes: wholeBytes };
    this.address = Number(address);
    this.sizeBytes = sizeBytes;
  }

  /**
   * Sets address space aside, no memory.
   * @param sizeBytes a multiple of the page size @param alignBytes a power of two
   * @throws {SystemError} ENOMEM: there is not as much
   */
  static make(sizeBytes: number, alignBytes: number): Reservation {
    const align = BigInt(alignBytes);
    const bytes = BigInt(sizeBytes) + align;
    const whole = libc.mmap(0n, bytes, PROT_NONE, NOBODYS, -1, 0n);
    if (whole === MAP_FAILED) throw new SystemError("mmap", errno(), `${sizeBytes} bytes`);
    const made = new Reservation(whole, bytes, (whole + align - 1n) & ~(align - 1n), sizeBytes);
    advise(whole, bytes);
    return made;
  }

  /**
   * Maps `sizeBytes` of a file from `offset` on, shared, readable and writable. The descriptor is
   * not kept.
   * @param address in the stretch, where nothing is mapped; like `offset`, a multiple of the page
   * size of the file
   * @returns false if nothing was mapped, and the range is not ours any more: never use it again
   * @throws {SystemError} ENOMEM, EINVAL, EACCES, EPERM; nothing was mapped
   */
  map(address: number, fd: number, offset: number, sizeBytes: number): boolean {
    const [at, bytes] = this.#range(address, sizeBytes);
    // Whether a file can be mapped is its owner's to decide (seals), and before Linux 6.13 an
    // mmap with MAP_FIXED that fails leaves a hole for whoever maps next. A move asks no file.
    const elsewhere = mapFile(0n, fd, offset, bytes, 0);
    advise(elsewhere, bytes);
    if (libc.mremap(elsewhere, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) === at) return true;
    try {
      // A move that fails early has let go of nothing.
      const isOurs = isNobodys(at, bytes) || mapNobodys(at, bytes, MAP_FIXED_NOREPLACE);
      return isOurs && mapOver(at, fd, offset, bytes);
    } finally {
      libc.munmap(elsewhere, bytes);
    }
  }

  /**
   * Lets go of what is mapped: the range is memory of nobody again.
   * @throws {SystemError} a limit of the system
   */
  unmap(address: number, sizeBytes: number): void {
    const [at, bytes] = this.#range(address, sizeBytes);
    // Pages first, while others may go on faulting theirs in: the mmap locks everybody out.
    libc.madvise(at, bytes, MADV_DONTNEED);
    if (!mapNobodys(at, bytes, MAP_FIXED)) throw new SystemError("mmap", errno(), "to unmap");
  }

  /** Gives the stretch back to the system. Nothing may be mapped into it and no view be used. */
  release(): void {
    libc.munmap(this.#whole.address, this.#whole.sizeBytes);
  }

  #range(address: number, sizeBytes: number): [bigint, bigint] {
    if (address < this.address || address + sizeBytes > this.address + this.sizeBytes) {
      throw new Error(`Cannot map ${sizeBytes} bytes at ${address}: it is not in the reservation`);
    }
    return [BigInt(address), BigInt(sizeBytes)];
  }
}

/**
 * Maps a file in place of memory of nobody, as hugetlbfs needs where it cannot be moved (before
 * Linux 5.16).
 * @param at within a {@linkcode Reservation} @returns as {@linkcode Reservation.map}
 * @throws {SystemError} nothing was mapped
 */
export function mapOver(at: bigint, fd: number, offset: number, bytes: bigint): boolean {
  try {
    mapFile(at, fd, offset, bytes, MAP_FIXED);
  } catch (error) {
    if (mapNobodys(at, bytes, MAP_FIXED_NOREPLACE)) throw error;
    return false;
  }
  advise(at, bytes);
  return true;
}

function mapFile(at: bigint, fd: number, offset: number, bytes: bigint, flags: number): bigint {
  const all = MAP_SHARED | MAP_NORESERVE | flags;
  const address = libc.mmap(at, bytes, PROT_READ | PROT_WRITE, all, fd, BigInt(offset));
  if (address === MAP_FAILED) throw new SystemError("mmap", errno(), `${bytes} bytes`);
  return address;
}

/**
 * Whether a range is still inaccessible memory of nobody, with the page behind it, which no file is
 * ever mapped to: another mapping of this process that took its place has not got that.
 */
export function isNobodys(at: bigint, bytes: bigint): boolean {
  for (const line of Deno.readTextFileSync("/proc/self/maps").split("\n")) {
    const [, from, to, rights] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
    if (from === undefined || BigInt(`0x${to}`) <= at) continue;
    return BigInt(`0x${from}`) <= at && BigInt(`0x${to}`) > at + bytes && rights === "---p";
  }
  return false;
}

/** @returns whether it is done */
function mapNobodys(at: bigint, bytes: bigint, flags: number): boolean {
  const address = libc.mmap(at, bytes, PROT_NONE, NOBODYS | flags, -1, 0n);
  if (address === MAP_FAILED) return false;
  // As the rest of the stretch is, or it would stay a mapping of its own for ever.
  advise(at, bytes);
  return true;
}

/** A core file must not hold tenants' memory, and a child process has no business with it. */
function advise(at: bigint, bytes: bigint): void {
  libc.madvise(at, bytes, MADV_DONTDUMP);
  libc.madvise(at, bytes, MADV_DONTFORK);
}

/** Address space this process may still take (`ulimit -v`), bytes; Infinity without a limit. */
export function addressSpaceLeft(): number {
  const limit = new BigUint64Array(2);
  if (libc.getrlimit(RLIMIT_AS, limit) !== 0 || limit[0] === RLIM_INFINITY) return Infinity;
  const kib = /^VmSize:\s*(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
  return Math.max(0, Number(limit[0]) - Number(kib ?? 0) * 1024);
}
