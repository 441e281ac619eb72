/**
 * What the kernel says of a process that should answer and does not: who listens at a socket, and
 * whether it is stopped.
 *
 * @module
 */
import { dirname } from "node:path";
import { closeFd, connectUnix, peerCredentials } from "../../../ffi/mod.ts";

/** A process by its number, name and state. */
export interface ProcessFacts {
  /** Its number in this PID namespace. */
  readonly pid: number;
  /** As /proc has it: at most 15 bytes, of its own choice. */
  readonly command: string;
  /** Stopped by a signal or held by a debugger. */
  readonly stopped: boolean;
}

/** Who listens at a socket, or null if that cannot be told. Never throws. */
export function listenerOf(path: string): ProcessFacts | null {
  return factsOf(listenerPid(path));
}

/** As {@linkcode listenerOf}, but never this process, and without connecting. */
export function otherListenerOf(path: string): ProcessFacts | null {
  return factsOf(ownerPid(path));
}

function factsOf(pid: number): ProcessFacts | null {
  if (pid <= 0) return null;
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const end = stat.lastIndexOf(")");
    const command = stat.slice(stat.indexOf("(") + 1, end);
    return { pid, command, stopped: /^[Tt]/.test(stat.slice(end + 2)) };
  } catch {
    return null;
  }
}

function listenerPid(path: string): number {
  try {
    const fd = connectUnix(path);
    try {
      return peerCredentials(fd)?.pid ?? 0;
    } finally {
      closeFd(fd);
    }
  } catch {
    // Its queue of connections is full, as a rule: the kernel's lists may name it as well.
    return ownerPid(path) || controlPid(path);
  }
}

/**
 * The path that a control socket is bound to before it is linked to its own.
 * @param folderFd a descriptor of its folder
 */
export function boundName(folderFd: number, count: number): string {
  return `/proc/self/fd/${folderFd}/.ctl-${Deno.pid}-${count}`;
}

/** The only switch that has its control socket in the folder of this path, or 0. */
function controlPid(path: string): number {
  try {
    const folder = Deno.realPathSync(dirname(path));
    const lines = Deno.readTextFileSync("/proc/net/unix");
    const bound = lines.matchAll(/ \/proc\/self\/fd\/(\d+)\/\.ctl-(\d+)-\d+$/gm);
    const pids = new Set<number>();
    for (const [, fd, pid] of bound) {
      if (targetOf(`/proc/${pid}/fd/${fd}`) === folder) pids.add(Number(pid));
    }
    return pids.size === 1 ? [...pids][0] ?? 0 : 0;
  } catch {
    // /proc tells only what this user may see.
    return 0;
  }
}

/** The process, not this one, that has a listening socket of this path open. */
function ownerPid(path: string): number {
  try {
    const ACCEPTS = 0x10000;
    const links = Deno.readTextFileSync("/proc/net/unix").split("\n").flatMap((each) => {
      const [, , , flags = "", , , inode, bound] = each.trim().split(/\s+/);
      const is = bound === path && (parseInt(flags, 16) & ACCEPTS) !== 0;
      return is ? [`socket:[${inode}]`] : [];
    });
    if (links.length === 0) return 0;
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
      if (links.some((link) => holds(name, link))) return Number(name);
    }
  } catch {
    // /proc tells only what this user may see.
  }
  return 0;
}

/** What a link leads to; null if it is gone, or another user's. */
function targetOf(link: string): string | null {
  try {
    return Deno.readLinkSync(link);
  } catch {
    return null;
  }
}

function holds(pid: string, what: string): boolean {
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      if (targetOf(`/proc/${pid}/fd/${name}`) === what) return true;
    }
  } catch {
    // Another user's.
  }
  return false;
}
