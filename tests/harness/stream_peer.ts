/**
 * A process at the other end of a `stream:` or `seqpacket:` port, which keeps to the framing unless a
 * test has it do otherwise.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { concat } from "@std/bytes/concat";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  EAGAIN,
  listenUnix,
  receive,
  send,
  type UnixType,
} from "../../ffi/mod.ts";
import { framed, unframe } from "./burst_frames.ts";
import { until } from "./until.ts";

/** Such a process. Leave its scope. */
export class StreamPeer implements Disposable {
  readonly #type: UnixType;
  #fd: number;
  #received: Uint8Array[] = [];
  #waiting: Uint8Array[] = [];
  /** The switch has hung up. */
  ended = false;
  /** Whole frames that came so far. */
  frames = 0;

  /** Takes over a connected socket. */
  constructor(fd: number, type: UnixType = "stream") {
    this.#fd = fd;
    this.#type = type;
  }

  /** Connects to a port in mode listen. */
  static connect(path: string, type: UnixType = "stream"): StreamPeer {
    return new StreamPeer(connectUnix(path, type), type);
  }

  /** Sends bytes as they are, all of them. @returns false: the switch has hung up */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    let at = 0;
    let open = true;
    await until("the switch reads", () => {
      while (open && at < bytes.length) {
        const sent = send(this.#fd, bytes.subarray(at));
        if (sent === -EAGAIN) return false;
        if (sent < 0) open = false;
        else at += sent;
      }
      return true;
    });
    return open;
  }

  /** Sends frames, each in the way of its socket. */
  async send(...frames: readonly Uint8Array[]): Promise<void> {
    if (this.#type === "stream") assert(await this.write(framed(frames)));
    else for (const frame of frames) assert(await this.write(new Uint8Array(frame)));
  }

  /** Takes in what is there. */
  #read(): void {
    const buffer = new Uint8Array(1 << 18);
    for (;;) {
      const { bytes, fds } = receive(this.#fd, buffer);
      assert.deepEqual(fds, []);
      if (bytes === -EAGAIN) return;
      if (bytes <= 0) {
        this.ended = true;
        return;
      }
      if (this.#type === "stream") this.#received.push(buffer.slice(0, bytes));
      else {
        this.#waiting.push(buffer.slice(0, bytes));
        this.frames++;
      }
    }
  }

  /** Whole frames that came since the last call. */
  receive(): Uint8Array[] {
    if (!this.ended) this.#read();
    const stream = concat(this.#received);
    const { frames, left } = unframe(stream);
    this.frames += frames.length;
    this.#received = left === 0 ? [] : [stream.slice(stream.length - left)];
    return [...this.#waiting.splice(0), ...frames];
  }

  /** Waits for a frame; those before it are forgotten. */
  async waitFor(what: string, wanted: (frame: Uint8Array) => boolean): Promise<Uint8Array> {
    let found: Uint8Array | undefined;
    await until(what, () => {
      const frames = this.receive();
      const at = frames.findIndex(wanted);
      if (at < 0) return false;
      found = frames[at];
      this.#waiting.push(...frames.slice(at + 1));
      return true;
    });
    return found as Uint8Array;
  }

  /** Waits until the switch has hung up. */
  async waitForEnd(): Promise<void> {
    await until("the switch hangs up", () => {
      this.receive();
      return this.ended;
    });
  }

  /** Hangs up. */
  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A socket that a port in mode connect finds. */
export class StreamListener implements Disposable {
  readonly #path: string;
  readonly #type: UnixType;
  #fd: number;

  constructor(path: string, type: UnixType = "stream") {
    this.#path = path;
    this.#type = type;
    this.#fd = listenUnix(path, 4, type);
  }

  /** Waits for the switch. */
  async accept(): Promise<StreamPeer> {
    let fd = -1;
    await until("the switch connects", () => (fd = acceptUnix(this.#fd)) >= 0);
    return new StreamPeer(fd, this.#type);
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    closeFd(this.#fd);
    this.#fd = -1;
    Deno.removeSync(this.#path);
  }
}
