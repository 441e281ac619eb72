/**
 * errno and the error that carries it.
 *
 * The C library's errno is read through one view made when the thread starts: making a view per
 * read lets the runtime's own calls overwrite errno first (seen once per 20,000 calls). Read it in
 * the very next expression after the failing call.
 *
 * @module
 */
import { libc } from "./symbols.ts";

/** Not permitted, whatever the file's mode says. */
export const EPERM = 1;
/** Nothing stands at this path. */
export const ENOENT = 2;
/** There is no such process. */
export const ESRCH = 3;
/** A signal came first; nothing was done. */
export const EINTR = 4;
/** The device failed; a network device: it is down. */
export const EIO = 5;
/** No such device. */
export const ENXIO = 6;
/** No such descriptor, or not opened for this. */
export const EBADF = 9;
/** The call would have to wait, or (connect) the backlog is full. */
export const EAGAIN = 11;
/** No memory or address space left, or too many mappings. */
export const ENOMEM = 12;
/** The file's mode, or that of a folder on the way, forbids it. */
export const EACCES = 13;
/** An address that is not mapped. */
export const EFAULT = 14;
/** Somebody else has it. */
export const EBUSY = 16;
/** Something stands at this path already. */
export const EEXIST = 17;
/** No such device. */
export const ENODEV = 19;
/** Something on the way is no folder. */
export const ENOTDIR = 20;
/** An argument that makes no sense to the call. */
export const EINVAL = 22;
/** The machine has no descriptor left. */
export const ENFILE = 23;
/** This process has no descriptor left (RLIMIT_NOFILE). */
export const EMFILE = 24;
/** The file system is full. */
export const ENOSPC = 28;
/** The file system is read-only. */
export const EROFS = 30;
/** The peer no longer reads. */
export const EPIPE = 32;
/** Too many symbolic links, or one where O_NOFOLLOW forbids it. */
export const ELOOP = 40;
/** The descriptor is not what it was: its network device was deleted. */
export const EBADFD = 77;
/** A packet is longer than the socket can carry. */
export const EMSGSIZE = 90;
/** The socket at this path is of another type: datagram, stream. */
export const EPROTOTYPE = 91;
/** A socket is bound to this path already. */
export const EADDRINUSE = 98;
/** The peer closed with data of ours unread. */
export const ECONNRESET = 104;
/** Too many descriptors are under way in sockets. */
export const ETOOMANYREFS = 109;
/** The system has no room for more. */
export const ENOBUFS = 105;
/** Nobody listens at this path. */
export const ECONNREFUSED = 111;
/** Connecting goes on after the call. */
export const EINPROGRESS = 115;

const NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM",
  [ENOENT]: "ENOENT",
  [EINTR]: "EINTR",
  [EIO]: "EIO",
  [ENXIO]: "ENXIO",
  [EBADF]: "EBADF",
  [EAGAIN]: "EAGAIN",
  [ENOMEM]: "ENOMEM",
  [EACCES]: "EACCES",
  [EFAULT]: "EFAULT",
  [EBUSY]: "EBUSY",
  [EEXIST]: "EEXIST",
  [ENODEV]: "ENODEV",
  [ENOTDIR]: "ENOTDIR",
  [EINVAL]: "EINVAL",
  [ENFILE]: "ENFILE",
  [EMFILE]: "EMFILE",
  [ENOSPC]: "ENOSPC",
  [EROFS]: "EROFS",
  [EPIPE]: "EPIPE",
  [ELOOP]: "ELOOP",
  [EBADFD]: "EBADFD",
  [EMSGSIZE]: "EMSGSIZE",
  [EPROTOTYPE]: "EPROTOTYPE",
  [EADDRINUSE]: "EADDRINUSE",
  [ECONNRESET]: "ECONNRESET",
  [ETOOMANYREFS]: "ETOOMANYREFS",
  [ENOBUFS]: "ENOBUFS",
  [ECONNREFUSED]: "ECONNREFUSED",
  [EINPROGRESS]: "EINPROGRESS",
};

function errnoView(): Int32Array {
  const location = libc.__errno_location();
  if (location === null) throw new Error("Cannot find errno: __errno_location returned NULL");
  return new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
}

const view = errnoView();

/** The errno of this thread's last failing call. Valid only in the next expression after it. */
export function errno(): number {
  return view[0] as number;
}

/** The header name of an errno value, such as `"EAGAIN"`, or `"errno 77"` for one not listed. */
export function errnoName(code: number): string {
  return NAMES[code] ?? `errno ${code}`;
}

/** A failed system call. */
export class SystemError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "SystemError";
  /** errno value, above 0. */
  readonly code: number;
  /** Name of the libc function. */
  readonly syscall: string;

  /** `context` says what was being done to what, for example `"path /run/x.sock"`. */
  constructor(syscall: string, code: number, context = "") {
    super(`${syscall} failed with ${errnoName(code)}${context === "" ? "" : ` (${context})`}`);
    this.syscall = syscall;
    this.code = code;
  }
}
