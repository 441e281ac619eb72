/**
 * What two processes say to each other while one takes a switch over from the other: documents of JSON
 * with descriptors, each whole or not at all.
 *
 * ```
 * magic u32@0 "VSWT"  bytes u32@4  descriptors u32@8  JSON@12, padded with spaces
 * ```
 *
 * The other end is a process of the same user, and may be of another version, or dying: nothing that
 * comes is believed to be of any length or form, and all descriptors of what is not whole are closed.
 *
 * @module
 */
import {
  closeFd,
  EAGAIN,
  EPOLLIN,
  EPOLLOUT,
  errnoName,
  ETOOMANYREFS,
  receive,
  send,
} from "../../../ffi/mod.ts";
import type { Reactor } from "../reactor.ts";

const MAGIC = 0x54575356;
const HEAD_BYTES = 12;
/** Longest document, bytes. */
export const DOCUMENT_BYTES_MAX = 2 ** 26;
/** Most descriptors of one. */
export const DOCUMENT_FDS_MAX = 2 ** 16;
/** Descriptors of one system call: the kernel takes 253. */
const FDS_PER_SEND = 128;
const BYTES_PER_SEND = 2 ** 16;
/** Too many descriptors are under way in sockets: looked at again so much later, ms. */
const CROWDED_MS = 1;

/** What came. */
export interface Parcel {
  /** Any JSON. */
  readonly document: unknown;
  /** The caller's from now on. */
  readonly fds: number[];
}

/** The other end says nonsense, nothing in time, or is gone. */
export class PipeError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "PipeError";
}

interface Piece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fds: readonly number[];
}

/** One end. Owns its socket. Control thread only; close it. */
export class Pipe {
  readonly #fd: number;
  readonly #reactor: Reactor;
  #out: Piece[] = [];
  readonly #sent: (() => void)[] = [];
  #watched = EPOLLIN;
  #in = new Uint8Array(new ArrayBuffer(BYTES_PER_SEND));
  #have = 0;
  #fds: number[] = [];
  readonly #parcels: Parcel[] = [];
  #waiting: { resolve(parcel: Parcel): void; reject(error: PipeError): void } | null = null;
  #error: PipeError | null = null;

  /** Takes a connected socket over, non-blocking. */
  constructor(fd: number, reactor: Reactor) {
    this.#fd = fd;
    this.#reactor = reactor;
    reactor.add(fd, (events) => this.#ready(events), this.#watched);
  }

  /**
   * Says something. @param fds stay the caller's, and must stay open until it is said
   * @returns when the kernel has it; never rejects: that the other end is gone is told by `next`
   */
  say(document: unknown, fds: readonly number[] = []): Promise<void> {
    if (this.#error !== null) return Promise.resolve();
    this.#out.push(...piecesOf(document, fds));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sent.push(resolve);
    this.#flush();
    return promise;
  }

  /** The next document. One caller at a time. @throws {PipeError} none comes, within `ms` or ever */
  async next(ms: number): Promise<Parcel> {
    const parcel = this.#parcels.shift();
    if (parcel) return parcel;
    if (this.#error !== null) throw this.#error;
    const { promise, resolve, reject } = Promise.withResolvers<Parcel>();
    this.#waiting = { resolve, reject };
    const timer = setTimeout(() => {
      this.#waiting = null;
      reject(new PipeError(`nothing was said for ${ms} ms`));
    }, ms);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #ready(events: number): void {
    if ((events & EPOLLOUT) !== 0) this.#flush();
    while (this.#error === null && this.#read());
  }

  /** @returns whether there may be more */
  #read(): boolean {
    if (this.#have === this.#in.length) this.#grow();
    const got = receive(this.#fd, this.#in.subarray(this.#have));
    this.#fds.push(...got.fds);
    if (got.truncated) return this.#fail("descriptors were lost: this process may hold no more");
    if (got.bytes === -EAGAIN) return false;
    if (got.bytes < 0) return this.#fail(errnoName(-got.bytes));
    if (got.bytes === 0) return this.#fail("the other process is gone");
    this.#have += got.bytes;
    while (this.#take());
    return this.#error === null;
  }

  #grow(): void {
    const more = new Uint8Array(new ArrayBuffer(2 * this.#in.length));
    more.set(this.#in);
    this.#in = more;
  }

  /** Takes a document that is whole. @returns whether there was one */
  #take(): boolean {
    if (this.#fds.length > DOCUMENT_FDS_MAX) return this.#fail("too many descriptors");
    if (this.#have < HEAD_BYTES) return false;
    const view = new DataView(this.#in.buffer);
    const [magic, bytes, fds] = [0, 4, 8].map((at) => view.getUint32(at, true)) as [
      number,
      number,
      number,
    ];
    if (magic !== MAGIC || bytes > DOCUMENT_BYTES_MAX || fds > DOCUMENT_FDS_MAX) {
      return this.#fail("it does not speak as a switch does");
    }
    const end = HEAD_BYTES + bytes;
    if (this.#have < end) return false;
    if (this.#fds.length < fds) return this.#fail("descriptors are missing");
    let document: unknown;
    try {
      const text = new TextDecoder("utf-8", { fatal: true });
      document = JSON.parse(text.decode(this.#in.subarray(HEAD_BYTES, end)));
    } catch {
      return this.#fail("what it says is no JSON");
    }
    this.#in.copyWithin(0, end, this.#have);
    this.#have -= end;
    const parcel = { document, fds: this.#fds.splice(0, fds) };
    if (this.#waiting === null) this.#parcels.push(parcel);
    else this.#waiting.resolve(parcel);
    this.#waiting = null;
    return true;
  }

  #flush(): void {
    for (let next = this.#out[0]; next; next = this.#out[0]) {
      const sent = send(this.#fd, next.bytes, next.fds);
      if (sent === -ETOOMANYREFS) {
        setTimeout(() => this.#error === null && this.#flush(), CROWDED_MS);
        return;
      }
      if (sent === -EAGAIN) break;
      if (sent < 0) return void this.#fail(errnoName(-sent));
      if (sent === next.bytes.length) this.#out.shift();
      else this.#out[0] = { bytes: next.bytes.subarray(sent), fds: [] };
    }
    if (this.#out.length === 0) { for (const done of this.#sent.splice(0)) done(); }
    const wanted = this.#out.length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (wanted !== this.#watched) this.#reactor.modify(this.#fd, wanted);
    this.#watched = wanted;
  }

  #fail(why: string): false {
    if (this.#error !== null) return false;
    this.#error = new PipeError(why);
    this.#reactor.remove(this.#fd);
    this.#waiting?.reject(this.#error);
    this.#waiting = null;
    for (const done of this.#sent.splice(0)) done();
    return false;
  }

  /** Gives the socket up, and every descriptor that nobody took. */
  close(): void {
    this.#fail("it was closed");
    for (const fd of [...this.#fds.splice(0), ...this.#parcels.splice(0).flatMap((p) => p.fds)]) {
      closeFd(fd);
    }
    closeFd(this.#fd);
  }
}

/** A document as it is sent, in pieces: descriptors go with some bytes each time. */
function piecesOf(document: unknown, fds: readonly number[]): Piece[] {
  const sends = Math.ceil(fds.length / FDS_PER_SEND);
  const json = new TextEncoder().encode(JSON.stringify(document).padEnd(sends));
  const bytes = new Uint8Array(new ArrayBuffer(HEAD_BYTES + json.length));
  const view = new DataView(bytes.buffer);
  [MAGIC, json.length, fds.length].forEach((word, i) => view.setUint32(4 * i, word, true));
  bytes.set(json, HEAD_BYTES);
  const pieces: Piece[] = [];
  let fdAt = 0;
  for (let at = 0; at < bytes.length;) {
    const some = fds.slice(fdAt, fdAt + FDS_PER_SEND);
    fdAt += some.length;
    // Of what is left, each further call that descriptors need has a byte.
    const left = Math.ceil((fds.length - fdAt) / FDS_PER_SEND);
    const end = Math.min(at + BYTES_PER_SEND, bytes.length - left);
    pieces.push({ bytes: bytes.subarray(at, end), fds: some });
    at = end;
  }
  return pieces;
}
