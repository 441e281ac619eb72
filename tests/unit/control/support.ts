/**
 * For tests of the control thread: a data plane that only checks what it is told, a front-end's end
 * of a connection, and counts of what this process holds.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  closeFd,
  connectUnix,
  createEventFd,
  createMemoryFile,
  EAGAIN,
  receive,
  send,
} from "../../../ffi/mod.ts";
import type { LogFields, Logger } from "../../../lib/control/log.ts";
import { ControlError } from "../../../lib/control/types.ts";
import type { BlockingPool } from "../../../lib/control/front_end/tenant_fds.ts";
import { until, WAIT_MS_MAX } from "../../harness/until.ts";
import { encodeMessage, HEADER_BYTES } from "../../../lib/vhost/wire/message.ts";

/** A log that keeps its lines as `event message`. */
export function keptLog(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (_component: string, event: string, message: string, fields?: LogFields): void => {
    lines.push(`${event} ${message} ${JSON.stringify(fields ?? {})}`);
  };
  return { logger: { debug: write, info: write, warn: write, error: write }, lines };
}

/** For `assert.throws` and `rejects`: an operator's mistake of this kind, said in one line. */
export function controlError(kind: ControlError["kind"], text: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ControlError, `${error}`);
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, text);
    assert(!error.message.includes("\n"), error.message);
    return true;
  };
}

/** Descriptors and mappings of memfds that this process holds. */
export function held(): { fds: number; maps: number } {
  const fds = Array.from(Deno.readDirSync("/proc/self/fd")).length;
  const maps =
    Deno.readTextFileSync("/proc/self/maps").split("\n").filter((line) =>
      line.includes("/memfd:test-")
    ).length;
  return { fds, maps };
}

/** Waits until this process holds what it held `before`: descriptors close off the thread. */
export async function untilHeld(before: { fds: number; maps: number }): Promise<void> {
  const what = `descriptors and mappings are ${JSON.stringify(before)}, not ${
    JSON.stringify(held())
  }`;
  await until(what, () => {
    const now = held();
    return now.fds <= before.fds && now.maps <= before.maps;
  });
}

/** Waits until no call on a tenant's descriptor is under way: the next test counts them as its. */
export async function untilIdle(pool: BlockingPool): Promise<void> {
  assert(await pool.idle(WAIT_MS_MAX), `${pool.running} calls off the thread are under way`);
}

/** A front-end's end of a connection. Owns its socket. */
export class Client {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  static connect(path: string): Client {
    return new Client(connectUnix(path));
  }

  /** Sends a message with copies of descriptors, which stay the caller's. */
  send(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
    flags = 1,
  ): void {
    const bytes = encodeMessage(request, flags, payload);
    assert.equal(send(this.fd, bytes, fds), bytes.length);
  }

  /** Sends descriptors made for the message, and closes them here. */
  give(request: number, payload: Uint8Array, fds: readonly number[], flags = 1): void {
    this.send(request, payload, fds, flags);
    for (const fd of fds) closeFd(fd);
  }

  /** The next reply's request and payload; null when the other side closed. */
  async reply(): Promise<{ request: number; payload: DataView } | null> {
    const header = await this.#read(HEADER_BYTES);
    if (!header) return null;
    assert.equal(header.getUint32(4, true), 0x5);
    const payload = await this.#read(header.getUint32(8, true));
    assert(payload);
    return { request: header.getUint32(0, true), payload };
  }

  /** The u64 in the next reply, to this request. */
  async u64(request: number): Promise<bigint> {
    const reply = await this.reply();
    assert(reply, "the connection was closed instead of a reply");
    assert.equal(reply.request, request);
    return reply.payload.getBigUint64(0, true);
  }

  /** Asks for a u64. */
  ask(request: number): Promise<bigint> {
    this.send(request);
    return this.u64(request);
  }

  /** Waits until the other side closes. */
  async closed(): Promise<void> {
    while (await this.reply() !== null);
  }

  async #read(bytes: number): Promise<DataView | null> {
    const buffer = new Uint8Array(new ArrayBuffer(bytes));
    let have = 0;
    let over = false;
    await until(`${bytes} bytes came`, () => {
      while (have < bytes && !over) {
        const got = receive(this.fd, buffer.subarray(have));
        if (got.bytes === -EAGAIN) return false;
        if (got.bytes <= 0) over = true;
        else have += got.bytes;
      }
      return true;
    });
    return over ? null : new DataView(buffer.buffer);
  }

  close(): void {
    closeFd(this.fd);
  }
}

/** A guest's memory file. */
export function memoryFile(sizeBytes: number, seals?: number): number {
  return createMemoryFile("test-guest", sizeBytes, seals);
}

/** New eventfds. */
export function eventFds(count: number): number[] {
  return Array.from({ length: count }, () => createEventFd());
}
