/**
 * The socket at which a service manager listens (sd_notify(3)), of a path or an abstract name.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";

/** A socket such as systemd's. */
export class NotifySocket implements Disposable {
  readonly #fd: number;

  constructor(name: string) {
    this.#fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const bytes = new TextEncoder().encode(name.replace("@", "\0"));
    const sockaddr = new Uint8Array(new ArrayBuffer(2 + bytes.length));
    new DataView(sockaddr.buffer).setUint16(0, AF_UNIX, true);
    sockaddr.set(bytes, 2);
    assert.equal(libc.bind(this.#fd, sockaddr, sockaddr.length), 0);
  }

  /** What has come and was not taken yet. */
  take(): string[] {
    const into = new Uint8Array(new ArrayBuffer(4096));
    const texts: string[] = [];
    for (;;) {
      const bytes = Number(libc.read(this.#fd, into, BigInt(into.length)));
      if (bytes < 0) return texts;
      texts.push(new TextDecoder().decode(into.subarray(0, bytes)));
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}
