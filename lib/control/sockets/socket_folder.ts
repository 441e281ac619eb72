/**
 * Folders of sockets that are removed under a running switch: made again as they were, where that
 * gives nothing away.
 *
 * @module
 */
import { dirname } from "node:path";
import { ControlError } from "../types.ts";

/** May replace any file in any case. */
const ROOT = 0;

/** A folder as it was. */
export interface FolderFacts {
  /** As it was written, absolute or not. */
  readonly path: string;
  /** Permission bits with set-id and sticky ones. */
  readonly mode: number;
  /** Owner; -1 if the platform does not say. */
  readonly uid: number;
  /** Group, likewise. */
  readonly gid: number;
}

/** Facts about a folder and those above it, the topmost first. */
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
 * @throws {ControlError} with the command that makes it, or somebody else has made one meanwhile
 */
export function remakeFolder(facts: readonly FolderFacts[]): void {
  for (const { path, mode, uid, gid } of facts) {
    if (exists(path)) {
      checkOwner(path, uid);
      continue;
    }
    const parentGid = inheritedGroup(dirname(path));
    const mine = uid === Deno.uid() && gid === parentGid && (mode & ~0o777) === 0;
    const made = mine && make(path, mode);
    if (!made) {
      const how = `install -d -o ${uid} -g ${gid} -m ${mode.toString(8).padStart(4, "0")} ${path}`;
      throw new ControlError("invalid", `its folder ${path} is gone`, how);
    }
  }
}

/**
 * Who owns a folder can replace the sockets in it: in /tmp anybody may make it once it is gone.
 * @param before its owner when the switch began
 */
function checkOwner(path: string, before: number): void {
  // Of a link as well: whoever made it can have it lead elsewhere later.
  for (const look of [Deno.lstatSync, Deno.statSync]) {
    const now = ownerOf(path, look);
    if (now === null || now === before || now === Deno.uid() || now === ROOT) continue;
    throw new ControlError(
      "invalid",
      `its folder ${path} belongs to user ${now} now`,
      "move it away unless you trust that user",
    );
  }
}

/** Its owner; null if the path is out of reach: nothing can be bound there either. */
function ownerOf(path: string, look: typeof Deno.statSync): number | null {
  try {
    return look(path).uid;
  } catch {
    return null;
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
