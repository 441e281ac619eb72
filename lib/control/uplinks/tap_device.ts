/**
 * Opening the queues of a TAP device as this switch wants them, and what an operator can do where
 * that fails.
 *
 * @module
 */
import {
  closeFd,
  dupFd,
  EACCES,
  EBUSY,
  EINVAL,
  ENOENT,
  EPERM,
  networkDevice,
  openTap,
  setNetworkDeviceMtu,
  setNetworkDeviceUp,
  setNonBlocking,
  setTapHeader,
  setTapOffload,
  staysOpen,
  SystemError,
  type TapQueue,
  tapQueue,
  TUN_PATH,
} from "../../../ffi/mod.ts";
import { present } from "../../base/assert.ts";
import { TAP_HEADER_BYTES } from "../../switch/ports/lane_port.ts";
import {
  ALL_OFFLOADS,
  NO_OFFLOADS,
  OFFLOAD_CSUM,
  OFFLOAD_ECN,
  OFFLOAD_TSO,
} from "../../virtio/offloads.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** What an operator named. */
export interface TapTarget {
  /** Of the port, for messages. */
  readonly port: string;
  /** Device name or template; empty: the file or descriptor knows. */
  readonly name: string;
  /** A macvtap device's own file, or null. */
  readonly file: string | null;
  /** A descriptor that whoever started us left open, or null. */
  readonly fd: number | null;
  /** Queues, from 1. */
  readonly queues: number;
  /** MTU that the device must have, or null. */
  readonly mtu: number | null;
}

/** A device that is open. */
export interface OpenTap {
  /** Its name. */
  readonly name: string;
  /** A descriptor for each queue, the caller's. */
  readonly fds: number[];
  /** What frames may ask for, OFFLOAD_ bits. */
  readonly offloads: number;
  /** It stays without its descriptors: somebody else made it. */
  readonly persistent: boolean;
  /** It was not there before, and ends with its descriptors. */
  readonly made: boolean;
}

/** What the configuration of a port says. */
export function readTapTarget(config: PortConfig): TapTarget {
  const text = config.path.replace(/^tap:/, "");
  const fd = /^fd=(\d+)$/.exec(text)?.[1];
  const file = text.startsWith("/") ? text : null;
  return {
    port: config.name,
    name: fd === undefined && file === null ? text : "",
    file,
    fd: fd === undefined ? null : Number(fd),
    queues: config.queuePairs ?? 1,
    mtu: config.mtu ?? null,
  };
}

/** What is to be done about it, for the reasons that there are. */
function hintFor(error: SystemError, { name, file, queues }: TapTarget): string | null {
  const mq = queues > 1 ? " multi_queue" : "";
  const made = `ip tuntap add dev ${name} mode tap user $(id -un) vnet_hdr${mq}`;
  if (error.syscall === "socket") {
    return "--sandbox has given up news of devices: start with one, such as -p up=tap:vsw0";
  }
  if (error.syscall === "open") {
    if (error.code === ENOENT && file === null) {
      return "modprobe tun, or mknod /dev/net/tun c 10 200";
    }
    if (error.code === ENOENT) return "the number is the device's: cat /sys/class/net/NAME/ifindex";
    if (error.code === EACCES || error.code === EPERM) {
      return `it needs the right to read and write ${file ?? TUN_PATH}`;
    }
  }
  if (error.code === EPERM) {
    return networkDevice(name) === null
      ? `making a device needs CAP_NET_ADMIN; once, as root: ${made}`
      : `it belongs to another user; as root: ip link del ${name} && ${made}`;
  }
  if (error.code === EBUSY) {
    return "another program has its queue, or it is in no state to be opened";
  }
  if (error.code === EINVAL) {
    return queues > 1
      ? `it is no TAP device, or was made without multi_queue: queues=1, or make it with${mq}`
      : "it is no TAP device";
  }
  return null;
}

/** Why a device cannot be had, as an operator's line. */
export function tapError(error: unknown, target: TapTarget): ControlError {
  if (error instanceof ControlError) return error;
  const what = `Cannot add port ${target.port}`;
  if (error instanceof SystemError) {
    const kind = error.code === EBUSY ? "conflict" : "failed";
    const device = target.file ?? (target.fd === null ? target.name : `fd ${target.fd}`);
    return new ControlError(
      kind,
      `${what}: tap device ${device}: ${error.message}`,
      hintFor(error, target),
    );
  }
  if (error instanceof RangeError) return new ControlError("invalid", `${what}: ${error.message}`);
  throw error;
}

/**
 * A queue that whoever started us left open, by a descriptor of our own: theirs stays open, and the
 * port may come again. One of ours has the queue of another port. @throws {ControlError}
 */
function takeLeftOpen(fd: number, port: string): TapQueue {
  const queue = tapQueue(fd);
  if (!staysOpen(fd)) {
    throw new ControlError(
      "invalid",
      `Cannot add port ${port}: fd ${fd} is the switch's own`,
      "name one that whoever started the switch left open",
    );
  }
  const copy = dupFd(fd);
  // A read would stop the data plane until a frame comes.
  setNonBlocking(copy);
  return { ...queue, fd: copy };
}

/** The first queue. A device made for several queues is opened so even if one is enough. */
function openFirst({ port, name, file, fd, queues }: TapTarget): TapQueue {
  if (fd !== null) return takeLeftOpen(fd, port);
  if (file !== null) return openTap(file, "", queues > 1);
  try {
    return openTap(TUN_PATH, name, queues > 1);
  } catch (error) {
    const other = error instanceof SystemError && error.code === EINVAL && queues === 1;
    if (!other) throw error;
    return openTap(TUN_PATH, name, true);
  }
}

/** Offloads to ask a kernel for, the most first: all, those before 6.2, TCP without ECN, checksums. */
const OFFLOADS: readonly number[] = [
  ALL_OFFLOADS,
  OFFLOAD_CSUM | OFFLOAD_TSO | OFFLOAD_ECN,
  OFFLOAD_CSUM | OFFLOAD_TSO,
  OFFLOAD_CSUM,
];

/** Has the kernel hand over frames in as many forms as it knows. @returns which, OFFLOAD_ bits */
function setOffloads(fd: number): number {
  const known = OFFLOADS.find((each) => setTapOffload(fd, each));
  if (known === undefined) setTapOffload(fd, NO_OFFLOADS);
  return known ?? NO_OFFLOADS;
}

/** Gives a device the MTU that its port is to have. @throws {ControlError} it cannot have that */
export function setTapMtu(name: string, { port, fd, mtu }: TapTarget): void {
  // One that was handed over is as whoever made it wants it.
  if (fd !== null) return;
  const now = networkDevice(name)?.mtu;
  if (mtu === null || now === undefined || now === mtu) return;
  try {
    setNetworkDeviceMtu(name, mtu);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const text = `Cannot add port ${port}: ${name} has MTU ${now}, and cannot be given ${mtu}`;
    const hint = error.code === EPERM
      ? `that needs CAP_NET_ADMIN; as root: ip link set ${name} mtu ${mtu}`
      : "a TAP device has 68 to 65521";
    throw new ControlError("invalid", text, hint);
  }
}

/**
 * Opens the queues of a device, makes it if it is not there, and sets what whoever had it before may
 * have set otherwise. @throws {ControlError} nothing of it is left open
 */
export function openQueues(target: TapTarget): OpenTap {
  const fds: number[] = [];
  try {
    const made = target.name !== "" && networkDevice(target.name) === null;
    const first = openFirst(target);
    const { name, multiQueue } = first;
    fds.push(first.fd);
    const path = target.file ?? TUN_PATH;
    const again = target.file === null ? name : "";
    while (fds.length < target.queues) fds.push(openTap(path, again, multiQueue).fd);
    for (const fd of fds) setTapHeader(fd, TAP_HEADER_BYTES);
    // Of the device, not of one queue.
    const offloads = setOffloads(first.fd);
    if (made) setNetworkDeviceUp(name);
    return { name, fds, offloads, persistent: first.persistent, made };
  } catch (error) {
    for (const fd of fds) closeFd(present(fd, "a descriptor"));
    throw tapError(error, target);
  }
}
