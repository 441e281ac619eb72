/**
 * Mode `listen`: the switch binds the socket and front-ends connect, again and again.
 *
 * @module
 */
import {
  acceptUnix,
  closeFd,
  EAGAIN,
  EPOLLIN,
  errnoName,
  fdKind,
  listenFd,
} from "../../ffi/mod.ts";
import { Doorstep } from "./doorstep.ts";
import { BACKLOG, bindSocket, type BoundSocket } from "./listener.ts";
import { Pace } from "./pace.ts";
import type { PortContext } from "./port_context.ts";
import type { PortSocket, SocketHost } from "./port_socket.ts";
import { SocketFile } from "./socket_file.ts";
import { ControlError, type PortConfig, type PortProblem } from "./types.ts";

/** How long a listener rests that cannot accept, ms. */
const ACCEPT_PAUSE_MS = 100;

/** What sockets share. */
export type ListeningContext = Pick<PortContext, "access" | "reactor" | "sockets">;

/** A listening socket, bound here or inherited. Control thread only. */
export class ListeningSocket implements PortSocket {
  readonly retry = null;
  readonly #config: PortConfig;
  readonly #context: ListeningContext;
  readonly #host: SocketHost;
  #fd = -1;
  /** Null if it is inherited: that one is its maker's. */
  #file: SocketFile | null = null;
  /** Those who come while nobody can be taken. */
  readonly #doorstep: Doorstep;
  readonly #pace: Pace;
  /** Why it rests, as far as the log has it. */
  #resting: string | null = null;
  #restTimer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is bound before {@linkcode open}. */
  constructor(config: PortConfig, context: ListeningContext, host: SocketHost) {
    this.#config = config;
    this.#context = context;
    this.#host = host;
    this.#doorstep = new Doorstep(host, () => this.#watch());
    this.#pace = new Pace(config.multi ?? 1);
  }

  /** What happened to its file, or null. */
  get problem(): PortProblem | null {
    return this.#file?.problem ?? null;
  }

  open(): void {
    if (this.#fd >= 0) return;
    const { path, fd: inherited } = this.#config;
    if (inherited === undefined) {
      const { fd, identity } = this.#bind();
      this.#fd = fd;
      this.#file = new SocketFile(path, identity, this.#context.sockets, {
        bindAgain: () => this.#bindAgain(),
        log: (level, event, message) => this.#host.log(level, event, message),
      });
    } else {
      this.#fd = inherit(inherited);
    }
    this.#context.reactor.add(this.#fd, () => this.#accept());
  }

  #bind(): BoundSocket {
    return bindSocket(this.#config.path, this.#context.access, this.#backlog);
  }

  /** All of them may come at once when a switch is back. */
  get #backlog(): number {
    return Math.max(BACKLOG, this.#config.multi ?? 1);
  }

  #bindAgain(): string {
    const { fd, identity } = this.#bind();
    const { reactor } = this.#context;
    const old = this.#fd;
    reactor.remove(old);
    this.#fd = fd;
    reactor.add(fd, () => this.#accept());
    // Whoever found the old one in time is let in.
    for (let count = 0; count < this.#backlog && this.#host.mayTake(); count++) {
      const waiting = acceptUnix(old);
      if (waiting < 0) break;
      this.#welcome(waiting);
    }
    closeFd(old);
    this.#watch();
    return identity;
  }

  /** An inherited socket cannot be made anew: it goes on, and the host refuses who connects. */
  suspend(): void {
    if (this.#config.fd === undefined) this.close();
  }

  freed(worthy: boolean): void {
    if (worthy) this.#pace.refund();
    this.#doorstep.admit();
  }

  close(): void {
    if (this.#fd < 0) return;
    clearTimeout(this.#restTimer);
    this.#doorstep.clear("admin-down");
    this.#context.reactor.remove(this.#fd);
    // In this order: the file's inode number is not given to another one while the socket lives.
    this.#file?.remove();
    this.#file = null;
    closeFd(this.#fd);
    this.#fd = -1;
  }

  #accept(): void {
    if (!this.#host.mayTake()) {
      this.#rest("closing", "descriptors of earlier front-ends do not close");
      return;
    }
    if (!this.#pace.mayTake()) {
      this.#rest(null);
      return;
    }
    const fd = acceptUnix(this.#fd);
    if (fd === -EAGAIN) return;
    if (fd < 0) {
      // Out of descriptors: the connection stays queued.
      this.#rest("accept-failed", `cannot accept a front-end: ${errnoName(-fd)}`);
      return;
    }
    this.#resting = null;
    this.#welcome(fd);
    this.#watch();
  }

  #welcome(fd: number): void {
    const away = this.#host.take(fd);
    if (away) this.#doorstep.hold(fd, away);
    else this.#pace.took();
  }

  /** @param why the event to log when it begins, or null */
  #rest(event: "closing" | "accept-failed" | null, why = ""): void {
    if (event !== null && event !== this.#resting) {
      if (event === "closing") this.#host.log("warn", "closing", why);
      else this.#host.log("warn", "accept-failed", why);
      this.#resting = event;
    }
    this.#context.reactor.modify(this.#fd, 0);
    this.#restTimer = setTimeout(() => this.#watch(), ACCEPT_PAUSE_MS);
  }

  /** Looks for front-ends if one more could be taken or held. */
  #watch(): void {
    if (this.#fd >= 0) this.#context.reactor.modify(this.#fd, this.#doorstep.isFull ? 0 : EPOLLIN);
  }
}

function inherit(fd: number): number {
  try {
    if (fdKind(fd) === "socket") listenFd(fd);
    else throw new Error("it is not a socket");
    return fd;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ControlError("invalid", `Cannot listen on inherited descriptor ${fd}: ${why}`);
  }
}
