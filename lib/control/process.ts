/**
 * What the kernel says of a process that should answer and does not: who listens at a socket, and
 * whether it is stopped.
 *
 * @module
 */
import { closeFd, connectUnix, peerCredentials } from "../../ffi/mod.ts";

/** A process by its number, name and state. */
export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  /** Stopped by a signal or held by a debugger. */
  readonly stopped: boolean;
}

/** Who listens at a socket, or null if that cannot be told. Never throws. */
export function listenerOf(path: string): ProcessFacts | null {
  const pid = listenerPid(path);
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
    // Its queue of connections is full, as a rule: the kernel's lists name it as well.
    return ownerPid(path);
  }
}

/** The process that has the listening socket of this path open. */
function ownerPid(path: string): number {
  try {
    const ACCEPTS = 0x10000;
    const line = Deno.readTextFileSync("/proc/net/unix").split("\n").find((each) => {
      const [, , , flags = "", , , , bound] = each.trim().split(/\s+/);
      return bound === path && (parseInt(flags, 16) & ACCEPTS) !== 0;
    });
    const inode = line?.trim().split(/\s+/)[6];
    if (inode === undefined) return 0;
    for (const { name } of Deno.readDirSync("/proc")) {
      if (/^\d+$/.test(name) && holds(name, `socket:[${inode}]`)) return Number(name);
    }
  } catch {
    // /proc tells only what this user may see.
  }
  return 0;
}

function holds(pid: string, what: string): boolean {
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      try {
        if (Deno.readLinkSync(`/proc/${pid}/fd/${name}`) === what) return true;
      } catch {
        // Closed meanwhile.
      }
    }
  } catch {
    // Another user's.
  }
  return false;
}
