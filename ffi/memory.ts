/**
 * Shared memory: memfds, mappings of them, and views of mapped memory.
 *
 * A {@linkcode Mapping} is the only owner of an address range. Views of it (on any thread) must be
 * detached before it is unmapped: a view that outlives its mapping reads whatever lands there next.
 *
 * @module
 */
import {
  F_SEAL_SHRINK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "./abi.ts";
import { EEXIST, errno, SystemError } from "./errno.ts";
import { addFdSeals, truncateFd } from "./fd.ts";
import { libc } from "./symbols.ts";

const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/**
 * Memory mapped below 4 GiB is copied with 32-bit addresses, 7.7 ns a call against 13.3 (see
 * symbols.ts). Mappings go there while there is room and anywhere else after that.
 */
const LOW_START = 0x1000_0000;
const LOW_END = 0xf000_0000;
const LOW_STEP = 0x20_0000;

/** Owner of one mapping of a file. Made and released on the control thread. */
export class Mapping {
  /** Address of the first mapped byte, below 2^47. */
  readonly address: number;
  readonly sizeBytes: number;
  #mapped = true;

  private constructor(address: number, sizeBytes: number) {
    this.address = address;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Maps `sizeBytes` of a file from `offset` on, shared, readable and writable. The descriptor is
   * not kept. @param offset multiple of the page size @throws {SystemError} ENOMEM, EINVAL, EACCES
   */
  static map(fd: number, offset: number, sizeBytes: number): Mapping {
    for (const hint of lowHints(sizeBytes)) {
      const address = mmapShared(fd, offset, sizeBytes, hint, MAP_FIXED_NOREPLACE);
      // A kernel before 4.17 takes the address as a hint only and may map elsewhere: fine too.
      if (address !== null) return new Mapping(address, sizeBytes);
      if (errnoOfMap !== EEXIST) break;
    }
    const address = mmapShared(fd, offset, sizeBytes, 0, 0);
    if (address === null) throw new SystemError("mmap", errnoOfMap, `${sizeBytes} bytes`);
    return new Mapping(address, sizeBytes);
  }

  /** Unmaps. Every view must be gone. @throws {SystemError} when called twice or on a bad range */
  unmap(): void {
    if (!this.#mapped) throw new Error("Cannot unmap memory: it was unmapped before");
    this.#mapped = false;
    if (libc.munmap(BigInt(this.address), BigInt(this.sizeBytes)) !== 0) {
      throw new SystemError("munmap", errno(), `0x${this.address.toString(16)}`);
    }
  }
}

let errnoOfMap = 0;

function mmapShared(
  fd: number,
  offset: number,
  sizeBytes: number,
  hint: number,
  flags: number,
): number | null {
  const address = libc.mmap(
    BigInt(hint),
    BigInt(sizeBytes),
    PROT_READ | PROT_WRITE,
    MAP_SHARED | MAP_NORESERVE | flags,
    fd,
    BigInt(offset),
  );
  if (address === MAP_FAILED) {
    errnoOfMap = errno();
    return null;
  }
  // A core file must not hold tenants' memory, and a child process has no business with it.
  libc.madvise(address, BigInt(sizeBytes), MADV_DONTDUMP);
  libc.madvise(address, BigInt(sizeBytes), MADV_DONTFORK);
  return Number(address);
}

function* lowHints(sizeBytes: number): Generator<number> {
  const step = Math.max(LOW_STEP, Math.ceil(sizeBytes / LOW_STEP) * LOW_STEP);
  for (let address = LOW_START; address + sizeBytes <= LOW_END; address += step) yield address;
}

/**
 * A view of mapped memory for this thread. It does not keep the mapping alive; detach it with
 * `buffer.transfer(0)` before the memory is unmapped.
 */
export function viewMemory(address: number, sizeBytes: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new Error("Cannot view memory: the address is 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes);
}

/** Makes a zero-filled memory file, sealed against shrinking. The caller owns it. */
export function createMemoryFile(name: string, sizeBytes: number, seals = F_SEAL_SHRINK): number {
  const fd = libc.memfd_create(
    new TextEncoder().encode(`${name}\0`),
    MFD_CLOEXEC | MFD_ALLOW_SEALING,
  );
  if (fd < 0) throw new SystemError("memfd_create", errno(), name);
  truncateFd(fd, sizeBytes);
  if (seals !== 0) addFdSeals(fd, seals);
  return fd;
}

/** Copies within memory below 4 GiB: target, source, bytes. One fast call, no bounds checks. */
export const copyLow: (target: number, source: number, sizeBytes: number) => void = libc.memcpy_low;

/** Copies between any addresses: target, source, bytes. BigInt addresses, no bounds checks. */
export const copyAny: (target: bigint, source: bigint, sizeBytes: number) => void = libc.memcpy;
