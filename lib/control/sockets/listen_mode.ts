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
  unixName,
} from "../../../ffi/mod.ts";
import { strangerAt } from "./allowed_peer.ts";
import { Doorstep, TOO_OFTEN } from "./doorstep.ts";
import { BACKLOG, bindSocket, type BoundSocket } from "./bind.ts";
import { Pace } from "./pace.ts";
import { peerPid } from "./peer.ts";
import type { PortContext } from "../vhost_port/context.ts";
import {
  CLOSING,
  type PortSocket,
  type SocketHost,
  type TurnedAway,
  type Visited,
} from "./port_socket.ts";
import { SocketFile } from "./socket_file.ts";
import { ControlError, type PortConfig, type PortProblem } from "../types.ts";

/** How long a listener rests that cannot accept, ms. */
const ACCEPT_PAUSE_MS = 100;
/** Accepted in one turn of the event loop, and for how long, ms: others have their turn. */
const ACCEPTS_PER_TURN = 8;
const TURN_MS_MAX = 1;

/** What the listening sockets of a switch share. */
export type ListeningContext = Pick<PortContext, "access" | "reactor" | "sockets">;

/** A listening socket, bound here or inherited. Control thread only. */
export class ListeningSocket implements PortSocket {
  readonly retry = null;
  readonly #config: PortConfig;
  readonly #context: ListeningContext;
  readonly #host: SocketHost;
  #fd = -1;
  /** Null for an inherited socket: its file belongs to whoever made it. */
  #file: SocketFile | null = null;
  /** Holds front-ends that come while nobody can be taken. */
  readonly #doorstep: Doorstep;
  readonly #pace: Pace;
  /** The reason to rest that the log has, or null. */
  #resting: string | null = null;
  #restTimer: ReturnType<typeof setTimeout> | undefined;

  /** Nothing is bound before {@linkcode open}. */
  constructor(config: PortConfig, context: ListeningContext, host: SocketHost) {
    this.#config = config;
    this.#context = context;
    this.#host = host;
    this.#doorstep = new Doorstep({
      mayTake: () => host.mayTake(),
      take: (fd, waited) => this.#take(fd, waited),
      refuse: (fd, code) => host.refuse(fd, code),
      log: (level, event, message) => host.log(level, event, message),
    }, () => this.#watch());
    this.#pace = new Pace(config.multi ?? 1);
  }

  /** What happened to its file, or keeps all waiting; or null. */
  get held(): number {
    return this.#doorstep.count;
  }

  get problem(): PortProblem | null {
    return this.#file?.problem ?? (this.#host.mayTake() ? null : CLOSING);
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
      this.#context.sockets.inherited.add(unixName(inherited, "own"));
    }
    this.#context.reactor.add(this.#fd, () => this.#accept());
  }

  #bind(): BoundSocket {
    const { path, kind, owner = null } = this.#config;
    const type = kind === "seqpacket" ? "seqpacket" : "stream";
    return bindSocket(path, { ...this.#context.access, owner }, this.#backlog, type);
  }

  /** Connections that may wait: all front-ends may come at once when a switch is restarted. */
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
    // Those that wait at the old socket are taken.
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

  freed(visited: Visited): void {
    this.#pace.ended(visited);
    this.#doorstep.admit();
  }

  close(): void {
    if (this.#fd < 0) return;
    clearTimeout(this.#restTimer);
    this.#doorstep.clear("admin-down");
    this.#context.reactor.remove(this.#fd);
    // In this order: while the socket lives, no other file gets its inode number.
    this.#file?.remove();
    this.#file = null;
    closeFd(this.#fd);
    this.#fd = -1;
  }

  #accept(): void {
    const end = performance.now() + TURN_MS_MAX;
    for (let i = 0; i < ACCEPTS_PER_TURN && performance.now() < end; i++) {
      if (this.#fd < 0 || this.#doorstep.isFull || !this.#acceptOne()) break;
    }
  }

  /** @returns whether another one may be accepted at once */
  #acceptOne(): boolean {
    if (!this.#host.mayTake()) return this.#rest("closing", CLOSING.text);
    if (!this.#pace.mayAccept()) return this.#rest(null);
    const fd = acceptUnix(this.#fd);
    if (fd === -EAGAIN) return false;
    // Out of descriptors: the connection stays queued.
    if (fd < 0) {
      const why = `cannot accept a front-end: ${errnoName(-fd)}`;
      return this.#rest("accept-failed", why);
    }
    this.#resting = null;
    this.#welcome(fd);
    this.#watch();
    return true;
  }

  #welcome(fd: number): void {
    const away = this.#take(fd, false);
    if (away && !this.#doorstep.hold(fd, away)) this.#pace.turnedAway();
  }

  /** @param waited it was held for its time already */
  #take(fd: number, waited: boolean): TurnedAway | null {
    const may = waited ? this.#pace.mayTake() : this.#pace.mayTakeFrom(peerPid(fd));
    if (!may) return TOO_OFTEN;
    const away = strangerAt(fd, this.#config) ?? this.#host.take(fd);
    if (away === null) this.#pace.took();
    return away;
  }

  /** @param event to log when it begins, or null @returns that nobody else is accepted */
  #rest(event: "closing" | "accept-failed" | null, why = ""): false {
    if (event !== null && event !== this.#resting) {
      if (event === "closing") {
        this.#host.log("warn", "closing", why);
        this.#host.failed("closing", why);
      } else this.#host.log("warn", "accept-failed", why);
      this.#resting = event;
    }
    this.#context.reactor.modify(this.#fd, 0);
    this.#restTimer = setTimeout(() => this.#watch(), ACCEPT_PAUSE_MS);
    return false;
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
