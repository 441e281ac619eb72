/**
 * Listening sockets: binding with exact permissions, and never taking away what is not ours.
 *
 * A path in use is replaced only if it is a socket that nobody listens on. It is bound under a mask
 * that lets nobody but this user in, and opened to its mode and group after that: nobody slips in
 * between.
 *
 * @module
 */
import {
  closeFd,
  EACCES,
  EADDRINUSE,
  ENOENT,
  ENOTDIR,
  EPERM,
  isSocketHeld,
  listenUnix,
  SOCKET_PATH_BYTES_MAX,
  SystemError,
} from "../../ffi/mod.ts";
import { ControlError } from "./types.ts";

/** Who may connect. */
export interface SocketAccess {
  readonly mode: number;
  readonly group: string | null;
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

/**
 * Binds and listens. @throws {ControlError} naming the fix. The caller owns socket and file.
 * @param backlog connections that may wait to be accepted
 */
export function listenAt(path: string, access: SocketAccess, backlog = BACKLOG): number {
  checkSocketPath(path);
  const gid = access.group === null ? null : groupId(access.group);
  makeRoom(path);
  const mask = Deno.umask(0o177);
  let fd: number;
  try {
    fd = listenUnix(path, backlog);
  } catch (error) {
    throw listenError(path, error);
  } finally {
    Deno.umask(mask);
  }
  try {
    if (gid !== null) Deno.chownSync(path, null, gid);
    Deno.chmodSync(path, access.mode);
  } catch (error) {
    unlinkSocket(path);
    closeFd(fd);
    throw listenError(path, error);
  }
  return fd;
}

function listenError(path: string, error: unknown): unknown {
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return new ControlError(
      "invalid",
      `Cannot set mode or group of ${path}: ${error.message}`,
      "choose a group that this user is in",
    );
  }
  if (!(error instanceof SystemError)) return error;
  const folder = path.replace(/\/[^/]*$/, "") || "/";
  if (error.code === ENOENT || error.code === ENOTDIR) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: folder ${folder} does not exist`,
      `mkdir -p ${folder}`,
    );
  }
  if (error.code === EACCES || error.code === EPERM) {
    return new ControlError(
      "invalid",
      `Cannot listen on ${path}: no permission to write in ${folder}`,
      "choose another folder or run as its owner",
    );
  }
  if (error.code === EADDRINUSE) return busy(path, "is in use");
  return new ControlError("invalid", `Cannot listen on ${path}: ${error.message}`);
}

function busy(path: string, why: string): ControlError {
  return new ControlError(
    "invalid",
    `Cannot listen on ${path}: it ${why}`,
    "choose another path or stop what uses it",
  );
}

/** Removes a stale socket; refuses anything else that stands at the path. */
function makeRoom(path: string): void {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return;
  }
  if (!info.isSocket) throw busy(path, "exists and is not a socket");
  try {
    if (!isSocketHeld(path)) {
      removeStale(path);
      return;
    }
  } catch (error) {
    if (error instanceof ControlError) throw error;
    if (error instanceof SystemError && error.code === ENOENT) return;
  }
  throw busy(path, "belongs to a running server");
}

function removeStale(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new ControlError(
      "invalid",
      `Cannot replace the stale socket ${path}: no permission to remove it`,
      `rm ${path}`,
    );
  }
}

/** What tells a socket file from another one at the same path; null if there is none. */
export function socketIdentity(path: string): string | null {
  try {
    const { dev, ino, isSocket } = Deno.lstatSync(path);
    return isSocket ? `${dev}:${ino}` : null;
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

function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  for (const line of Deno.readTextFileSync("/etc/group").split("\n")) {
    const [name, , id] = line.split(":");
    if (name === group) return Number(id);
  }
  throw new ControlError(
    "invalid",
    `Cannot give sockets to group ${group}: there is no such group`,
    "see /etc/group",
  );
}
