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
  MAP_NORESERVE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { addFdSeals, truncateFd } from "./fd.ts";
import { libc } from "./symbols.ts";

/** What mmap(2) and mremap(2) return when they fail. */
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Owner of one mapping of a file. Made and released on the control thread. */
export class Mapping {
  /** Address of the first mapped byte, below 2^47. */
  readonly address: number;
  /** Bytes mapped. */
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
    const address = libc.mmap(
      0n,
      BigInt(sizeBytes),
      PROT_READ | PROT_WRITE,
      MAP_SHARED | MAP_NORESERVE,
      fd,
      BigInt(offset),
    );
    if (address === MAP_FAILED) throw new SystemError("mmap", errno(), `${sizeBytes} bytes`);
    // A core file must not hold tenants' memory, and a child process has no business with it.
    libc.madvise(address, BigInt(sizeBytes), MADV_DONTDUMP);
    libc.madvise(address, BigInt(sizeBytes), MADV_DONTFORK);
    return new Mapping(Number(address), sizeBytes);
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

/**
 * A view of mapped memory for this thread. It does not keep the mapping alive; detach it with
 * `buffer.transfer(0)` before the memory is unmapped.
 */
export function viewMemory(address: number, sizeBytes: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new Error("Cannot view memory: the address is 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes);
}

/** Host address of a buffer's first byte: it stays there for as long as the buffer lives. */
export function addressOf(buffer: ArrayBuffer): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
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

/**
 * memcpy between host addresses: target, source, bytes. One fast call, no checks at all; the
 * addresses must be BigInt, or each call takes ten times as long.
 */
export const copyMemory: (target: bigint, source: bigint, sizeBytes: number) => void = libc.memcpy;
