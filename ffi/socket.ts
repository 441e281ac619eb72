/**
 * Unix stream sockets that carry descriptors (SCM_RIGHTS). All sockets are non-blocking and
 * close-on-exec.
 *
 * @module
 */
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSGHDR_CONTROL,
  MSGHDR_CONTROLLEN,
  MSGHDR_FLAGS,
  MSGHDR_IOV,
  MSGHDR_IOVLEN,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SIZEOF_CMSGHDR,
  SIZEOF_IOVEC,
  SIZEOF_MSGHDR,
  SIZEOF_SOCKADDR_UN,
  SIZEOF_UCRED,
  SO_PEERCRED,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOCKET_PATH_BYTES_MAX,
  SOL_SOCKET,
} from "./abi.ts";
import {
  EAGAIN,
  ECONNREFUSED,
  EINPROGRESS,
  EINTR,
  EPROTOTYPE,
  errno,
  SystemError,
} from "./errno.ts";
import { libc } from "./symbols.ts";

function address(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > SOCKET_PATH_BYTES_MAX || bytes.includes(0)) {
    throw new RangeError(
      `Cannot use socket path ${path}: it must be at most ${SOCKET_PATH_BYTES_MAX} bytes without NUL`,
    );
  }
  const sockaddr = new Uint8Array(new ArrayBuffer(SIZEOF_SOCKADDR_UN));
  new DataView(sockaddr.buffer).setUint16(0, AF_UNIX, true);
  sockaddr.set(bytes, 2);
  return sockaddr.subarray(0, 2 + bytes.length + 1);
}

/** How a connection carries what is sent: as bytes in a row, or as packets that stay apart. */
export type UnixType = "stream" | "seqpacket";

const TYPES: Readonly<Record<UnixType, number>> = {
  stream: SOCK_STREAM,
  seqpacket: SOCK_SEQPACKET,
};

function unixSocket(type: UnixType): number {
  const fd = libc.socket(AF_UNIX, TYPES[type] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError("socket", errno());
  return fd;
}

function orClose(fd: number, syscall: string, path: string, code: number): never {
  libc.close(fd);
  throw new SystemError(syscall, code, path);
}

/**
 * Binds a listening socket to `path`; the path must not exist. The caller owns the descriptor and
 * the file. @throws {SystemError} EADDRINUSE, ENOENT, EACCES; {RangeError} path too long
 */
export function listenUnix(path: string, backlog = 16, type: UnixType = "stream"): number {
  const sockaddr = address(path);
  const fd = unixSocket(type);
  if (libc.bind(fd, sockaddr, sockaddr.length) !== 0) orClose(fd, "bind", path, errno());
  if (libc.listen(fd, backlog) !== 0) orClose(fd, "listen", path, errno());
  return fd;
}

/** Starts listening on a socket that was bound elsewhere (`--fd`). @throws {SystemError} */
export function listenFd(fd: number, backlog = 16): void {
  if (libc.listen(fd, backlog) !== 0) throw new SystemError("listen", errno(), `fd ${fd}`);
}

/**
 * Whether a process holds the socket at `path`. Its owner notices nothing: what knocks is a datagram
 * socket, which the kernel turns away from a stream socket that lives (unix(7): EPROTOTYPE), bound
 * or listening, and from a file that nobody holds any more (ECONNREFUSED).
 * @throws {SystemError} ENOENT, or EACCES: it cannot be told; {RangeError} path too long
 */
export function isSocketHeld(path: string): boolean {
  const sockaddr = address(path);
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError("socket", errno());
  const code = libc.connect(fd, sockaddr, sockaddr.length) === 0 ? 0 : errno();
  libc.close(fd);
  if (code === 0 || code === EPROTOTYPE) return true;
  if (code === ECONNREFUSED) return false;
  throw new SystemError("connect", code, path);
}

/**
 * Connects to a listening socket. @throws {SystemError} ECONNREFUSED (nobody listens), ENOENT,
 * EAGAIN (its backlog is full)
 */
export function connectUnix(path: string, type: UnixType = "stream"): number {
  const sockaddr = address(path);
  const fd = unixSocket(type);
  if (libc.connect(fd, sockaddr, sockaddr.length) !== 0) {
    const code = errno();
    if (code !== EINPROGRESS) orClose(fd, "connect", path, code);
  }
  return fd;
}

/**
 * Connects to a listening socket on the runtime's blocking pool, which has few threads: the caller
 * bounds how many are under way. @returns the descriptor, or -1 (errno stays on the other thread).
 * Never rejects, but throws if the path is too long or this process has no descriptor left.
 */
export async function connectUnixOffThread(
  path: string,
  type: UnixType = "stream",
): Promise<number> {
  const sockaddr = address(path);
  const fd = unixSocket(type);
  const result = await libc.connect_off_thread(fd, sockaddr, sockaddr.length);
  // Named here once more: the buffer must outlive the call.
  if (result === 0 && sockaddr.length > 0) return fd;
  libc.close(fd);
  return -1;
}

/** Takes one waiting connection, or returns -errno (-EAGAIN: none waits). Never throws. */
export function acceptUnix(listener: number): number {
  const fd = libc.accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd >= 0 ? fd : -errno();
}

/** A connected pair of sockets. The caller owns both. @throws {SystemError} */
export function socketPair(type: UnixType = "stream"): [number, number] {
  const pair = new Int32Array(2);
  if (libc.socketpair(AF_UNIX, TYPES[type] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) !== 0) {
    throw new SystemError("socketpair", errno());
  }
  return [pair[0] as number, pair[1] as number];
}

/** Who connected, as the kernel saw it at that moment; null if it cannot tell. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } | null {
  const value = new Int32Array(SIZEOF_UCRED / 4);
  const length = new Uint32Array([SIZEOF_UCRED]);
  if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length) !== 0) return null;
  return { pid: value[0] as number, uid: value[1] as number, gid: value[2] as number };
}

/**
 * The path that a unix socket, or the other end of its connection, is bound to; empty: none, or it is
 * no unix socket.
 */
export function unixName(fd: number, end: "own" | "peer"): string {
  const address = new Uint8Array(new ArrayBuffer(SIZEOF_SOCKADDR_UN));
  const length = new Uint32Array([address.length]);
  const name = end === "own" ? libc.getsockname : libc.getpeername;
  if (name(fd, address, length) !== 0) return "";
  const view = new DataView(address.buffer);
  if (view.getUint16(0, true) !== AF_UNIX) return "";
  const path = address.subarray(2, Math.min(length[0] as number, address.length));
  const end0 = path.indexOf(0);
  return new TextDecoder().decode(end0 < 0 ? path : path.subarray(0, end0));
}

// One message header per thread, reused: its iovec and control area are behind it in one buffer.
const IOV = SIZEOF_MSGHDR;
const CONTROL = 80;
const CONTROL_BYTES = SIZEOF_CMSGHDR + 4 * (SCM_MAX_FD + 3);
const scratch = new Uint8Array(new ArrayBuffer(CONTROL + CONTROL_BYTES));
const view = new DataView(scratch.buffer);
const scratchAddress = Deno.UnsafePointer.value(Deno.UnsafePointer.of(scratch));

function prepare(data: Uint8Array<ArrayBuffer>, controlBytes: number): void {
  const base = Deno.UnsafePointer.of(data);
  scratch.fill(0, 0, CONTROL);
  view.setBigUint64(MSGHDR_IOV, scratchAddress + BigInt(IOV), true);
  view.setBigUint64(MSGHDR_IOVLEN, 1n, true);
  if (controlBytes > 0) {
    view.setBigUint64(MSGHDR_CONTROL, scratchAddress + BigInt(CONTROL), true);
    view.setBigUint64(MSGHDR_CONTROLLEN, BigInt(controlBytes), true);
  }
  view.setBigUint64(IOV, Deno.UnsafePointer.value(base), true);
  view.setBigUint64(IOV + SIZEOF_IOVEC / 2, BigInt(data.length), true);
}

/** What one {@linkcode receive} brought. The caller owns every descriptor in `fds`. */
export interface Received {
  /** Bytes read; 0: the peer closed; below 0: -errno (-EAGAIN: nothing there yet). */
  readonly bytes: number;
  /** Descriptors in the order they were sent. */
  readonly fds: number[];
  /** Some descriptors were lost: too many for us to hold (our limit) or for the control area. */
  readonly truncated: boolean;
}

const NO_FDS: number[] = [];

/**
 * Reads what is there, at most `into.length` bytes, with the descriptors that came along (all
 * close-on-exec). Descriptors are collected before anything else is looked at. Never throws.
 */
export function receive(fd: number, into: Uint8Array<ArrayBuffer>): Received {
  prepare(into, CONTROL_BYTES);
  const bytes = Number(libc.recvmsg(fd, scratch, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (bytes < 0) {
    const code = errno();
    return { bytes: code === EINTR ? -EAGAIN : -code, fds: NO_FDS, truncated: false };
  }
  const controlBytes = Number(view.getBigUint64(MSGHDR_CONTROLLEN, true));
  const truncated = (view.getInt32(MSGHDR_FLAGS, true) & MSG_CTRUNC) !== 0;
  if (controlBytes === 0) return { bytes, fds: [], truncated };
  return { bytes, fds: controlFds(view, CONTROL, CONTROL + controlBytes), truncated };
}

/** Descriptors in a control area, as the kernel wrote it from `start` to `end`. */
export function controlFds(view: DataView, start: number, end: number): number[] {
  const fds: number[] = [];
  let at = start;
  while (at + SIZEOF_CMSGHDR <= end) {
    const length = Number(view.getBigUint64(at, true));
    if (length < SIZEOF_CMSGHDR) break;
    if (view.getInt32(at + 8, true) === SOL_SOCKET && view.getInt32(at + 12, true) === SCM_RIGHTS) {
      for (let fd = at + SIZEOF_CMSGHDR; fd + 4 <= at + length; fd += 4) {
        fds.push(view.getInt32(fd, true));
      }
    }
    at += (length + 7) & ~7;
  }
  return fds;
}

/**
 * Sends bytes and, with the first of them, copies of `fds` (which stay the caller's).
 * @returns bytes taken by the kernel, or -errno (-EAGAIN: the peer does not read). Never throws.
 */
export function send(
  fd: number,
  data: Uint8Array<ArrayBuffer>,
  fds: readonly number[] = [],
): number {
  const fdBytes = 4 * fds.length;
  prepare(data, fds.length === 0 ? 0 : SIZEOF_CMSGHDR + ((fdBytes + 7) & ~7));
  if (fds.length > 0) {
    view.setBigUint64(CONTROL, BigInt(SIZEOF_CMSGHDR + fdBytes), true);
    view.setInt32(CONTROL + 8, SOL_SOCKET, true);
    view.setInt32(CONTROL + 12, SCM_RIGHTS, true);
    fds.forEach((value, i) => view.setInt32(CONTROL + SIZEOF_CMSGHDR + 4 * i, value, true));
  }
  const bytes = Number(libc.sendmsg(fd, scratch, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (bytes >= 0) return bytes;
  const code = errno();
  return code === EINTR ? -EAGAIN : -code;
}
