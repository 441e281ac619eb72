/**
 * The file of a socket that listens: noticed when it is removed or replaced, said, and made again
 * where that takes nothing away from anybody. Who is connected stays so.
 *
 * @module
 */
import { dirname } from "node:path";
import { LIVE, NO_SOCKET, socketIdentity, unlinkSocket } from "./bind.ts";
import { otherListenerOf } from "./process.ts";
import { describeFolder, remakeFolder } from "./socket_folder.ts";
import type { SocketWatch, Watched } from "./socket_watch.ts";
import { ControlError, type PortProblem } from "../types.ts";

const GONE = "socket-gone";
/** Who may write in the folder can make the file come and go: so much is said of it, lines. */
const LINES_MAX = 4;
/** In so long a time, ms. */
const LINES_MS = 60_000;

/** What a socket file needs of who listens. */
export interface SocketFileHost {
  /** Binds the socket anew. @returns the new file's identity @throws {ControlError} */
  bindAgain(): string;
  /** Logs with the name of the port, or the switch's. */
  log(level: "info" | "warn", event: string, message: string): void;
}

/** The file of one socket. Control thread only; remove it. */
export class SocketFile implements Watched {
  /** Where the file is to be. */
  readonly path: string;
  readonly #watch: SocketWatch;
  readonly #host: SocketFileHost;
  readonly #folder: ReturnType<typeof describeFolder>;
  /** What {@linkcode socketIdentity} says of it while it is the right one. */
  #identity: string;
  #problem: PortProblem | null = null;
  /** The problem stands in the log. */
  #said = false;
  #lines = 0;
  #untold = 0;
  #linesSince = -Infinity;

  /**
   * Watches a file that is there. @param identity what {@linkcode socketIdentity} is to say of it
   */
  constructor(path: string, identity: string, watch: SocketWatch, host: SocketFileHost) {
    this.path = path;
    this.#identity = identity;
    this.#watch = watch;
    this.#host = host;
    this.#folder = describeFolder(dirname(path));
    watch.add(this);
  }

  /** Why nobody finds the socket, or null. */
  get problem(): PortProblem | null {
    return this.#problem;
  }

  get isLost(): boolean {
    return this.#problem !== null;
  }

  look(): void {
    if (socketIdentity(this.path) === this.#identity) {
      this.#mended();
      return;
    }
    const what = exists(this.path) ? "replaced" : "removed";
    try {
      remakeFolder(this.#folder);
      this.#identity = this.#host.bindAgain();
    } catch (error) {
      this.#fail(what, error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#problem !== null) this.#mended();
    else this.#say(`socket ${this.path} was ${what}: it is made again, who is connected stays`);
  }

  #mended(): void {
    if (this.#problem === null) return;
    this.#problem = null;
    if (this.#said) this.#host.log("info", "socket-back", `socket ${this.path} is there again`);
  }

  /** It cannot be made: tried again with each look, and said when the reason is another one. */
  #fail(what: "removed" | "replaced", error: Error): void {
    const why = error.message.replace(`Cannot listen on ${this.path}: `, "")
      .replace(/^it (exists and )?/, "what stands there ");
    const reason = `socket ${this.path} was ${what}, nobody finds it: ${why}`;
    if (this.#problem?.text.startsWith(reason)) return;
    const owner = why.endsWith(LIVE) ? otherListenerOf(this.path) : null;
    const text = owner === null ? reason : `${reason} (pid ${owner.pid}, ${owner.command})`;
    const fix = why.endsWith(LIVE)
      ? `stop it${owner === null ? "" : `: kill ${owner.pid}`}`
      : error.message.endsWith(NO_SOCKET)
      ? "move it away"
      : error instanceof ControlError
      ? error.hint
      : null;
    const hint = `${fix ?? "see to that"}; the socket is made again within a second`;
    this.#problem = { code: GONE, text, hint };
    this.#said = this.#say(`${text} (${hint})`);
  }

  /** One line for the log. @returns false if there were enough */
  #say(text: string): boolean {
    const now = performance.now();
    if (now - this.#linesSince > LINES_MS) {
      this.#lines = 0;
      this.#linesSince = now;
    }
    if (++this.#lines > LINES_MAX) {
      this.#untold++;
      return false;
    }
    const more = this.#untold === 0 ? "" : `, and ${this.#untold} times more before`;
    this.#untold = 0;
    this.#host.log("warn", "socket-gone", `${text}${more}`);
    return true;
  }

  /** Removes the file if it is ours still, and watches it no longer. */
  remove(): void {
    this.#watch.remove(this);
    unlinkSocket(this.path, this.#identity);
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
