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
  closeFd,
  createEventFd,
  EAGAIN,
  ECONNRESET,
  EPIPE,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  receive,
  type Received,
  send,
  SystemError,
} from "../../../ffi/mod.ts";
import { LIMITS } from "../../base/port_limits.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import {
  decodeHeader,
  HEADER_BYTES,
  type Message,
  PAYLOAD_BYTES_MAX,
  VHOST_USER_IOTLB_MSG,
  VHOST_USER_SET_DEVICE_STATE_FD,
} from "../../vhost/wire/message.ts";
import type { Outcome } from "../../vhost/session.ts";
import type { Reactor } from "../reactor.ts";

/** Reads per turn of the event loop: a flooding tenant waits, the others do not. */
const READS_PER_TURN = 64;
/** Messages a front-end may send in a row: tokens in a full bucket. A start takes about 40. */
export const MESSAGES_BURST_MAX: number = LIMITS.messages.most;
/** Tokens that come back in a second. */
export const MESSAGES_PER_SECOND = 1000;
/** What a message takes of the bucket, if not one token. */
const COSTS: Readonly<Record<number, number>> = {
  // An IOMMU in strict mode costs some of them a frame; each waits for its answer.
  [VHOST_USER_IOTLB_MSG]: 0.05,
  // The whole FDB is looked through.
  [VHOST_USER_SET_DEVICE_STATE_FD]: 50,
};
/**
 * What a millisecond of this thread costs, in tokens: a tenant with many large rings can have a
 * single message take a tenth of a second. After a burst, no front-end has more than a quarter of
 * the thread's time.
 */
const MESSAGES_PER_MS = 4;
/** Largest deficit of a bucket, tokens. */
const DEFICIT_MAX = 500;
/** A turn ends after the message that is at hand then, ms. */
const TURN_MS_MAX = 5;
/** How long a front-end that sent more is not listened to, ms. */
const PAUSE_MS = 50;
/** A message begun must be whole within this, ms. */
const PARTIAL_MS_MAX = LIMITS["message-time"].most;
/** Descriptors that a message can have: one for each region of a memory table. */
const MESSAGE_FDS_MAX = LIMITS["message-descriptors"].most;
/** Replies a front-end may leave unread, bytes. */
const BACKLOG_BYTES_MAX = LIMITS["unread-replies"].most;

/** What a connection needs from its port. */
export interface ConnectionHost {
  /** Takes the message's descriptors over. */
  handle(message: Message): Outcome;
  /** The connection is over; the socket is still open. `refusal` is null if the peer closed. */
  ended(refusal: Refusal | null): void;
  /** Closes a descriptor that belongs to no message. */
  closeFd(fd: number): void;
  /** False while what it sent before does not close: it is not read then. */
  mayRead(): boolean;
  /** It is not read for that, now for the first time. */
  held(): void;
}

/** What a connection has under way. */
export interface ConnectionLoad {
  /** Messages in a row, or what took as long. */
  readonly messages: number;
  /** Time since a message was begun that is not whole. */
  readonly messageMs: number;
  /** Descriptors of that one. */
  readonly messageFds: number;
  /** Bytes of replies that were not read. */
  readonly unreadBytes: number;
}

/** A front-end's connection. Owns nothing but its buffers: the port owns the socket. */
export class Connection {
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #host: ConnectionHost;
  readonly #buffer = new Uint8Array(new ArrayBuffer(HEADER_BYTES + PAYLOAD_BYTES_MAX));
  readonly #view = new DataView(this.#buffer.buffer);
  /** Bytes of the message at hand, and the descriptors that came with the first. */
  #have = 0;
  #fds: number[] = [];
  #partialTimer: ReturnType<typeof setTimeout> | undefined;
  #partialAt = 0;
  /** What is still to be sent; descriptors go with the first byte and are closed then. */
  #backlog: { bytes: Uint8Array<ArrayBuffer>; fds: readonly number[] }[] = [];
  #backlogBytes = 0;
  #watched = EPOLLIN;
  /** A message takes its time: those behind it wait. */
  #waiting = false;
  /**
   * Token bucket of messages, as of `#tokensAt`; below 0 after one that cost more than was left.
   */
  #tokens = MESSAGES_BURST_MAX;
  #tokensAt = performance.now();
  /** When this turn began. */
  #turnAt = 0;
  #pauseTimer: ReturnType<typeof setTimeout> | undefined;
  /** The host was told that nothing is read for a while. */
  #toldHeld = false;
  #ended = false;

  /** Watches a socket, non-blocking, which stays the caller's. */
  constructor(fd: number, reactor: Reactor, host: ConnectionHost) {
    this.#fd = fd;
    this.#reactor = reactor;
    this.#host = host;
    this.#watch();
  }

  #watch(): void {
    this.#reactor.add(this.#fd, (events) => this.#ready(events), this.#watched);
  }

  /** What is under way. */
  get load(): ConnectionLoad {
    this.#refillTokens();
    const partial = this.#partialTimer !== undefined;
    return {
      messages: Math.ceil(MESSAGES_BURST_MAX - this.#tokens),
      messageMs: partial ? Math.round(performance.now() - this.#partialAt) : 0,
      messageFds: this.#fds.length,
      unreadBytes: this.#backlogBytes,
    };
  }

  /** Handles what the peer sent so far, its closing included, for at most a turn. */
  poll(): void {
    this.#turnAt = performance.now();
    for (let i = 0; i < READS_PER_TURN && !this.#ended && !this.#waiting; i++) {
      if (!this.#host.mayRead() || !this.#step()) break;
    }
    if (!this.#ended && this.#have > 0) this.#startPartialTimer();
  }

  #ready(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#flush();
    if (this.#waiting) {
      if ((events & (EPOLLHUP | EPOLLERR)) !== 0) this.#peerClosed();
      return;
    }
    if (this.#ended) return;
    this.#refillTokens();
    if (this.#tokens > 0) this.poll();
    if (this.#ended) return;
    if (this.#tokens > 0 && this.#host.mayRead()) {
      this.#toldHeld = false;
      return;
    }
    if ((events & (EPOLLHUP | EPOLLERR)) !== 0 && !this.#host.mayRead()) this.#peerClosed();
    else this.#pause();
  }

  #refillTokens(): void {
    const now = performance.now();
    const earned = (now - this.#tokensAt) * MESSAGES_PER_SECOND / 1000;
    this.#tokens = Math.min(MESSAGES_BURST_MAX, this.#tokens + earned);
    this.#tokensAt = now;
  }

  /** Not watching is the one way: a peer that hung up is reported whatever is watched for. */
  #pause(): void {
    const held = !this.#host.mayRead();
    if (held && !this.#toldHeld) this.#host.held();
    this.#toldHeld = held;
    this.#reactor.remove(this.#fd);
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#watch();
    }, PAUSE_MS);
  }

  /** Reads what the message at hand still lacks. @returns whether it is worth going on */
  #step(): boolean {
    const headerDue = this.#have < HEADER_BYTES;
    if (headerDue || this.#have < this.#messageBytes()) {
      const end = headerDue ? HEADER_BYTES : this.#messageBytes();
      const got = receive(this.#fd, this.#buffer.subarray(this.#have, end));
      if (!this.#take(got)) return false;
      if (this.#have < end) return true;
    }
    if (headerDue && !this.#checkHeader()) return false;
    if (this.#have < this.#messageBytes()) return true;
    this.#dispatch();
    return this.#tokens > 0 && performance.now() - this.#turnAt < TURN_MS_MAX;
  }

  #take(got: Received): boolean {
    const first = this.#have === 0;
    this.#fds.push(...got.fds);
    if (got.truncated) return this.#end(lostFds());
    if (this.#fds.length > MESSAGE_FDS_MAX) {
      return this.#end({ code: "fd-count", detail: `${this.#fds.length} descriptors at once` });
    }
    if (got.bytes === -EAGAIN) return false;
    if (got.bytes < 0) return this.#fail(-got.bytes);
    if (got.bytes === 0) return this.#peerClosed();
    if (!first && got.fds.length > 0) {
      return this.#end({ code: "fd-count", detail: "descriptors in the middle of a message" });
    }
    this.#have += got.bytes;
    return true;
  }

  /** Bytes of the whole message at hand, once its header is there. */
  #messageBytes(): number {
    return HEADER_BYTES + decodeHeader(this.#view).sizeBytes;
  }

  #checkHeader(): boolean {
    const { sizeBytes } = decodeHeader(this.#view);
    if (sizeBytes <= PAYLOAD_BYTES_MAX) return true;
    return this.#end({ code: "too-long", detail: `payload of ${sizeBytes} bytes` });
  }

  #startPartialTimer(): void {
    if (this.#partialTimer === undefined) this.#partialAt = performance.now();
    this.#partialTimer ??= setTimeout(
      () => this.#end({ code: "timeout", detail: "a message was not finished in time" }),
      PARTIAL_MS_MAX,
    );
  }

  #dispatch(): void {
    clearTimeout(this.#partialTimer);
    this.#partialTimer = undefined;
    const { request, flags, sizeBytes } = decodeHeader(this.#view);
    const fds = this.#fds;
    this.#have = 0;
    this.#fds = [];
    const payload = new DataView(this.#buffer.buffer, HEADER_BYTES, sizeBytes);
    const begin = performance.now();
    const outcome = this.#host.handle({ request, flags, payload, fds });
    // What a strict IOMMU needs is paid for by the message alone.
    const ms = request === VHOST_USER_IOTLB_MSG ? 0 : performance.now() - begin;
    const costs = (COSTS[request] ?? 1) + MESSAGES_PER_MS * ms;
    this.#tokens = Math.max(this.#tokens - costs, -DEFICIT_MAX);
    if (outcome.later) void this.#wait(outcome.later);
    else this.#conclude(outcome);
  }

  #conclude({ reply, fds, close }: Outcome): void {
    if (reply) this.#send(reply, fds ?? []);
    if (close) this.#end(close);
  }

  async #wait(later: Promise<Outcome>): Promise<void> {
    this.#waiting = true;
    this.#rewatch();
    const outcome = await later;
    this.#waiting = false;
    if (this.#ended) return;
    this.#conclude(outcome);
    this.#rewatch();
  }

  #send(bytes: Uint8Array<ArrayBuffer>, fds: readonly number[]): void {
    this.#backlog.push({ bytes, fds });
    this.#backlogBytes += bytes.length;
    this.#flush();
    if (this.#backlogBytes > BACKLOG_BYTES_MAX) {
      this.#end({ code: "slow-peer", detail: `${this.#backlogBytes} bytes of replies unread` });
    }
  }

  #flush(): void {
    for (let next = this.#backlog[0]; next; next = this.#backlog[0]) {
      const { bytes, fds } = next;
      const sent = send(this.#fd, bytes, fds);
      if (sent === -EAGAIN) break;
      if (sent < 0) {
        this.#fail(-sent);
        return;
      }
      this.#backlogBytes -= sent;
      for (const fd of fds) closeFd(fd);
      if (sent === bytes.length) this.#backlog.shift();
      else this.#backlog[0] = { bytes: bytes.subarray(sent), fds: [] };
    }
    this.#rewatch();
  }

  #rewatch(): void {
    const wanted = (this.#waiting ? 0 : EPOLLIN) | (this.#backlog.length > 0 ? EPOLLOUT : 0);
    if (this.#ended || wanted === this.#watched) return;
    this.#watched = wanted;
    this.#reactor.modify(this.#fd, wanted);
  }

  #fail(code: number): false {
    // A peer that died with replies unread resets the connection.
    if (code === ECONNRESET || code === EPIPE) return this.#peerClosed();
    return this.#end({ code: "socket-error", detail: errnoName(code) });
  }

  #peerClosed(): false {
    if (this.#have === 0) return this.#end(null);
    return this.#end({ code: "peer-closed", detail: "in the middle of a message" });
  }

  /** Ends the connection for a reason found elsewhere. */
  end(refusal: Refusal): void {
    this.#end(refusal);
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
    clearTimeout(this.#partialTimer);
    clearTimeout(this.#pauseTimer);
    this.#reactor.remove(this.#fd);
    for (const fd of this.#fds) this.#host.closeFd(fd);
    this.#fds = [];
    for (const { fds } of this.#backlog) for (const fd of fds) closeFd(fd);
    this.#backlog = [];
  }
}

/** Why descriptors were lost: our own limit, as a rule. Those that came still take their places. */
function lostFds(): Refusal {
  try {
    closeFd(createEventFd());
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { code: "no-fds", detail: "this process may hold no more descriptors" };
  }
  return { code: "fds-truncated", detail: "descriptors were lost on the way" };
}
