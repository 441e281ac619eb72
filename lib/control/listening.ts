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
import { BACKLOG, listenAt, type SocketAccess, socketIdentity, unlinkSocket } from "./listener.ts";
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
  #restTimer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is bound before {@linkcode open}. */
  constructor(config: PortConfig, access: SocketAccess, reactor: Reactor, host: SocketHost) {
    this.#config = config;
    this.#access = access;
    this.#reactor = reactor;
    this.#host = host;
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

  freed(): void {
    // The next one may connect whenever it likes.
  }

  close(): void {
    if (this.#fd < 0) return;
    clearTimeout(this.#restTimer);
    this.#reactor.remove(this.#fd);
    // In this order: the file's inode number is not given to another one while the socket lives.
    if (this.#config.fd === undefined) unlinkSocket(this.#config.path, this.#identity);
    closeFd(this.#fd);
    this.#fd = -1;
  }

  #accept(): void {
    if (!this.#host.mayTake()) {
      this.#rest();
      return;
    }
    const fd = acceptUnix(this.#fd);
    if (fd === -EAGAIN) return;
    if (fd < 0) {
      // Out of descriptors: the connection stays queued.
      this.#host.log("warn", "accept-failed", `cannot accept a front-end: ${errnoName(-fd)}`);
      this.#rest();
      return;
    }
    this.#host.take(fd);
  }

  #rest(): void {
    this.#reactor.modify(this.#fd, 0);
    this.#restTimer = setTimeout(() => this.#reactor.modify(this.#fd, EPOLLIN), ACCEPT_PAUSE_MS);
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
