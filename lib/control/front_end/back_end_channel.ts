/**
 * The back-end channel of a front-end: the socket that came with SET_BACKEND_REQ_FD. Messages go
 * out without blocking, replies come back in order (vhost-user.rst «Back-end communication»).
 *
 * The peer is a tenant. One that hangs up only loses the channel; one that does not read, or says
 * what no reply is, loses its connection, told by a later turn of the event loop.
 *
 * @module
 */
import {
  EAGAIN,
  ECONNRESET,
  EPIPE,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  receive,
  send,
} from "../../../ffi/mod.ts";
import {
  BACK_END_REPLY_BYTES,
  type BackEndMessage,
  decodeBackEndReply,
  encodeBackEnd,
} from "../../vhost/wire/back_end_message.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import type { Reactor } from "../reactor.ts";

/** Bytes a front-end may leave unread beyond what its socket holds. */
const BACKLOG_BYTES_MAX = 65536;
/** Replies that may be due at once. */
export const REPLIES_DUE_MAX = 64;
/** Replies read in one turn of the event loop. */
const REPLIES_PER_TURN = 64;

/** What a channel needs from its port. */
export interface BackEndChannelHost {
  /** The peer hung up: the channel is closed. The connection goes on. */
  gone(): void;
  /** The peer misbehaved: the channel is closed, the connection is to be. */
  failed(refusal: Refusal): void;
  /** Closes a descriptor of the tenant's. */
  closeFd(fd: number): void;
}

/** Told once what a message was answered; null: there will be no answer. */
export type Answered = (value: bigint | null) => void;

/** One back-end channel. Owns the socket. Control thread only. */
export class BackEndChannel {
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #host: BackEndChannelHost;
  #backlog: Uint8Array<ArrayBuffer>[] = [];
  #backlogBytes = 0;
  readonly #due: { readonly request: number; readonly answered: Answered }[] = [];
  readonly #reply = new Uint8Array(new ArrayBuffer(BACK_END_REPLY_BYTES));
  #have = 0;
  #watched = EPOLLIN;
  #closed = false;

  /** Takes a socket over. */
  constructor(fd: number, reactor: Reactor, host: BackEndChannelHost) {
    this.#fd = fd;
    this.#reactor = reactor;
    this.#host = host;
    reactor.add(fd, (events) => this.#ready(events), this.#watched);
  }

  /**
   * Sends a message, now or as soon as the peer reads. Never blocks.
   * @param answered given: the message asks for a reply, which VHOST_USER_PROTOCOL_F_REPLY_ACK
   * must allow
   * @returns false if the channel is closed, this moment perhaps
   */
  send(message: BackEndMessage, answered?: Answered): boolean {
    if (this.#closed) return false;
    if (answered) {
      if (this.#due.length >= REPLIES_DUE_MAX) {
        return this.#fail({ code: "slow-peer", detail: "back-end messages are not answered" });
      }
      this.#due.push({ request: message.request, answered });
    }
    const bytes = encodeBackEnd(message, answered !== undefined);
    this.#backlog.push(bytes);
    this.#backlogBytes += bytes.length;
    this.#flush();
    if (this.#backlogBytes > BACKLOG_BYTES_MAX) {
      const detail = `${this.#backlogBytes} bytes of back-end messages unread`;
      return this.#fail({ code: "slow-peer", detail });
    }
    return !this.#closed;
  }

  #ready(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#flush();
    for (let i = 0; i < REPLIES_PER_TURN && !this.#closed; i++) {
      if (!this.#step()) break;
    }
    // Kinds of sockets exist that report an error for ever and have nothing to read.
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) this.#lost(0);
  }

  #flush(): void {
    for (let bytes = this.#backlog[0]; bytes; bytes = this.#backlog[0]) {
      const sent = send(this.#fd, bytes);
      if (sent === -EAGAIN) break;
      if (sent < 0) {
        this.#lost(-sent);
        return;
      }
      this.#backlogBytes -= sent;
      if (sent === bytes.length) this.#backlog.shift();
      else this.#backlog[0] = bytes.subarray(sent);
    }
    const wanted = this.#backlog.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (wanted === this.#watched) return;
    this.#watched = wanted;
    this.#reactor.modify(this.#fd, wanted);
  }

  /** Reads on the reply at hand. @returns whether it is worth going on */
  #step(): boolean {
    const got = receive(this.#fd, this.#reply.subarray(this.#have));
    for (const fd of got.fds) this.#host.closeFd(fd);
    if (got.fds.length > 0 || got.truncated) {
      return this.#fail({ code: "fd-count", detail: "descriptors on the back-end channel" });
    }
    if (got.bytes === -EAGAIN) return false;
    if (got.bytes <= 0) return this.#lost(-got.bytes);
    const due = this.#due[0];
    this.#have += got.bytes;
    if (due && this.#have < BACK_END_REPLY_BYTES) return true;
    const value = due ? decodeBackEndReply(new DataView(this.#reply.buffer), due.request) : null;
    if (!due || value === null) {
      return this.#fail({
        code: "bad-back-end-reply",
        detail: "it answers nothing that was asked",
      });
    }
    this.#have = 0;
    this.#due.shift();
    due.answered(value);
    return true;
  }

  /** The socket cannot be used any more. @param code errno, 0: end of stream */
  #lost(code: number): false {
    if (code !== 0 && code !== EPIPE && code !== ECONNRESET) {
      const detail = `the back-end channel: ${errnoName(code)}`;
      return this.#fail({ code: "socket-error", detail });
    }
    if (!this.#closed) {
      this.close();
      this.#host.gone();
    }
    return false;
  }

  #fail(refusal: Refusal): false {
    if (this.#closed) return false;
    this.close();
    // Whoever sends is in the middle of something that must not end under its feet.
    queueMicrotask(() => this.#host.failed(refusal));
    return false;
  }

  /** Gives the socket up; what waits is not sent, what was asked is not answered. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reactor.remove(this.#fd);
    this.#host.closeFd(this.#fd);
    this.#backlog = [];
    for (const { answered } of this.#due.splice(0)) answered(null);
  }
}
