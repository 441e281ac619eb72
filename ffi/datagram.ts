/**
 * Datagrams to a unix socket that somebody else made, path or abstract name (unix(7)).
 *
 * @module
 */
import {
  AF_UNIX,
  SIZEOF_SOCKADDR_UN,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCKET_PATH_BYTES_MAX,
} from "./abi.ts";
import { libc } from "./symbols.ts";

/** The address of a socket. @param name a path, or `@` and an abstract name; null: too long */
function addressOf(name: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length > SOCKET_PATH_BYTES_MAX || bytes.includes(0)) return null;
  const sockaddr = new Uint8Array(new ArrayBuffer(SIZEOF_SOCKADDR_UN));
  new DataView(sockaddr.buffer).setUint16(0, AF_UNIX, true);
  sockaddr.set(bytes, 2);
  if (!name.startsWith("@")) return sockaddr.subarray(0, 2 + bytes.length + 1);
  // An abstract name is told by the NUL in front of it, and ends with the address.
  sockaddr[2] = 0;
  return sockaddr.subarray(0, 2 + bytes.length);
}

/**
 * Sends one datagram, or does not: never blocks, never throws.
 * @returns whether the kernel took it
 */
export function sendDatagram(to: string, text: string): boolean {
  const sockaddr = addressOf(to);
  if (sockaddr === null) return false;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const data = new TextEncoder().encode(text);
  const sent = libc.connect(fd, sockaddr, sockaddr.length) === 0 &&
    Number(libc.write(fd, data, BigInt(data.length))) === data.length;
  libc.close(fd);
  return sent;
}
