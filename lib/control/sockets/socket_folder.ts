/**
 * Folders of sockets that are removed under a running switch: made again as they were, where that
 * gives nothing away.
 *
 * @module
 */
import { dirname } from "node:path";
import { ControlError } from "../types.ts";

/** A folder as it was. */
interface FolderFacts {
  readonly path: string;
  /** Permission bits with set-id and sticky ones. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What a folder and those above it are like, the topmost first. */
export function describeFolder(path: string): FolderFacts[] {
  const facts: FolderFacts[] = [];
  for (let at = path;; at = dirname(at)) {
    try {
      const { mode, uid, gid } = Deno.statSync(at);
      facts.unshift({ path: at, mode: (mode ?? 0) & 0o7777, uid: uid ?? -1, gid: gid ?? -1 });
    } catch {
      // Out of reach: it was never there for us to make.
    }
    if (at === dirname(at)) return facts;
  }
}

/**
 * Makes what is missing of a folder. Only what would belong to the same user and group by itself: to
 * give folders away by their names, where others may write, would give away anything.
 * @throws {ControlError} with the command that makes it
 */
export function remakeFolder(facts: readonly FolderFacts[]): void {
  for (const { path, mode, uid, gid } of facts) {
    if (exists(path)) continue;
    const parentGid = inheritedGroup(dirname(path));
    const mine = uid === Deno.uid() && gid === parentGid && (mode & ~0o777) === 0;
    const made = mine && make(path, mode);
    if (!made) {
      const how = `install -d -o ${uid} -g ${gid} -m ${mode.toString(8).padStart(4, "0")} ${path}`;
      throw new ControlError("invalid", `its folder ${path} is gone`, how);
    }
  }
}

/** The group of what this process makes in a folder. */
function inheritedGroup(folder: string): number | null {
  try {
    const SETGID = 0o2000;
    const { mode, gid } = Deno.statSync(folder);
    return ((mode ?? 0) & SETGID) === 0 ? Deno.gid() : gid;
  } catch {
    return Deno.gid();
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

function make(path: string, mode: number): boolean {
  const mask = Deno.umask(0);
  try {
    Deno.mkdirSync(path, { mode });
    return true;
  } catch {
    return false;
  } finally {
    Deno.umask(mask);
  }
}
