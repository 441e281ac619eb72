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
import { BACKLOG, listenAt, type SocketAccess, socketIdentity, unlinkSocket } from "./listener.ts";
import { Pace } from "./pace.ts";
import type { PortSocket, SocketHost } from "./port_socket.ts";
import type { Reactor } from "./reactor.ts";
import { ControlError, type PortConfig } from "./types.ts";

/** How long a listener rests that cannot accept, ms. */
const ACCEPT_PAUSE_MS = 100;

/** A listening socket, bound here or inherited. Control thread only. */
export class ListeningSocket implements PortSocket {
  readonly retry = null;
  readonly #config: PortConfig;
  readonly #access: SocketAccess;
  readonly #reactor: Reactor;
  readonly #host: SocketHost;
  #fd = -1;
  /** Of the socket file, to unlink no other one. */
  #identity: string | null = null;
  /** Those who come while nobody can be taken. */
  readonly #doorstep: Doorstep;
  readonly #pace: Pace;
  /** Why it rests, as far as the log has it. */
  #resting: string | null = null;
  #restTimer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is bound before {@linkcode open}. */
  constructor(config: PortConfig, access: SocketAccess, reactor: Reactor, host: SocketHost) {
    this.#config = config;
    this.#access = access;
    this.#reactor = reactor;
    this.#host = host;
    this.#doorstep = new Doorstep(host, () => this.#watch());
    this.#pace = new Pace(config.multi ?? 1);
  }

  open(): void {
    if (this.#fd >= 0) return;
    const { path, fd, multi = 1 } = this.#config;
    // All of them may come at once when a switch is back.
    const backlog = Math.max(BACKLOG, multi);
    this.#fd = fd === undefined ? listenAt(path, this.#access, backlog) : inherit(fd);
    this.#identity = fd === undefined ? socketIdentity(path) : null;
    this.#reactor.add(this.#fd, () => this.#accept());
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
    this.#reactor.remove(this.#fd);
    // In this order: the file's inode number is not given to another one while the socket lives.
    if (this.#config.fd === undefined) unlinkSocket(this.#config.path, this.#identity);
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
    const away = this.#host.take(fd);
    if (away) this.#doorstep.hold(fd, away);
    else this.#pace.took();
    this.#watch();
  }

  /** @param why the event to log when it begins, or null */
  #rest(event: "closing" | "accept-failed" | null, why = ""): void {
    if (event !== null && event !== this.#resting) {
      if (event === "closing") this.#host.log("warn", "closing", why);
      else this.#host.log("warn", "accept-failed", why);
      this.#resting = event;
    }
    this.#reactor.modify(this.#fd, 0);
    this.#restTimer = setTimeout(() => this.#watch(), ACCEPT_PAUSE_MS);
  }

  /** Looks for front-ends if one more could be taken or held. */
  #watch(): void {
    if (this.#fd >= 0) this.#reactor.modify(this.#fd, this.#doorstep.isFull ? 0 : EPOLLIN);
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
