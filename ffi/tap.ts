/**
 * TAP devices, and macvtap's, which are the same once opened: Ethernet frames by read(2) and
 * writev(2), each with a virtio-net header in front (kernel: Documentation/networking/tuntap.rst).
 *
 * @module
 */
import {
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_PERSIST,
  IFF_TAP,
  IFF_VNET_HDR,
  IFREQ_VALUE,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  TUNGETIFF,
  TUNSETCARRIER,
  TUNSETIFF,
  TUNSETOFFLOAD,
  TUNSETVNETHDRSZ,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { ifreq } from "./network_device.ts";
import { libc } from "./symbols.ts";

/** Where queues of TAP devices come from. */
export const TUN_PATH = "/dev/net/tun";

/** A queue of a device. */
export interface TapQueue {
  /** Does not block. The caller owns it. */
  readonly fd: number;
  /** Name of the device; the kernel chooses for a template such as `vusw%d`. */
  readonly name: string;
  /** It may have several queues. */
  readonly multiQueue: boolean;
  /** It stays when its last descriptor is closed. */
  readonly persistent: boolean;
}

function nameIn(request: DataView<ArrayBuffer>): string {
  const bytes = new Uint8Array(request.buffer, 0, IFREQ_VALUE);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

/**
 * Opens a queue of a TAP device; one that is not there is made, and ends with its last descriptor.
 * @param path TUN_PATH, or a macvtap device's own file, which has the name already
 * @param name of the device, empty for macvtap's
 * @throws {SystemError} ENOENT, EACCES: the file; EPERM: it is another user's, or there is none and
 * making one needs CAP_NET_ADMIN; EBUSY: somebody has its one queue; EINVAL: made with or without
 * several queues, or no TAP device; E2BIG: all queues are in use
 */
export function openTap(path: string, name: string, multiQueue: boolean): TapQueue {
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw new SystemError("open", errno(), path);
  const request = ifreq(name);
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multiQueue ? IFF_MULTI_QUEUE : 0);
  request.setUint16(IFREQ_VALUE, flags, true);
  if (libc.ioctl(fd, TUNSETIFF, request.buffer) === 0) return tapQueue(fd);
  const code = errno();
  libc.close(fd);
  throw new SystemError("ioctl", code, `TUNSETIFF ${name === "" ? path : name}`);
}

/**
 * Of a descriptor that is a queue of a TAP device already, who it belongs to.
 * @throws {SystemError} it is none, or its device is gone; {RangeError} it carries no Ethernet frames,
 * or without virtio-net header
 */
export function tapQueue(fd: number): TapQueue {
  const request = ifreq("");
  if (libc.ioctl(fd, TUNGETIFF, request.buffer) !== 0) {
    throw new SystemError("ioctl", errno(), `fd ${fd} is no queue of a TAP device`);
  }
  const flags = request.getUint16(IFREQ_VALUE, true);
  if ((flags & IFF_TAP) === 0) throw new RangeError("it is a TUN device: no Ethernet frames");
  if ((flags & IFF_NO_PI) === 0 || (flags & IFF_VNET_HDR) === 0) {
    throw new RangeError("it was opened without IFF_NO_PI or IFF_VNET_HDR");
  }
  const multiQueue = (flags & IFF_MULTI_QUEUE) !== 0;
  return { fd, name: nameIn(request), multiQueue, persistent: (flags & IFF_PERSIST) !== 0 };
}

function setNumber(fd: number, request: bigint, value: number, what: string): void {
  if (libc.ioctl(fd, request, new Int32Array([value])) === 0) return;
  throw new SystemError("ioctl", errno(), `${what} ${value}`);
}

/** Sets the bytes of the virtio-net header: those of the opener before may be in force. @throws */
export function setTapHeader(fd: number, headerBytes: number): void {
  setNumber(fd, TUNSETVNETHDRSZ, headerBytes, "TUNSETVNETHDRSZ");
}

/** Sets the device's carrier. @throws {SystemError} */
export function setTapCarrier(fd: number, on: boolean): void {
  setNumber(fd, TUNSETCARRIER, on ? 1 : 0, "TUNSETCARRIER");
}

/**
 * Sets the forms of frames that are read besides finished ones, TUN_F flags; frames that wait keep
 * theirs. @returns false: the kernel does not know all of them
 */
export function setTapOffload(fd: number, flags: number): boolean {
  return libc.ioctl_value(fd, TUNSETOFFLOAD, BigInt(flags)) === 0;
}

/**
 * Reads one frame with its header. One fast call, no checks; see errno(). Data-plane thread.
 * @returns bytes; what does not fit is cut off without a sign. -1: EAGAIN: none is there; EBADFD: the
 * device is gone
 */
export const readFrame: (fd: number, into: Uint8Array<ArrayBuffer>, sizeBytes: number) => number =
  libc.read_frame;

/**
 * Writes one frame, its header first, gathered from `count` pieces. Likewise.
 * @param vectors `struct iovec`, 16 bytes each: base u64, length u64
 * @returns bytes, or -1: EAGAIN: no room; EIO: the device is down; EBADFD: it is gone; EFAULT: a piece
 * is not there; EINVAL: a header that contradicts the frame
 */
export const writeFrame: (fd: number, vectors: Uint8Array<ArrayBuffer>, count: number) => number =
  libc.write_frame;
