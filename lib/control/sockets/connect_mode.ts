/**
 * Mode `connect`: the front-end binds the socket and listens, the switch connects, and tries again
 * for ever. Either side may be restarted; no file is made or removed here.
 *
 * @module
 */
import { closeFd, connectUnixOffThread, SystemError, type UnixType } from "../../../ffi/mod.ts";
import { strangerAt } from "./allowed_peer.ts";
import { checkSocketPath } from "./bind.ts";
import { CLOSING, type PortSocket, type SocketHost, type Visited } from "./port_socket.ts";
import type { TenantFds } from "../front_end/tenant_fds.ts";
import type { PortConfig, PortProblem, PortStatus } from "../types.ts";
import { nameTrusted, UntrustedPath } from "./trusted_path.ts";

/** Pause after the first failure, ms; each further one doubles it. */
export const RETRY_MS_MIN = 50;
/** The longest pause, ms, and how long a front-end must stay for the pauses to be short again. */
export const RETRY_MS_MAX = 1000;
/** The longest after front-ends that held the data plane up, ms. */
const STALL_MS_MAX = 60_000;
/** Each reason to wait has a line, and no other one in so long a time, ms. */
const LINE_MS = 60_000;

/** A socket that somebody else listens at. Control thread only. */
export class ConnectingSocket implements PortSocket {
  retry: PortStatus["retry"] = null;
  /** Nobody knocks here. */
  readonly held = 0;
  readonly #config: PortConfig;
  readonly #path: string;
  readonly #type: UnixType;
  /** What the log calls who listens. */
  readonly #who: string;
  readonly #fds: TenantFds;
  readonly #host: SocketHost;
  readonly #isOurs: (fd: number) => boolean;
  #isOpen = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** An attempt is under way: at most one ever is. */
  #trying = false;
  /** The last one had to wait for descriptors to close. */
  #choked = false;
  #pauseMs = RETRY_MS_MIN;
  /** After one that held the data plane up; see pace.ts. */
  #stallPauseMs = RETRY_MS_MAX / 2;
  #connectedAt = 0;
  /** Reasons to wait that were logged since `#saidAt`. */
  readonly #said = new Set<string>();
  #saidAt = 0;

  /**
   * Connects to nothing before {@linkcode open}. @param fds runs attempts in turn, off the thread
   * @param isOurs whether who listens at the other end is this switch
   * @throws {ControlError} no socket can have that path
   */
  constructor(
    config: PortConfig,
    fds: TenantFds,
    host: SocketHost,
    isOurs: (fd: number) => boolean,
  ) {
    const { path, kind } = config;
    checkSocketPath(path, "connect to");
    this.#config = config;
    this.#path = path;
    this.#type = kind === "seqpacket" ? "seqpacket" : "stream";
    this.#who = kind === undefined ? "front-end" : "peer";
    this.#fds = fds;
    this.#host = host;
    this.#isOurs = isOurs;
  }

  get problem(): PortProblem | null {
    return this.#host.mayTake() ? null : CLOSING;
  }

  open(occupied: boolean): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#pauseMs = RETRY_MS_MIN;
    this.#said.clear();
    if (!occupied) this.#try();
  }

  suspend(): void {
    this.#isOpen = false;
    this.retry = null;
    clearTimeout(this.#timer);
  }

  freed({ stalled = false }: Visited): void {
    this.#stallPauseMs = stalled
      ? Math.min(2 * this.#stallPauseMs, STALL_MS_MAX)
      : RETRY_MS_MAX / 2;
    if (stalled) this.#pauseMs = this.#stallPauseMs;
    // One that hangs up at once is not asked again at once.
    else if (performance.now() - this.#connectedAt >= RETRY_MS_MAX) this.#pauseMs = RETRY_MS_MIN;
    this.#tryLater(`the ${this.#who} went away`);
  }

  close(): void {
    this.suspend();
  }

  #tryLater(reason: string): void {
    if (!this.#isOpen) return;
    if (performance.now() - this.#saidAt >= LINE_MS) this.#said.clear();
    if (!this.#said.has(reason)) {
      if (this.#said.size === 0) this.#saidAt = performance.now();
      this.#said.add(reason);
      const message = `waiting for a ${this.#who} at ${this.#path}: ${reason}`;
      this.#host.log("info", "connect-waiting", message);
    }
    this.retry = { reason, afterMs: this.#pauseMs };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(), this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, RETRY_MS_MAX);
  }

  #try(): void {
    if (this.#trying) return;
    if (!this.#host.mayTake()) {
      if (!this.#choked) this.#host.failed("closing", CLOSING.text);
      this.#choked = true;
      this.#tryLater(`descriptors of an earlier ${this.#who} do not close`);
      return;
    }
    this.#choked = false;
    this.#trying = true;
    this.#fds.run(async () => {
      const result = await attempt(this.#path, this.#type);
      this.#trying = false;
      this.#ended(result);
    });
  }

  #ended(result: number | string): void {
    if (typeof result === "string") {
      this.#tryLater(result);
    } else if (!this.#isOpen) {
      this.#fds.close(result);
    } else if (this.#isOurs(result)) {
      closeFd(result);
      this.#tryLater("its path leads to a socket of this switch");
    } else {
      const stranger = strangerAt(result, this.#config);
      if (stranger !== null) {
        this.#host.refuse(result, stranger.code);
        this.#tryLater(`somebody listens ${stranger.why}`);
        return;
      }
      this.retry = null;
      this.#connectedAt = performance.now();
      const away = this.#host.take(result);
      if (away) this.#host.refuse(result, away.code);
    }
  }
}

/** Connects. @returns the descriptor, or why not; whatever may block does so off the thread */
async function attempt(path: string, type: UnixType): Promise<number | string> {
  let named = -1;
  try {
    named = await nameTrusted(path);
    const fd = await connectUnixOffThread(`/proc/self/fd/${named}`, type);
    if (fd >= 0) return fd;
    const { isSocket } = await Deno.lstat(path);
    return isSocket ? "nobody listens there, or for others" : "it is not a socket";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no such socket";
    if (error instanceof Deno.errors.NotADirectory) return "a part of its path is no folder";
    if (error instanceof UntrustedPath) return error.message;
    // Without a descriptor left it says so.
    if (error instanceof SystemError) return error.message;
    return "it is out of reach: check permissions";
  } finally {
    if (named >= 0) closeFd(named);
  }
}
