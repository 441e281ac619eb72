/**
 * Looks once a second whether socket files are still there, on the control thread. A socket goes on
 * listening when its file is removed or replaced, and nobody finds it any more.
 *
 * A look costs one stat of each folder: the time of change of a folder tells whether a name in it
 * was made, removed or replaced (inode(7), st_ctime; unlike st_mtime it cannot be set). Only then
 * each file is looked at, 10-25 µs on a busy machine.
 *
 * @module
 */
import { dirname } from "node:path";
import { unixName } from "../../../ffi/mod.ts";
import { isOwnEnd } from "./own_ends.ts";

/** Time between two looks, ms. */
export const LOOK_MS = 1000;
/** A folder that changed so lately may change again within the same tick of its clock, ms. */
const SETTLED_MS = 1000;

/** A socket file that is watched. */
export interface Watched {
  /** Of the socket's file. */
  readonly path: string;
  /** The last look found it missing or replaced: it is looked at each time. */
  readonly isLost: boolean;
  /** Looks whether it is there, and does what is to be done if it is not. Never throws. */
  look(): void;
}

interface Folder {
  readonly sockets: Set<Watched>;
  /** What it was like when its files were looked at; empty: look at them. */
  seen: string;
}

/** What the control socket is bound to before it has its name: see boundName. */
const OF_CONTROL = /^\/proc\/self\/fd\/\d+\/\.ctl-/;

/** The socket files of a switch. Control thread only. Its timer ends with the last of them. */
export class SocketWatch {
  readonly #folders = new Map<string, Folder>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Names of inherited sockets, whose files are not watched. */
  readonly inherited = new Set<string>();

  /** Whether a connection that was made by a path led to a socket of this switch. */
  isOurs(fd: number): boolean {
    if (!isOwnEnd(fd)) return false;
    const name = unixName(fd, "peer");
    if (OF_CONTROL.test(name) || this.inherited.has(name)) return true;
    const sockets = this.#folders.get(dirname(name))?.sockets ?? [];
    return [...sockets].some(({ path }) => path === name);
  }

  /** Watches a file from now on. */
  add(socket: Watched): void {
    const path = dirname(socket.path);
    const folder = this.#folders.get(path) ?? { sockets: new Set(), seen: "" };
    folder.sockets.add(socket);
    folder.seen = "";
    this.#folders.set(path, folder);
    this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  /** Watches it no longer. */
  remove(socket: Watched): void {
    const path = dirname(socket.path);
    const folder = this.#folders.get(path);
    folder?.sockets.delete(socket);
    if (folder?.sockets.size === 0) this.#folders.delete(path);
    if (this.#folders.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** One look at all of them. */
  look(): void {
    for (const [path, folder] of this.#folders) {
      const seen = describe(path);
      const isSame = seen !== "" && seen === folder.seen;
      folder.seen = seen;
      for (const socket of [...folder.sockets]) {
        // What one look leads to may end another socket.
        if (folder.sockets.has(socket) && (!isSame || socket.isLost)) socket.look();
      }
    }
  }
}

/** What changes when a name in the folder does; empty if that cannot be told, or not yet. */
function describe(path: string): string {
  try {
    const { dev, ino, ctime } = Deno.statSync(path);
    const changedMs = ctime?.getTime() ?? Infinity;
    return Date.now() - changedMs > SETTLED_MS ? `${dev}:${ino}:${changedMs}` : "";
  } catch {
    return "";
  }
}
