/**
 * How a guest is attached to a port: what the port has, what the operator says besides, and what
 * each program is told of it (qemu.ts, libvirt.ts, …).
 *
 * @module
 */
import { ControlError, type PortConfig } from "../control/types.ts";

/** A port, as the switch or a specification says. */
export interface AttachTo {
  /** Its name, or a listener's template. */
  readonly name: string;
  /** Path of its socket, absolute; anything else is refused. */
  readonly socket: string;
  /** Who makes the socket: the switch (`listen`) or the front-end. */
  readonly mode: "listen" | "connect";
  /** What front-ends are offered; null: it is for no front-end. */
  readonly offered: {
    /** At most so many; null: all that there can be. */
    readonly queuePairs: number | null;
    /** Bytes, or null. */
    readonly mtu: number | null;
    /** Address of the guest's NIC, if one was named. */
    readonly mac: string | null;
    /** What is off by default. */
    readonly words: readonly string[];
  } | null;
  /** What it has behind it; `vhost` if not given. */
  readonly kind?: "vhost" | NonNullable<PortConfig["kind"]>;
  /** Nothing passes between it and another uplink. */
  readonly uplink?: boolean;
  /** Bytes, or null: what the operator said. */
  readonly mtu?: number | null;
}

/** As typed; what is left out is undefined. */
export interface AttachWords {
  /** Size of the guest's memory, such as `512M`. */
  readonly memory?: string;
  /** Queue pairs. */
  readonly queues?: string;
  /** Address of the NIC. */
  readonly mac?: string;
  /** The NIC alone: the guest's memory is shared already. */
  readonly nic?: boolean;
  /** With packed rings. */
  readonly packed?: boolean;
}

/** All that a program is told. */
export interface Attachment {
  /** Name of the port. */
  readonly port: string;
  /** Its socket. */
  readonly socket: string;
  /** The front-end makes the socket. */
  readonly listens: boolean;
  /** Queue pairs, 1-32. */
  readonly queues: number;
  /** Bytes; null: what the program takes by itself. */
  readonly mtu: number | null;
  /** Address of the NIC. */
  readonly mac: string;
  /** The guest may have an IOMMU in front of the NIC. */
  readonly iommu: boolean;
  /** Memory of the guest, MiB. */
  readonly memoryMib: number;
  /** The NIC alone. */
  readonly nic: boolean;
  /** With packed rings. */
  readonly packed: boolean;
}

/** What is printed. */
export interface EmittedAttachment {
  /** Name of the port. */
  readonly port: string;
  /** Its socket. */
  readonly socket: string;
  /** Address of the NIC. */
  readonly mac: string;
  /** Queue pairs. */
  readonly queues: number;
  /** Bytes, or null. */
  readonly mtu: number | null;
  /** Words of a command line; none where a file is printed. */
  readonly words: readonly string[];
  /** A file, line by line; empty where words are printed. */
  readonly file: readonly string[];
}

const QUEUE_PAIRS_MAX = 32;
const MEMORY_MIB_MAX = 8 * 2 ** 20;
const UNITS: Readonly<Record<string, number>> = { M: 1, G: 2 ** 10, T: 2 ** 20 };
/** What no program's command line needs quotes for. */
const PLAIN = /^[A-Za-z0-9_./@:+-]+$/;

function invalid(message: string, hint: string | null = null): ControlError {
  return new ControlError("invalid", message, hint);
}

function readMemory(given: string): number {
  const [, digits = "", unit = ""] = /^([1-9]\d{0,8})([MGT])$/.exec(given) ?? [];
  const mib = Number(digits) * (UNITS[unit] ?? 0);
  if (mib >= 1 && mib <= MEMORY_MIB_MAX) return mib;
  throw invalid(`memory ${JSON.stringify(given)} must be a size from 1M to 8T, such as 512M or 4G`);
}

function readQueues(given: string | undefined, most: number | null, port: string): number {
  // A port for 32 is one of which nobody said anything: a guest has as many as it has processors.
  if (given === undefined) return most ?? 1;
  const queues = /^\d{1,2}$/.test(given) ? Number(given) : 0;
  if (queues >= 1 && queues <= (most ?? QUEUE_PAIRS_MAX)) return queues;
  throw invalid(
    `queues ${given} must be a number from 1 to ${most ?? QUEUE_PAIRS_MAX}` +
      `${most === null ? "" : `, as port "${port}" has`}`,
  );
}

function readMac(given: string): string {
  const mac = given.toLowerCase();
  const first = Number.parseInt(mac, 16);
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || first % 2 === 1 || /^[0:]+$/.test(mac)) {
    throw invalid(`mac ${JSON.stringify(given)} must be a station's, such as 52:54:00:00:00:01`);
  }
  return mac;
}

/**
 * An address for a port of which nobody named one: the same each time, another one for each port
 * and host, in the range that QEMU's have. FNV-1a, 24 bits of it.
 */
export function macOfPort(port: string, host: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${host}\n${port}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  const digits = (((hash >>> 24) ^ hash) & 0xffffff).toString(16).padStart(6, "0");
  return `52:54:00:${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4)}`;
}

/** What helps who wants a guest at a port that is for no front-end. */
function helpFor(name: string, kind: string, socket: string): string {
  const path = socket.slice(socket.indexOf(":") + 1);
  if (kind === "stream") {
    return `QEMU attaches there without shared memory: vuswitch emit qemu ${name}`;
  }
  if (kind === "seqpacket") {
    return `there it is slirp4netns: slirp4netns --target-type=bess ${path}`;
  }
  return "name a port with a socket of its own, see: vuswitch port list";
}

/** @param spec what says its path @throws {ControlError} it has none that can be printed */
function checkSocket(name: string, socket: string, spec: string): void {
  // deno-lint-ignore no-control-regex -- they would end a line, or worse
  if (socket.startsWith("/") && !/[\x00-\x1f\x7f]/.test(socket)) return;
  throw invalid(
    `Port "${name}" has a socket without a path that can be printed (${socket})`,
    `say it: --offline ${spec}`,
  );
}

/**
 * The same of a port that is a stream, which has one queue, and whose guest shares no memory.
 * @throws {ControlError} naming the fix
 */
export function readStreamAttachment(
  { name, socket: target, mode, uplink = false, mtu = null }: AttachTo,
  words: AttachWords,
  host: string,
): Attachment {
  const socket = target.slice(target.indexOf(":") + 1);
  checkSocket(name, socket, `${name}=stream:PATH`);
  if (uplink) {
    throw invalid(
      `Port "${name}" is an uplink, and a guest is none: nothing passes between two of them`,
      `a guest's has uplink=off; for the internet by passt: passt -f -s ${socket}`,
    );
  }
  if (words.queues !== undefined && words.queues !== "1") {
    throw invalid(`queues ${words.queues} must be 1: port "${name}" is a stream`);
  }
  return {
    ...{ port: name, socket, listens: mode === "connect", mtu, queues: 1, iommu: false },
    mac: readMac(words.mac ?? macOfPort(name, host)),
    memoryMib: readMemory(words.memory ?? "1G"),
    nic: words.nic ?? false,
    packed: words.packed ?? false,
  };
}

/**
 * Puts together what a port has and what an operator typed.
 * @param host name of this host, for addresses @throws {ControlError} naming the fix
 */
export function readAttachment(
  { name, socket, mode, offered, kind = "vhost" }: AttachTo,
  words: AttachWords,
  host: string,
): Attachment {
  if (offered === null) {
    throw invalid(
      `Port "${name}" is ${socket}, and no vhost-user front-end attaches to that`,
      helpFor(name, kind, socket),
    );
  }
  checkSocket(name, socket, `${name}=PATH`);
  return {
    ...{ port: name, socket, listens: mode === "connect", mtu: offered.mtu },
    queues: readQueues(words.queues, offered.queuePairs, name),
    mac: readMac(words.mac ?? offered.mac ?? macOfPort(name, host)),
    iommu: offered.words.includes("iommu"),
    memoryMib: readMemory(words.memory ?? "1G"),
    nic: words.nic ?? false,
    packed: words.packed ?? false,
  };
}

/** Words for a command line. */
export function asWords(attachment: Attachment, words: readonly string[]): EmittedAttachment {
  const { port, socket, mac, queues, mtu } = attachment;
  return { port, socket, mac, queues, mtu, words, file: [] };
}

/** A file. */
export function asFile(attachment: Attachment, file: readonly string[]): EmittedAttachment {
  return { ...asWords(attachment, []), file };
}

/** A socket's path in words of a program that has no quotes. @throws {ControlError} */
export function plainPath(program: string, { port, socket }: Attachment): string {
  if (PLAIN.test(socket)) return socket;
  throw invalid(
    `${program} cannot be told the socket of port "${port}", ${JSON.stringify(socket)}`,
    "give the port a path of A-Z a-z 0-9 _ . / @ : + -",
  );
}

/** A size as programs take it. */
export function sizeWord(mib: number): string {
  return mib % 1024 === 0 ? `${mib / 1024}G` : `${mib}M`;
}

/** What is printed: a file as it is, words in one line for a shell. */
export function attachmentText({ words, file }: EmittedAttachment): string {
  const lines = words.length === 0 ? file : [words.map(shellWord).join(" ")];
  return `${lines.join("\n")}\n`;
}

/** A word as a shell reads it; nothing but a path can need quotes. */
function shellWord(word: string): string {
  return /^[A-Za-z0-9_.,/@:+=%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
