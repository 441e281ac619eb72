/**
 * A socket that takes long to close: it lingers over data that nobody reads.
 *
 * @module
 */
import { strict as assert } from "node:assert";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const MSG_DONTWAIT = 0x40;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
});

/** A TCP connection to nobody in particular. */
export class LingeringSocket implements Disposable {
  /** The end whose last close() blocks. */
  readonly fd: number;
  #over = false;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

  /** @param seconds how long close() takes */
  constructor(seconds: number) {
    const { port } = this.#listener.addr as Deno.NetAddr;
    this.fd = libc.socket(AF_INET, SOCK_STREAM, 0);
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_INET, true);
    view.setUint16(2, port);
    address.set([127, 0, 0, 1], 4);
    assert.equal(libc.connect(this.fd, address, address.length), 0);
    const linger = new Uint8Array(new Int32Array([1, seconds]).buffer);
    assert.equal(libc.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, linger, linger.length), 0);
    const data = new Uint8Array(65536);
    while (libc.send(this.fd, data, BigInt(data.length), MSG_DONTWAIT) > 0n);
  }

  /** The other end goes: nothing lingers any more. */
  [Symbol.dispose](): void {
    if (!this.#over) this.#listener.close();
    this.#over = true;
  }
}
