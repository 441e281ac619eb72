// deno-lint-ignore-file no-non-null-assertion
/**
 * Frames through connected unix sockets, from and to memory that is named by its address: what the
 * data plane calls for every burst, so nothing here allocates but where descriptors came along.
 *
 * Memory that is not there any more is EFAULT here, never a signal: the kernel does the copying.
 *
 * @module
 */
import {
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSGHDR_CONTROL,
  MSGHDR_CONTROLLEN,
  MSGHDR_IOV,
  MSGHDR_IOVLEN,
  SCM_MAX_FD,
  SIZEOF_CMSGHDR,
  SIZEOF_IOVEC,
  SIZEOF_MMSGHDR,
  SIZEOF_MSGHDR,
  SO_PASSRIGHTS,
  SO_SNDBUF,
  SOL_SOCKET,
} from "./abi.ts";
import { errno } from "./errno.ts";
import { addressOf } from "./memory.ts";
import { controlFds } from "./socket.ts";
import { libc } from "./symbols.ts";

/** Packets of one call. */
export const PACKETS_PER_CALL = 128;

/** A message header, its one vector, and room for all descriptors the kernel puts into a message. */
const CONTROL_AT = SIZEOF_MSGHDR + SIZEOF_IOVEC;
const CONTROL_BYTES = SIZEOF_CMSGHDR + 4 * (SCM_MAX_FD + 3);
const incoming = new Uint8Array(new ArrayBuffer(CONTROL_AT + CONTROL_BYTES));
const incomingView = new DataView(incoming.buffer);
const outgoing = new Uint8Array(new ArrayBuffer(SIZEOF_MMSGHDR * PACKETS_PER_CALL));
const outgoingWords = new Uint32Array(outgoing.buffer);

const incomingAddress = addressOf(incoming.buffer);
incomingView.setBigUint64(MSGHDR_IOV, BigInt(incomingAddress + SIZEOF_MSGHDR), true);
incomingView.setBigUint64(MSGHDR_IOVLEN, 1n, true);
incomingView.setBigUint64(MSGHDR_CONTROL, BigInt(incomingAddress + CONTROL_AT), true);

const incomingWords = new Uint32Array(incoming.buffer, 0, CONTROL_AT / 4);
const VECTOR_WORD = SIZEOF_MSGHDR / 4;
const CONTROLLEN_WORD = MSGHDR_CONTROLLEN / 4;

/**
 * Receives what is there, at most `sizeBytes`, at a host address; of a packet that is longer, the
 * front. @returns bytes; 0: the peer has closed; or -errno (-EAGAIN: nothing there). Never throws.
 */
export function receiveAt(fd: number, address: number, sizeBytes: number): number {
  incomingWords[VECTOR_WORD] = address >>> 0;
  incomingWords[VECTOR_WORD + 1] = (address / 2 ** 32) | 0;
  incomingWords[VECTOR_WORD + 2] = sizeBytes;
  incomingWords[CONTROLLEN_WORD] = CONTROL_BYTES;
  const bytes = libc.recvmsg_frames(fd, incoming, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  return bytes < 0 ? -errno() : bytes;
}

/** Whether anything but bytes came with the last {@linkcode receiveAt}. */
export function cameWithControl(): boolean {
  return incomingWords[CONTROLLEN_WORD] !== 0;
}

/** Descriptors that came with the last {@linkcode receiveAt}. The caller owns them. */
export function takeControlFds(): number[] {
  return controlFds(incomingView, CONTROL_AT, CONTROL_AT + incomingWords[CONTROLLEN_WORD]!);
}

function setMessage(message: number, vectorsAddress: number, vectors: number): void {
  const word = message * SIZEOF_MMSGHDR / 4;
  outgoingWords[word + MSGHDR_IOV / 4] = vectorsAddress >>> 0;
  outgoingWords[word + MSGHDR_IOV / 4 + 1] = (vectorsAddress / 2 ** 32) | 0;
  outgoingWords[word + MSGHDR_IOVLEN / 4] = vectors;
}

/**
 * Sends the bytes that a list of vectors (`struct iovec`) at a host address names, as far as there is
 * room. @returns bytes taken, or -errno (-EAGAIN: no room). Never throws, never blocks.
 */
export function sendVectors(fd: number, vectorsAddress: number, vectors: number): number {
  setMessage(0, vectorsAddress, vectors);
  const bytes = libc.sendmsg_frames(fd, outgoing, MSG_DONTWAIT | MSG_NOSIGNAL);
  return bytes < 0 ? -errno() : bytes;
}

/**
 * Sends packets. @param starts of each packet, from `first` on, the number of its first vector, then
 * the end of the last one's @param count at most {@linkcode PACKETS_PER_CALL}
 * @returns packets taken, at least one, or -errno of the first. Never throws, never blocks.
 */
export function sendPackets(
  fd: number,
  vectorsAddress: number,
  starts: Int32Array,
  first: number,
  count: number,
): number {
  for (let packet = 0; packet < count; packet++) {
    const start = starts[first + packet]!;
    const vectors = starts[first + packet + 1]! - start;
    setMessage(packet, vectorsAddress + start * SIZEOF_IOVEC, vectors);
  }
  const packets = libc.sendmmsg(fd, outgoing, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return packets < 0 ? -errno() : packets;
}

/** What a socket of frames keeps for a peer that is slow, as far as the system allows, bytes. */
const SEND_BUFFER_BYTES = 4 * 2 ** 20;

/**
 * Prepares a connected socket for frames: a long send buffer, and no descriptors from its peer where
 * the kernel can refuse them (Linux 6.16). Best effort.
 */
export function prepareFrameSocket(fd: number): void {
  const value = new Int32Array([SEND_BUFFER_BYTES]);
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, value, 4);
  value[0] = 0;
  libc.setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, value, 4);
}
