/**
 * Listening sockets: binding with exact permissions, and never taking away what is not ours.
 *
 * A path in use is replaced only if it is a socket that nobody listens on. It is bound with its mode.
 * If it is for a group, it is bound under a mask that lets nobody but this user in, and opened to its
 * group and mode after that: nobody slips in between.
 *
 * @module
 */
import {
  closeFd,
  EACCES,
  EADDRINUSE,
  EEXIST,
  ELOOP,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  EPERM,
  EROFS,
  isSocketHeld,
  listenUnix,
  nameFile,
  SOCKET_PATH_BYTES_MAX,
  SystemError,
  type UnixType,
} from "../../../ffi/mod.ts";
import { ControlError, type SocketOwner } from "../types.ts";
import { areFilesConfined } from "../sandbox/sandbox.ts";
import { groupId } from "./accounts.ts";

/** Who may connect. */
export interface SocketAccess {
  /** Permission bits of the file, 0 to 0o777. */
  readonly mode: number;
  /** Name or number of the group that gets the file, or null: the process's own. */
  readonly group: string | null;
  /** Who gets the file, a group before the other one; null: this process's user. */
  readonly owner?: SocketOwner | null;
}

/** Connections that may wait at a socket, if not more front-ends are expected. */
export const BACKLOG = 16;

/** Checks what the kernel asks of a socket's path. @throws {ControlError} naming the fix */
export function checkSocketPath(path: string, verb = "listen on"): void {
  if (path === "") {
    throw new ControlError("invalid", `Cannot ${verb} an empty path`, "name a socket");
  }
  if (new TextEncoder().encode(path).length <= SOCKET_PATH_BYTES_MAX && !path.includes("\0")) {
    return;
  }
  throw new ControlError(
    "invalid",
    `Cannot ${verb} ${path}: a socket path has at most ${SOCKET_PATH_BYTES_MAX} bytes, no NUL`,
    "choose a shorter path",
  );
}

/** A socket that was bound, and what tells its file from any other one. */
export interface BoundSocket {
  /** The listening socket. */
  readonly fd: number;
  /** Device and inode of its file, see {@linkcode socketIdentity}. */
  readonly identity: string;
}

/**
 * Binds and listens. @throws {ControlError} naming the fix. The caller owns socket and file.
 * @param backlog connections that may wait to be accepted
 */
export function bindSocket(
  path: string,
  access: SocketAccess,
  backlog = BACKLOG,
  type: UnixType = "stream",
): BoundSocket {
  checkSocketPath(path);
  const gid = access.owner?.gid ??
    (access.group === null ? null : groupId(access.group, "give sockets to"));
  makeRoom(path);
  const isOwn = gid === null && access.owner === null;
  const mask = Deno.umask(isOwn ? 0o777 & ~access.mode : 0o177);
  let fd: number;
  try {
    fd = listenUnix(path, backlog, type);
  } catch (error) {
    throw bindError(path, error);
  } finally {
    Deno.umask(mask);
  }
  try {
    return { fd, identity: openTo(path, access.mode, access.owner?.uid ?? null, gid) };
  } catch (error) {
    closeFd(fd);
    throw error instanceof ControlError ? error : bindError(path, error);
  }
}

/** As {@linkcode bindSocket}, for callers that do not watch the file. */
export function listenAt(path: string, access: SocketAccess, backlog = BACKLOG): number {
  return bindSocket(path, access, backlog).fd;
}

/**
 * Gives a socket just bound its owner, group and mode. Whoever may write in its folder could have put a
 * link to somebody else's file there meanwhile: what is changed is the file that was looked at.
 * @returns the file's identity
 */
function openTo(
  path: string,
  mode: number,
  uid: number | null,
  gid: number | null,
): string {
  const named = nameFile(path);
  try {
    const file = `/proc/self/fd/${named}`;
    const info = Deno.statSync(file);
    if (!info.isSocket || info.nlink !== 1) throw busy(path, "was replaced while it was made");
    const identity = identityOf(info);
    try {
      if (uid !== null || gid !== null) Deno.chownSync(file, uid, gid);
      // The folder may have an access list, which stands in for a mask.
      if (((Deno.statSync(file).mode ?? 0) & 0o777) !== mode) Deno.chmodSync(file, mode);
    } catch (error) {
      unlinkSocket(path, identity);
      throw accessError(path, error);
    }
    return identity;
  } finally {
    closeFd(named);
  }
}

function accessError(path: string, error: unknown): unknown {
  if (
    error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable
  ) {
    return new ControlError(
      "invalid",
      `Cannot set mode, owner or group of ${path}: ${error.message}`,
      "choose a group that this user is in; another owner needs root or CAP_CHOWN",
    );
  }
  return error;
}

/** Why a path cannot be bound, as an operator's line; an error that says nothing of it as it is. */
export function bindError(path: string, error: unknown): unknown {
  const { code } = error as { code?: unknown };
  const is = (number: number, name: string): boolean => code === number || code === name;
  const folder = folderOf(path);
  if (is(ENOTDIR, "ENOTDIR")) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: ${folder} is not a folder`,
      "name a socket in a folder",
    );
  }
  if (is(ELOOP, "ELOOP")) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: links of ${folder} lead to one another`,
      `see where they lead: namei ${folder}`,
    );
  }
  if (is(EROFS, "EROFS") || is(ENOSPC, "ENOSPC")) {
    const [why, fix] = code === EROFS || code === "EROFS"
      ? ["is read-only", "mount it writable, or choose another folder"]
      : ["has no room", "make room in it, or choose another folder"];
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: the file system of ${folder} ${why}`,
      fix,
    );
  }
  if (is(ENOENT, "ENOENT")) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: folder ${folder} does not exist`,
      `mkdir -p ${folder}`,
    );
  }
  if (is(EACCES, "EACCES") || is(EPERM, "EPERM")) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: no permission to write in ${folder}`,
      areFilesConfined()
        ? "choose a folder that --sandbox has known since the start: that of the other sockets"
        : "choose another folder or run as its owner",
    );
  }
  if (is(EADDRINUSE, "EADDRINUSE") || is(EEXIST, "EEXIST")) return busy(path, "is in use");
  if (!(error instanceof SystemError) && typeof code !== "string") return error;
  return new ControlError(
    "invalid",
    `Cannot listen on ${path}: ${(error as Error).message}`,
    "choose another path",
  );
}

/** How the error of a path ends that is in use by a server. */
export const LIVE = "belongs to a running server";
/** How the error of a path ends at which something else stands. */
export const NO_SOCKET = "exists and is not a socket";

function busy(path: string, why: string): ControlError {
  return new ControlError(
    "invalid",
    `Cannot listen on ${path}: it ${why}`,
    why === NO_SOCKET
      ? "choose another path, or move it away"
      : "choose another path or stop what uses it",
  );
}

/** Removes a stale socket. @throws {ControlError} anything else stands at the path */
export function makeRoom(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return;
  }
  if (!info.isSocket) throw busy(path, NO_SOCKET);
  try {
    if (!isSocketHeld(path)) {
      removeStale(path, info);
      return;
    }
  } catch (error) {
    if (error instanceof ControlError) throw error;
    if (error instanceof SystemError && error.code === ENOENT) return;
  }
  throw busy(path, LIVE);
}

/**
 * Another switch that starts at the same time may have replaced the stale socket by a live one since
 * it was looked at: it is put aside in one step, looked at again, and put back if that is so.
 */
function removeStale(path: string, stale: Deno.FileInfo): void {
  const aside = `${folderOf(path)}/.vuswitch-stale-${Deno.pid}`;
  const same = ({ dev, ino, mtime }: Deno.FileInfo): boolean =>
    dev === stale.dev && ino === stale.ino && mtime?.getTime() === stale.mtime?.getTime();
  let isStale = false;
  try {
    Deno.renameSync(path, aside);
    isStale = same(Deno.lstatSync(aside));
    if (!isStale) Deno.linkSync(aside, path);
    Deno.removeSync(aside);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new ControlError(
      "invalid",
      `Cannot replace the stale socket ${path}: no permission to remove it`,
      `rm ${path}`,
    );
  }
  if (!isStale) throw busy(path, LIVE);
}

/** The folder of a path, as it was written. */
export function folderOf(path: string): string {
  return path.replace(/\/*[^/]*$/, "") || (path.startsWith("/") ? "/" : ".");
}

function identityOf({ dev, ino }: Deno.FileInfo): string {
  return `${dev}:${ino}`;
}

/** What tells a socket file from another one at the same path; null if there is none. */
export function socketIdentity(path: string): string | null {
  try {
    const info = Deno.lstatSync(path);
    return info.isSocket ? identityOf(info) : null;
  } catch {
    return null;
  }
}

/**
 * Removes a socket file we bound, unless it is gone or, told by `identity`, somebody put another one
 * in its place.
 */
export function unlinkSocket(path: string, identity: string | null = socketIdentity(path)): void {
  if (identity === null || socketIdentity(path) !== identity) return;
  try {
    Deno.removeSync(path);
  } catch {
    // Somebody removed it meanwhile, or took the folder's write permission from us.
  }
}
