/**
 * Network devices of this network namespace by name: what they are, what may be set, and news of
 * them. Asking needs no privilege. Control thread only.
 *
 * @module
 */
import {
  AF_INET,
  AF_NETLINK,
  AF_UNIX,
  ETHTOOL_GLINK,
  IF_NAME_BYTES_MAX,
  IFF_RUNNING,
  IFF_UP,
  IFREQ_VALUE,
  RTMGRP_LINK,
  SIOCETHTOOL,
  SIOCGIFFLAGS,
  SIOCGIFHWADDR,
  SIOCGIFMTU,
  SIOCSIFADDR,
  SIOCSIFFLAGS,
  SIOCSIFMTU,
  SIOCSIFNETMASK,
  SIZEOF_IFREQ,
  SIZEOF_SOCKADDR_NL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
} from "./abi.ts";
import { ENODEV, errno, SystemError } from "./errno.ts";
import { libc } from "./symbols.ts";

/** What {@linkcode networkDevice} finds. */
export interface NetworkDevice {
  /** It is switched on (`ip link set NAME up`). */
  readonly up: boolean;
  /** It is, and its carrier too. */
  readonly running: boolean;
  /** Bytes behind the Ethernet header. */
  readonly mtu: number;
  /** Its MAC address, a text that only tells devices apart. */
  readonly address: string;
}

/** An ifreq of a device. @throws {RangeError} no device can have that name */
export function ifreq(name: string): DataView<ArrayBuffer> {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length > IF_NAME_BYTES_MAX || bytes.includes(0)) {
    throw new RangeError(
      `Cannot use device name ${name}: it must be at most ${IF_NAME_BYTES_MAX} bytes without NUL`,
    );
  }
  const request = new Uint8Array(new ArrayBuffer(SIZEOF_IFREQ));
  request.set(bytes);
  return new DataView(request.buffer);
}

/** Asks with a socket of its own: the caller's network namespace may change. */
function ask(requests: (fd: number) => void, family = AF_UNIX): void {
  const fd = libc.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError("socket", errno());
  try {
    requests(fd);
  } finally {
    libc.close(fd);
  }
}

function control(fd: number, request: bigint, argument: DataView<ArrayBuffer>, what: string): void {
  if (libc.ioctl(fd, request, argument.buffer) === 0) return;
  throw new SystemError("ioctl", errno(), what);
}

/** The MAC address that SIOCGIFHWADDR has put into an ifreq. */
function addressIn(request: DataView<ArrayBuffer>): string {
  return new Uint8Array(request.buffer, IFREQ_VALUE + 2, 6).join(".");
}

/**
 * The MAC address of the device that a queue of it (tap.ts) belongs to, also in another namespace.
 * @throws {SystemError} EBADFD: it is gone
 */
export function queueAddress(fd: number): string {
  const request = ifreq("");
  control(fd, SIOCGIFHWADDR, request, `address of fd ${fd}`);
  return addressIn(request);
}

/** What is so of a device now, or null: there is none of that name. @throws {SystemError} */
export function networkDevice(name: string): NetworkDevice | null {
  const request = ifreq(name);
  try {
    let flags = 0;
    let address = "";
    ask((fd) => {
      control(fd, SIOCGIFFLAGS, request, `flags of ${name}`);
      flags = request.getUint16(IFREQ_VALUE, true);
      control(fd, SIOCGIFHWADDR, request, `address of ${name}`);
      address = addressIn(request);
      control(fd, SIOCGIFMTU, request, `MTU of ${name}`);
    });
    const up = (flags & IFF_UP) !== 0;
    const running = up && (flags & IFF_RUNNING) !== 0;
    return { up, running, mtu: request.getInt32(IFREQ_VALUE, true), address };
  } catch (error) {
    if (error instanceof SystemError && error.code === ENODEV) return null;
    throw error;
  }
}

/**
 * Whether there is a device of that name, once those that are being removed are gone: the other
 * questions see them still, and who opens one then makes it anew.
 */
export function networkDeviceStays(name: string): boolean {
  const request = ifreq(name);
  const command = new Uint32Array([ETHTOOL_GLINK, 0]);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(command));
  request.setBigUint64(IFREQ_VALUE, BigInt(address), true);
  let stays = false;
  ask((fd) => {
    stays = libc.ioctl(fd, SIOCETHTOOL, request.buffer) === 0 || errno() !== ENODEV;
  });
  return stays;
}

/** Switches a device on. @throws {SystemError} EPERM: that needs CAP_NET_ADMIN; ENODEV */
export function setNetworkDeviceUp(name: string): void {
  const request = ifreq(name);
  ask((fd) => {
    control(fd, SIOCGIFFLAGS, request, `flags of ${name}`);
    request.setUint16(IFREQ_VALUE, request.getUint16(IFREQ_VALUE, true) | IFF_UP, true);
    control(fd, SIOCSIFFLAGS, request, `flags of ${name}`);
  });
}

/** Sets a device's MTU. @throws {SystemError} EPERM: that needs CAP_NET_ADMIN; EINVAL, ENODEV */
export function setNetworkDeviceMtu(name: string, mtu: number): void {
  const request = ifreq(name);
  request.setInt32(IFREQ_VALUE, mtu, true);
  ask((fd) => control(fd, SIOCSIFMTU, request, `MTU ${mtu} of ${name}`));
}

/**
 * Gives a device an IPv4 address in place of the one it has, and the kernel a route to that network.
 * @param address 32 bits @param prefix bits of the network
 * @throws {SystemError} EPERM: that needs CAP_NET_ADMIN; ENODEV
 */
export function setNetworkDeviceAddress(name: string, address: number, prefix: number): void {
  const request = ifreq(name);
  request.setUint16(IFREQ_VALUE, AF_INET, true);
  ask((fd) => {
    request.setUint32(IFREQ_VALUE + 4, address);
    control(fd, SIOCSIFADDR, request, `address of ${name}`);
    request.setUint32(IFREQ_VALUE + 4, prefix === 0 ? 0 : -1 << (32 - prefix));
    control(fd, SIOCSIFNETMASK, request, `netmask of ${name}`);
  }, AF_INET);
}

/**
 * A socket that is readable whenever a network device of this namespace came, went or changed. What
 * it says is of no use, that it says something is: {@linkcode drainDeviceNews}. The caller owns it.
 * @throws {SystemError}
 */
export function openDeviceNews(): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new SystemError("socket", errno(), "netlink");
  const address = new DataView(new ArrayBuffer(SIZEOF_SOCKADDR_NL));
  address.setUint16(0, AF_NETLINK, true);
  address.setUint32(8, RTMGRP_LINK, true);
  if (libc.bind(fd, address.buffer, SIZEOF_SOCKADDR_NL) === 0) return fd;
  const code = errno();
  libc.close(fd);
  throw new SystemError("bind", code, "netlink");
}

/** Messages read at once at most: more of them wake the thread again. */
const DRAIN_MAX = 256;
const unread = new Uint8Array(new ArrayBuffer(4096));

/** Takes the news off the socket. A message that is longer is cut, lost ones (ENOBUFS) are news too. */
export function drainDeviceNews(fd: number): void {
  for (let i = 0; i < DRAIN_MAX && libc.read_frame(fd, unread, unread.length) > 0; i++);
}
