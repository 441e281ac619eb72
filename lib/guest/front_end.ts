/**
 * A front-end's end of a vhost-user socket: requests as they are, replies as they come. What is
 * sent is not checked, so that tests can say anything.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, connectUnix, EAGAIN, receive, send } from "../../ffi/mod.ts";
import * as id from "../vhost/wire/message.ts";

/** How long the switch may take on a busy machine; only a failure takes that long. */
export const ANSWER_MS_MAX = 120_000;
/** Flags of a request. */
export const PLAIN: number = id.VHOST_USER_VERSION;
/** Flags of a request that wants an acknowledgement. */
export const NEED_REPLY: number = PLAIN | id.VHOST_USER_NEED_REPLY_MASK;

/** A reply as it came. */
export interface Reply {
  /** Number of the request it answers. */
  readonly request: number;
  /** REPLY and version, 0x5, if all is right. */
  readonly flags: number;
  /** As long as the header says. */
  readonly payload: DataView;
}

/** One connection to a port of a switch. */
export class FrontEnd implements Disposable {
  /** The socket, non-blocking; owned here. */
  readonly fd: number;
  /** Descriptors that come are kept for {@linkcode takeFds}; otherwise they are closed. */
  keepsFds = false;
  #closed = false;
  #fds: number[] = [];
  #have: Uint8Array = new Uint8Array();

  /** Connects. @throws {SystemError} */
  constructor(socket: string) {
    this.fd = connectUnix(socket);
  }

  /** Sends a request. @returns bytes taken by the socket, or -errno */
  message(
    request: number,
    payload: Uint8Array = new Uint8Array(),
    fds: readonly number[] = [],
    flags = PLAIN,
  ): number {
    return this.raw(id.encodeMessage(request, flags, payload), fds);
  }

  /** Sends bytes. @returns bytes taken by the socket, or -errno */
  raw(bytes: Uint8Array<ArrayBuffer>, fds: readonly number[] = []): number {
    return send(this.fd, bytes, fds);
  }

  /** Reads what is there. @returns whether the connection is open */
  #read(): boolean {
    const bytes = new Uint8Array(new ArrayBuffer(65536));
    const got = receive(this.fd, bytes);
    if (this.keepsFds) this.#fds.push(...got.fds);
    else for (const fd of got.fds) closeFd(fd);
    if (got.bytes <= 0) return got.bytes === -EAGAIN;
    const all = new Uint8Array(this.#have.length + got.bytes);
    all.set(this.#have);
    all.set(bytes.subarray(0, got.bytes), this.#have.length);
    this.#have = all;
    return true;
  }

  #next(): Reply | null {
    if (this.#have.length < id.HEADER_BYTES) return null;
    const view = new DataView(this.#have.buffer, this.#have.byteOffset);
    const { request, flags, sizeBytes } = id.decodeHeader(view);
    const end = id.HEADER_BYTES + sizeBytes;
    if (this.#have.length < end) return null;
    this.#have = this.#have.subarray(end);
    return {
      request,
      flags,
      payload: new DataView(view.buffer, view.byteOffset + id.HEADER_BYTES, sizeBytes),
    };
  }

  /** Waits for a reply. @throws if the switch closes the connection or does not answer */
  async reply(): Promise<Reply> {
    const end = Date.now() + ANSWER_MS_MAX;
    for (;;) {
      const open = this.#read();
      const reply = this.#next();
      if (reply) return reply;
      if (!open) throw new Error("The switch closed the connection");
      if (Date.now() > end) throw new Error("The switch does not answer");
      await delay(1);
    }
  }

  /**
   * Sends a request that has a reply, or asks for an acknowledgement. What was sent before and is
   * not yet read may leave no room for it: it waits.
   * @returns the u64 in the reply
   */
  async ask(
    request: number,
    payload: Uint8Array = new Uint8Array(),
    fds: readonly number[] = [],
    flags = NEED_REPLY,
  ): Promise<bigint> {
    await this.#whole(id.encodeMessage(request, flags, payload), fds);
    const reply = await this.reply();
    if (reply.request !== request) throw new Error(`Request ${reply.request} was answered`);
    return reply.payload.getBigUint64(0, true);
  }

  /** Sends all of a message, its descriptors with the first byte. */
  async #whole(bytes: Uint8Array<ArrayBuffer>, fds: readonly number[]): Promise<void> {
    const end = Date.now() + ANSWER_MS_MAX;
    for (let at = 0; at < bytes.length;) {
      const taken = this.raw(bytes.subarray(at), at === 0 ? fds : []);
      if (taken > 0) at += taken;
      // Whether it closed the connection, the reply says.
      else if (taken !== -EAGAIN) return;
      else if (Date.now() > end) throw new Error("The switch does not read");
      else await delay(1);
    }
  }

  /** Waits until the switch closes the connection. @returns whether it did, in a generous while */
  async closedBySwitch(): Promise<boolean> {
    const end = Date.now() + ANSWER_MS_MAX;
    while (this.#read()) {
      if (Date.now() > end) return false;
      await delay(1);
    }
    return true;
  }

  /** Descriptors that came since the last call; they are the caller's now. */
  takeFds(): number[] {
    return this.#fds.splice(0);
  }

  /** Closes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.takeFds()) closeFd(fd);
    closeFd(this.fd);
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    this.close();
  }
}
