/**
 * File descriptors as plain numbers with one owner each: who holds a number closes it, once.
 * Closing a descriptor that a tenant sent goes off the thread, because its file may block there
 * for ever (a socket with SO_LINGER, a file on a silent FUSE mount).
 *
 * @module
 */
import {
  AF_UNIX,
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_SEAL_SHRINK,
  F_SETFL,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  SIZEOF_STAT,
  SO_DOMAIN,
  SOL_SOCKET,
  STAT_BLKSIZE,
  STAT_CTIME,
  STAT_DEV,
  STAT_INO,
  STAT_SIZE,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { libc } from "./symbols.ts";

/** Closes a descriptor of our own making. @throws {SystemError} EBADF: somebody closed it before. */
export function closeFd(fd: number): void {
  if (libc.close(fd) !== 0) throw new SystemError("close", errno(), `fd ${fd}`);
}

/**
 * Closes a tenant's descriptor on the runtime's blocking pool, which has few threads: the caller
 * bounds how many are under way. Never rejects. Control thread only.
 */
export async function closeTenantFd(fd: number): Promise<void> {
  await libc.close_off_thread(fd);
}

/**
 * Reads from a tenant's descriptor on the runtime's blocking pool: its owner can make the read block
 * for ever. The caller bounds how many are under way. Never rejects. Control thread only.
 * @returns bytes read, 0: end of file, -1: an error, or nothing there yet
 */
export async function readTenantFd(fd: number, into: Uint8Array<ArrayBuffer>): Promise<number> {
  return Number(await libc.read_off_thread(fd, into, BigInt(into.length)));
}

/** Writes likewise. @returns bytes written, -1: an error, or no room yet */
export async function writeTenantFd(fd: number, bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  return Number(await libc.write_off_thread(fd, bytes, BigInt(bytes.length)));
}

/** A pipe's reading and writing end, close-on-exec. The caller owns both. @throws {SystemError} */
export function createPipe(): [number, number] {
  const ends = new Int32Array(2);
  if (libc.pipe2(ends, O_CLOEXEC) !== 0) throw new SystemError("pipe2", errno());
  return [ends[0] as number, ends[1] as number];
}

/** A second descriptor of the same open file, close-on-exec. @throws {SystemError} EMFILE, EBADF */
export function dupFd(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new SystemError("dup", errno(), `fd ${fd}`);
  return copy;
}

/**
 * Whether execve(2) leaves a descriptor open: of those that a process begins with, and of none that
 * it opened itself with O_CLOEXEC, as all here do. false: it is closed.
 */
export function staysOpen(fd: number): boolean {
  const flags = libc.fcntl(fd, F_GETFD, 0);
  return flags >= 0 && (flags & FD_CLOEXEC) === 0;
}

/** What {@linkcode statFd} reads: identity and size (bytes) of the file behind a descriptor. */
export interface FdStat {
  /** Device and inode as one text: equal for two descriptors of the same file. */
  readonly identity: string;
  /** When its size or the like changed last, as a text; no process can set it back. */
  readonly changed: string;
  /** Size of the file. */
  readonly sizeBytes: number;
  /** Page size of a hugetlbfs file, 4096 for ordinary memory. */
  readonly blockBytes: number;
}

const stat = new DataView(new ArrayBuffer(SIZEOF_STAT));

/** Reads identity and size of the file behind `fd`. @throws {SystemError} */
export function statFd(fd: number): FdStat {
  if (libc.fstat(fd, stat.buffer) !== 0) throw new SystemError("fstat", errno(), `fd ${fd}`);
  return {
    identity: `${stat.getBigUint64(STAT_DEV, true)}:${stat.getBigUint64(STAT_INO, true)}`,
    changed: `${stat.getBigInt64(STAT_CTIME, true)}.${stat.getBigInt64(STAT_CTIME + 8, true)}`,
    sizeBytes: Number(stat.getBigInt64(STAT_SIZE, true)),
    blockBytes: stat.getInt32(STAT_BLKSIZE, true),
  };
}

/**
 * The seals of a memory file, or -1 if `fd` is not memory (shmem or hugetlbfs). This is the one
 * question that never enters a foreign file's own code, so it is asked before any other.
 */
export function fdSeals(fd: number): number {
  return libc.fcntl(fd, F_GET_SEALS, 0);
}

/**
 * Makes reads and writes of a descriptor's open file fail instead of block. Whoever shares the open
 * file can undo it.
 */
export function setNonBlocking(fd: number): void {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags >= 0) libc.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/** Adds seals to a memory file; false where the file does not allow it. */
export function addFdSeals(fd: number, seals: number): boolean {
  return libc.fcntl(fd, F_ADD_SEALS, seals) === 0;
}

/**
 * Forbids a tenant's memory file to be shrunk, on the runtime's blocking pool: the kernel takes the
 * file's lock for that, which its owner can hold for as long as a fallocate takes. Never rejects; the
 * seals tell whether it was done. Control thread only.
 */
export async function sealTenantFd(fd: number): Promise<void> {
  await libc.fcntl_off_thread(fd, F_ADD_SEALS, F_SEAL_SHRINK);
}

/**
 * What a descriptor is, from its name under /proc, without touching the file: `"eventfd"`,
 * `"socket"` (a unix socket), `"pipe"` (one without a name), or `"other"`. One of O_PATH has the name
 * of what it cannot be used as.
 *
 * Sockets of other families are others: to send to one may take as long as its owner likes, whatever
 * flags say. TCP waits for the socket's lock, a multicast goes to any number of receivers.
 */
export function fdKind(fd: number): "eventfd" | "socket" | "pipe" | "other" {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags < 0 || (flags & O_PATH) !== 0) return "other";
  let target: string;
  try {
    target = Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "other";
  }
  if (target === "anon_inode:[eventfd]") return "eventfd";
  if (target.startsWith("pipe:[")) return "pipe";
  return target.startsWith("socket:[") && isUnixSocket(fd) ? "socket" : "other";
}

function isUnixSocket(fd: number): boolean {
  const family = new Int32Array(1);
  const length = new Uint32Array([4]);
  return libc.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, family, length) === 0 && family[0] === AF_UNIX;
}

/** What /proc calls the file behind a descriptor, its owner's choice; empty: nothing. */
export function fdName(fd: number): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

/** Opens a file that exists, to read and write. The caller owns it. @throws {SystemError} */
export function openFile(path: string): number {
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), O_RDWR | O_CLOEXEC);
  if (fd < 0) throw new SystemError("open", errno(), path);
  return fd;
}

/**
 * A descriptor that only names what stands at `path` now, a symbolic link itself: what is done to
 * `/proc/self/fd/FD` is done to that and to nothing put there since. The caller owns it.
 * @throws {SystemError}
 */
export function nameFile(path: string): number {
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) throw new SystemError("open", errno(), path);
  return fd;
}

/**
 * The same on the runtime's blocking pool, which has few threads: the caller bounds how many are under
 * way. @returns the descriptor, or -1 (errno stays on the other thread). Never rejects.
 */
export async function nameFileOffThread(path: string): Promise<number> {
  const bytes = new TextEncoder().encode(`${path}\0`);
  const fd = await libc.open_off_thread(bytes, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  // Named here once more: the buffer must outlive the call.
  return bytes.length > 0 ? fd : -1;
}

/** Gives a range of a file room on its file system, contents kept; false if there is none. */
export function allocateFile(fd: number, offset: number, sizeBytes: number): boolean {
  return libc.posix_fallocate(fd, BigInt(offset), BigInt(sizeBytes)) === 0;
}

/** Grows or shrinks a file. @param sizeBytes new size @throws {SystemError} */
export function truncateFd(fd: number, sizeBytes: number): void {
  if (libc.ftruncate(fd, BigInt(sizeBytes)) !== 0) {
    throw new SystemError("ftruncate", errno(), `fd ${fd}, ${sizeBytes} bytes`);
  }
}
