/**
 * Requests as they come in on one connection (RFC 9112), each whole before it is looked at. What is
 * wrong with one is said in one line, and nothing behind it is read.
 *
 * @module
 */
import { ControlError } from "../types.ts";

/** Longest request line with all headers, bytes. */
export const HEAD_BYTES_MAX = 16384;
/** Longest body, bytes; a little more than routes take, which say it better. */
const BODY_BYTES_MAX = 2 ** 17;
const CHUNK_LINE_BYTES_MAX = 1024;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LINE = /^(\S+) (\S+) HTTP\/1\.([01])$/;
const CR = 13;
const LF = 10;

/** A request, and whether another one may follow. */
export interface Asked {
  /** With its body. */
  readonly request: Request;
  /** The connection may be kept. */
  readonly keepsAlive: boolean;
}

function bad(message: string): ControlError {
  return new ControlError("invalid", message);
}

/** Reads requests of one connection. */
export class Incoming {
  readonly #connection: Pick<Deno.Conn, "read" | "write">;
  readonly #began: () => void;
  readonly #signal: AbortSignal | null;
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(4096));
  #start = 0;
  #end = 0;

  /**
   * Reads nothing yet. @param began called when the first byte of a request is there
   * @param signal of all its requests
   */
  constructor(
    connection: Pick<Deno.Conn, "read" | "write">,
    began: () => void,
    signal: AbortSignal | null = null,
  ) {
    this.#connection = connection;
    this.#began = began;
    this.#signal = signal;
  }

  /** The next request has begun already. */
  get hasMore(): boolean {
    return this.#end > this.#start;
  }

  /** Waits for the next request. @returns null: there is none @throws {ControlError} it is bad */
  async next(): Promise<Asked | null> {
    if (!this.hasMore && !await this.#read()) return null;
    this.#began();
    // An empty line in front is to be ignored (RFC 9112 §2.2).
    let line = await this.#line(HEAD_BYTES_MAX);
    if (line === "") line = await this.#line(HEAD_BYTES_MAX);
    if (line === null) return null;
    const [, method = "", target = "", minor] = LINE.exec(line) ?? [];
    if (!TOKEN.test(method)) throw bad("The request line must be METHOD TARGET HTTP/1.1");
    const headers = await this.#headers(HEAD_BYTES_MAX - line.length);
    const url = urlOf(target);
    const body = await this.#body(headers);
    const wish = (headers.get("connection") ?? "").toLowerCase();
    const keepsAlive = minor === "1" ? !/\bclose\b/.test(wish) : /\bkeep-alive\b/.test(wish);
    return { request: makeRequest(url, method, headers, body, this.#signal), keepsAlive };
  }

  async #headers(bytesMax: number): Promise<Headers> {
    const headers = new Headers();
    for (let left = bytesMax;;) {
      const line = await this.#line(left);
      if (line === null) throw bad("The request ends in its headers");
      if (line === "") return headers;
      left -= line.length + 2;
      const colon = line.indexOf(":");
      const name = line.slice(0, Math.max(0, colon));
      if (!TOKEN.test(name)) throw bad("A header must be NAME: VALUE");
      try {
        headers.append(name, line.slice(colon + 1).trim());
      } catch {
        throw bad(`The header ${name} has no text for its value`);
      }
    }
  }

  async #body(headers: Headers): Promise<Uint8Array<ArrayBuffer> | null> {
    const length = headers.get("content-length");
    const coding = headers.get("transfer-encoding");
    if (coding !== null && (length !== null || coding.toLowerCase() !== "chunked")) {
      throw bad("A body has a content-length, or the transfer-encoding chunked");
    }
    if (length !== null && !/^\d{1,15}$/.test(length)) {
      throw bad(`content-length "${length.slice(0, 40)}" must be a number`);
    }
    const bytes = Number(length ?? 0);
    if (coding === null && bytes === 0) return null;
    if (bytes > BODY_BYTES_MAX) throw tooLong();
    if (/^100-continue$/i.test(headers.get("expect") ?? "")) {
      await this.#connection.write(new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return coding === null ? await this.#take(bytes) : await this.#chunks();
  }

  async #chunks(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let total = 0;;) {
      const line = await this.#line(CHUNK_LINE_BYTES_MAX);
      const size = /^([0-9a-fA-F]{1,8})[ \t]*(;.*)?$/.exec(line ?? "")?.[1];
      if (size === undefined) throw bad("A chunk begins with its size in hex digits");
      const bytes = parseInt(size, 16);
      if (bytes === 0) break;
      total += bytes;
      if (total > BODY_BYTES_MAX) throw tooLong();
      parts.push(await this.#take(bytes));
      if (await this.#line(HEAD_BYTES_MAX) !== "") throw bad("A chunk ends with a line end");
    }
    await this.#headers(HEAD_BYTES_MAX);
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }

  /** A line without its end; null: the connection ends before it. */
  async #line(bytesMax: number): Promise<string | null> {
    for (let at = this.#start;; at++) {
      if (at - this.#start > bytesMax) {
        throw bad(`The head of a request has at most ${HEAD_BYTES_MAX} bytes`);
      }
      if (at === this.#end) {
        const skipped = at - this.#start;
        if (!await this.#read()) return null;
        at = this.#start + skipped;
      }
      if (this.#bytes[at] !== LF) continue;
      const end = at > this.#start && this.#bytes[at - 1] === CR ? at - 1 : at;
      const line = this.#bytes.subarray(this.#start, end);
      this.#start = at + 1;
      if (line.includes(0) || line.includes(CR)) throw bad("A line has a control character");
      return new TextDecoder("latin1").decode(line);
    }
  }

  async #take(bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#end - this.#start < bytes) {
      if (!await this.#read()) throw bad("The request ends in its body");
    }
    const taken = this.#bytes.slice(this.#start, this.#start + bytes);
    this.#start += bytes;
    return taken;
  }

  /** Reads some more behind what is there. @returns false: the other end has said all */
  async #read(): Promise<boolean> {
    const have = this.#bytes.subarray(this.#start, this.#end);
    if (this.#start > 0 || this.#end === this.#bytes.length) {
      const room = have.length > this.#bytes.length / 2
        ? 2 * this.#bytes.length
        : this.#bytes.length;
      const bytes = new Uint8Array(new ArrayBuffer(room));
      bytes.set(have);
      this.#bytes = bytes;
      this.#end = have.length;
      this.#start = 0;
    }
    const got = await this.#connection.read(this.#bytes.subarray(this.#end));
    this.#end += got ?? 0;
    return got !== null;
  }
}

function tooLong(): ControlError {
  return bad("A request has at most 65536 bytes");
}

function urlOf(target: string): string {
  try {
    // What begins with two slashes is a path, too, and names no host (RFC 9112 §3.2.1).
    if (target.startsWith("/")) return new URL(`http://vuswitch${target}`).href;
    const { href, protocol } = new URL(target);
    if (protocol === "http:") return href;
  } catch {
    // Said below.
  }
  throw bad(`"${target.slice(0, 80)}" is no target of a request`);
}

function makeRequest(
  url: string,
  method: string,
  headers: Headers,
  body: Uint8Array<ArrayBuffer> | null,
  signal: AbortSignal | null,
): Request {
  try {
    // A body of a GET means nothing (RFC 9110 §9.3.1).
    const isBare = method === "GET" || method === "HEAD";
    return new Request(url, { method, headers, body: isBare ? null : body, signal });
  } catch {
    throw bad(`Nothing here has the method ${method.slice(0, 40)}`);
  }
}
