/**
 * What a port can have behind it instead of a vhost-user front-end, written `KIND:WHAT` wherever the
 * path of a socket may stand: `NAME=tap:vsw0`.
 *
 * @module
 */
import { resolve } from "node:path";
import { didYouMean } from "../../base/nearest.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** One kind. */
export interface PortTarget {
  /** What stands behind the colon. */
  readonly form: string;
  /** What it is, for the help of a command. */
  readonly brief: string;
  /** What it is, in full, Markdown. */
  readonly meaning: string;
  /** Options of a port that mean something there. */
  readonly options: readonly string[];
  /**
   * Checks what stands behind the colon, and makes a path in it absolute.
   * @param folder of relative paths @throws {ControlError} naming the fix
   */
  readonly read: (what: string, folder: string) => string;
}

/** Name of a network device, or a template such as `vusw%d`, the kernel's limits. */
const DEVICE_NAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

function readTap(what: string): string {
  const fd = /^fd=([0-9]{1,7})$/.exec(what)?.[1];
  if (fd !== undefined) return `fd=${Number(fd)}`;
  const file = resolve("/", what);
  if (what.startsWith("/") && /^\/dev\/\S+$/.test(file)) return file;
  if (!what.startsWith("fd=") && DEVICE_NAME.test(what)) return what;
  throw new ControlError(
    "invalid",
    `tap:${what} must name a device of 1-15 characters such as tap:vsw0, the file of a macvtap ` +
      "device such as tap:/dev/tap7, or a descriptor such as tap:fd=5",
  );
}

/** Checks the path of a socket, which is made absolute. @throws {ControlError} naming the fix */
function readSocket(kind: SocketTargetKind): PortTarget["read"] {
  return (what, folder) => {
    if (what !== "") return resolve(folder, what);
    throw new ControlError("invalid", `${kind}: must name a socket, such as ${kind}:/run/net.sock`);
  };
}

/** The word that needs nothing behind it. */
const NAT = "nat";

function readNothing(what: string): string {
  if (what === "") return "";
  throw new ControlError(
    "invalid",
    `nat:${what} must be nat alone, with options behind a comma: nat,subnet=10.87.0.0/24`,
  );
}

/** Options that mean the same whatever is behind a port. */
const VLAN_OPTIONS = ["access", "trunk", "native"];
/** Those of who may send what, which are for whatever may be a guest. */
const POLICY_OPTIONS = [
  "static",
  "lock",
  "storm",
  "isolated",
  "limit",
  "budget",
  "guard",
  "ip",
  ...VLAN_OPTIONS,
];

/** Kinds by the word in front of the colon. */
export const PORT_TARGETS = {
  tap: {
    form: "DEVICE|/dev/tapN|fd=N",
    brief: "a TAP device of this host, which is made if there is none",
    meaning: "a TAP device of this host, see [uplinks](uplinks.md)",
    options: ["mtu", "queues", "forward", "uplink", ...POLICY_OPTIONS],
    read: readTap,
  },
  stream: {
    form: "PATH",
    brief: "a process at a stream socket: QEMU's -netdev stream, passt",
    meaning:
      "a process at a stream socket that puts a length in front of each frame, such as QEMU " +
      "with `-netdev stream` or passt, see [streams](streams.md)",
    options: ["mode", "mtu", "forward", "uplink", "owner", "peer-uid", ...POLICY_OPTIONS],
    read: readSocket("stream"),
  },
  seqpacket: {
    form: "PATH",
    brief: "a process at a socket of packets: slirp4netns",
    meaning:
      "a process at a socket that keeps packets apart, one a frame, such as slirp4netns, see " +
      "[streams](streams.md)",
    options: ["mode", "mtu", "forward", "uplink", "owner", "peer-uid", ...POLICY_OPTIONS],
    read: readSocket("seqpacket"),
  },
  nat: {
    form: "",
    brief: "the internet by NAT, with DHCP and DNS for guests",
    meaning: "the internet by NAT, with DHCP and DNS for guests, see [NAT](nat.md)",
    options: ["subnet", "mtu", "storm", "limit", "budget", ...VLAN_OPTIONS],
    read: readNothing,
  },
} as const satisfies Record<string, PortTarget>;

/** A word of {@linkcode PORT_TARGETS}. */
export type PortTargetKind = keyof typeof PORT_TARGETS;

/** Those that are a process at a unix socket. */
export type SocketTargetKind = "stream" | "seqpacket";

/** Whether a port has a process at a unix socket behind it that is no front-end. */
export function isSocketTarget(kind: PortTargetKind | undefined): kind is SocketTargetKind {
  return kind === "stream" || kind === "seqpacket";
}

/** The path of a port's socket; of what is no socket, what it is in full. */
export function targetPath({ path, kind }: Pick<PortConfig, "path" | "kind">): string {
  return isSocketTarget(kind) ? path.slice(kind.length + 1) : path;
}

/** The words of {@linkcode PORT_TARGETS}. */
export const PORT_TARGET_KINDS = Object.keys(PORT_TARGETS) as PortTargetKind[];

/** Whether each port with this target has something else: the kernel numbers devices of a template. */
export function isTargetTemplate({ path, kind }: Pick<PortConfig, "path" | "kind">): boolean {
  return kind === "tap" && path.includes("%d");
}

/** A target as the operator writes it, for the help of a command. */
export function targetForm(kind: PortTargetKind): string {
  return kind === NAT ? NAT : `${kind}:${PORT_TARGETS[kind].form}`;
}

/**
 * Reads what stands where the path of a socket may: a path, made absolute, or a target.
 * @param folder of relative paths @throws {ControlError} naming the fix
 */
export function readTarget(text: string, folder: string): Pick<PortConfig, "path" | "kind"> {
  if (text === NAT) return { kind: NAT, path: NAT };
  const [, word = "", what = ""] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  if (word === "") return { path: resolve(folder, text) };
  const kind = PORT_TARGET_KINDS.find((each) => each === word);
  if (kind !== undefined) {
    const target: PortTarget = PORT_TARGETS[kind];
    const read = target.read(what, folder);
    return { kind, path: kind === NAT ? NAT : `${kind}:${read}` };
  }
  const fix = didYouMean(word, PORT_TARGET_KINDS);
  if (fix === null) return { path: resolve(folder, text) };
  throw new ControlError(
    "invalid",
    `"${word}:" is no kind of port, ${fix}; a socket of that name is ./${text}`,
  );
}

/** Options that mean nothing for a vhost-user front-end. */
const TARGETS_ONLY: readonly string[] = ["subnet"];

/** Refuses options that mean nothing. @param names of options given @throws {ControlError} */
export function checkTargetOptions(
  kind: PortTargetKind | undefined,
  names: readonly string[],
): void {
  if (kind === undefined) {
    const foreign = names.find((name) => TARGETS_ONLY.includes(name));
    if (foreign === undefined) return;
    throw new ControlError(
      "invalid",
      `option ${foreign} means nothing for a vhost-user port: leave it out, or write NAME=nat`,
    );
  }
  const { options }: PortTarget = PORT_TARGETS[kind];
  const wrong = names.find((name) => !options.includes(name));
  if (wrong === undefined) return;
  throw new ControlError(
    "invalid",
    `option ${wrong} means nothing for a port of kind ${kind}: leave it out; ` +
      `it has ${options.join(", ")}`,
  );
}

/**
 * Whether a port is an uplink. If it does not say, one with a device of the host is, and one whose
 * socket is another's; whoever comes to a socket of ours is a guest.
 */
export function isUplink({ kind, mode, uplink }: PortConfig): boolean {
  if (uplink !== undefined) return uplink;
  return kind === "tap" || kind === NAT || (kind !== undefined && mode === "connect");
}
