/**
 * One connected front-end socket: puts messages together, sends replies, never blocks and never
 * waits for a slow peer.
 *
 * Descriptors are taken from every read before anything else is looked at; they belong to the
 * message whose first byte they came with (vhost-user.rst «Communication»).
 *
 * @module
 */
import {
  EAGAIN,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  receive,
  type Received,
  send,
} from "../../ffi/mod.ts";
import type { Refusal } from "../vhost/host.ts";
import { decodeHeader, HEADER_BYTES, type Message, PAYLOAD_BYTES_MAX } from "../vhost/message.ts";
import type { Outcome } from "../vhost/session.ts";
import type { Reactor } from "./reactor.ts";

/** Messages handled per turn of the event loop: a flooding tenant waits, the others do not. */
const MESSAGES_PER_TURN = 32;
/** A message begun must be whole within this, ms. */
const PARTIAL_MS_MAX = 2000;
/** Replies a front-end may leave unread, bytes. */
const BACKLOG_BYTES_MAX = 65536;

/** What a connection needs from its port. */
export interface ConnectionHost {
  handle(message: Message): Outcome;
  /** The connection is over; the socket is still open. `refusal` is null if the peer closed. */
  ended(refusal: Refusal | null): void;
  /** Closes a descriptor that belongs to no message. */
  closeFd(fd: number): void;
}

/** A front-end's connection. Owns nothing but its buffers: the port owns the socket. */
export class Connection {
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #host: ConnectionHost;
  readonly #buffer = new Uint8Array(new ArrayBuffer(HEADER_BYTES + PAYLOAD_BYTES_MAX));
  readonly #view = new DataView(this.#buffer.buffer);
  #have = 0;
  #fds: number[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #backlog: Uint8Array<ArrayBuffer>[] = [];
  #backlogBytes = 0;
  #ended = false;

  constructor(fd: number, reactor: Reactor, host: ConnectionHost) {
    this.#fd = fd;
    this.#reactor = reactor;
    this.#host = host;
    reactor.add(fd, (events) => this.#ready(events));
  }

  #ready(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#flush();
    for (let i = 0; i < MESSAGES_PER_TURN && !this.#ended; i++) {
      if (!this.#step()) return;
    }
  }

  /** Reads what the message at hand still lacks. @returns whether it is worth going on */
  #step(): boolean {
    const want = this.#have < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + this.#payloadBytes();
    if (this.#have < want) {
      const got = receive(this.#fd, this.#buffer.subarray(this.#have, want));
      if (!this.#take(got)) return false;
      if (this.#have < want) return true;
    }
    if (want === HEADER_BYTES && !this.#checkHeader()) return false;
    if (this.#have < HEADER_BYTES + this.#payloadBytes()) return true;
    this.#dispatch();
    return true;
  }

  #take(got: Received): boolean {
    const first = this.#have === 0;
    this.#fds.push(...got.fds);
    if (got.truncated) {
      return this.#end({ code: "fds-truncated", detail: "descriptors were lost on the way" });
    }
    if (got.bytes === -EAGAIN) return false;
    if (got.bytes < 0) {
      return this.#end({ code: "socket-error", detail: errnoName(-got.bytes) });
    }
    if (got.bytes === 0) {
      if (first) return this.#end(null);
      return this.#end({ code: "peer-closed", detail: "in the middle of a message" });
    }
    if (!first && got.fds.length > 0) {
      return this.#end({ code: "fd-count", detail: "descriptors in the middle of a message" });
    }
    this.#have += got.bytes;
    if (first) this.#startTimer();
    return true;
  }

  #payloadBytes(): number {
    return decodeHeader(this.#view).sizeBytes;
  }

  #checkHeader(): boolean {
    const header = decodeHeader(this.#view);
    if (header.sizeBytes <= PAYLOAD_BYTES_MAX) return true;
    return this.#end({ code: "too-long", detail: `payload of ${header.sizeBytes} bytes` });
  }

  #startTimer(): void {
    this.#timer = setTimeout(
      () => this.#end({ code: "timeout", detail: "a message was not finished in time" }),
      PARTIAL_MS_MAX,
    );
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    const { request, flags, sizeBytes } = decodeHeader(this.#view);
    const fds = this.#fds;
    this.#have = 0;
    this.#fds = [];
    const payload = new DataView(this.#buffer.buffer, HEADER_BYTES, sizeBytes);
    const outcome = this.#host.handle({ request, flags, payload, fds });
    if (outcome.reply) this.#send(outcome.reply);
    if (outcome.close) this.#end(outcome.close);
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#ended) return;
    this.#backlog.push(bytes);
    this.#backlogBytes += bytes.length;
    this.#flush();
    if (this.#backlogBytes > BACKLOG_BYTES_MAX) {
      this.#end({ code: "slow-peer", detail: `${this.#backlogBytes} bytes of replies unread` });
    }
  }

  #flush(): void {
    while (this.#backlog.length > 0) {
      const bytes = this.#backlog[0] as Uint8Array<ArrayBuffer>;
      const sent = send(this.#fd, bytes);
      if (sent === -EAGAIN) break;
      if (sent < 0) {
        this.#end({ code: "socket-error", detail: errnoName(-sent) });
        return;
      }
      this.#backlogBytes -= sent;
      if (sent === bytes.length) this.#backlog.shift();
      else this.#backlog[0] = bytes.subarray(sent);
    }
    if (this.#ended) return;
    this.#reactor.modify(this.#fd, this.#backlog.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }

  #end(refusal: Refusal | null): false {
    if (!this.#ended) {
      this.close();
      this.#host.ended(refusal);
    }
    return false;
  }

  /** Stops reading and gives up what came of an unfinished message. The socket stays open. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#reactor.remove(this.#fd);
    for (const fd of this.#fds) this.#host.closeFd(fd);
    this.#fds = [];
  }
}
