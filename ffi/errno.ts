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

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOSPC = 28;
export const EROFS = 30;
export const EPIPE = 32;
export const ELOOP = 40;
export const EPROTOTYPE = 91;
export const EADDRINUSE = 98;
export const ECONNRESET = 104;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;

const NAMES: Readonly<Record<number, string>> = {
  [EPERM]: "EPERM",
  [ENOENT]: "ENOENT",
  [EINTR]: "EINTR",
  [EBADF]: "EBADF",
  [EAGAIN]: "EAGAIN",
  [ENOMEM]: "ENOMEM",
  [EACCES]: "EACCES",
  [EEXIST]: "EEXIST",
  [ENOTDIR]: "ENOTDIR",
  [EINVAL]: "EINVAL",
  [ENFILE]: "ENFILE",
  [EMFILE]: "EMFILE",
  [ENOSPC]: "ENOSPC",
  [EROFS]: "EROFS",
  [EPIPE]: "EPIPE",
  [ELOOP]: "ELOOP",
  [EPROTOTYPE]: "EPROTOTYPE",
  [EADDRINUSE]: "EADDRINUSE",
  [ECONNRESET]: "ECONNRESET",
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

/** A failed system call. `code` is the errno value, `syscall` the libc function's name. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: number;
  readonly syscall: string;

  /** `context` says what was being done to what, for example `"path /run/x.sock"`. */
  constructor(syscall: string, code: number, context = "") {
    super(`${syscall} failed with ${errnoName(code)}${context === "" ? "" : ` (${context})`}`);
    this.syscall = syscall;
    this.code = code;
  }
}
