/**
 * The running switch as the control API and the commands see it. Shapes named `…Status` are the
 * JSON of the control API, described in `schema/`: fields are only ever added.
 *
 * @module
 */

import type { OfferWord, OffloadWord } from "../vhost/features/rows.ts";
import type { BudgetOption } from "./config/budget_option.ts";
import type { StormOption } from "./config/storm_option.ts";
import type { GuardWord } from "./config/guard_options.ts";
import type { PortTargetKind } from "./config/port_targets.ts";
import type { Of } from "./schema/builder.ts";
import type { LIMIT_SCHEMAS } from "./schema/limits.ts";
import type { PORT_SCHEMAS } from "./schema/port.ts";
import type { SWITCH_SCHEMAS } from "./schema/switch.ts";

/** Owner of a socket's file. */
export interface SocketOwner {
  /** Number of the user. */
  readonly uid: number;
  /** Number of the group; null: the group that all sockets have. */
  readonly gid: number | null;
}

/** One port, or the listener of many, as an operator writes it. */
export interface PortConfig {
  /**
   * 1-32 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or digit. With `multi`, a
   * template with `{n}` in it once: the number of each port.
   */
  readonly name: string;
  /**
   * Absolute path of the socket, bound by whoever listens; of another kind, what it is in full, such as
   * `tap:vsw0`. Unused when `fd` is given.
   */
  readonly path: string;
  /** What is behind it, if no vhost-user front-end. */
  readonly kind?: PortTargetKind;
  /** Who listens at `path`: the switch (`listen`, the default) or the front-end (`connect`). */
  readonly mode?: "listen" | "connect";
  /** Front-ends the socket takes at once, 1-256, each a port of its own. */
  readonly multi?: number;
  /** A listening socket inherited from whoever started us, instead of `path`. */
  readonly fd?: number;
  /** MTU offered to the guest, bytes, 68-65535. */
  readonly mtu?: number;
  /** Queue pairs a front-end may use at most, 1-32; 32 if not given. */
  readonly queuePairs?: number;
  /** MAC address a front-end finds in its device's configuration space, `52:54:00:00:00:01`. */
  readonly mac?: string;
  /** Network of the guests of a port that is `nat`, as `10.87.0.0/24`; a free one if not given. */
  readonly subnet?: string;
  /** Addresses that are static at the port. */
  readonly static?: readonly string[];
  /** Frames a second of each kind that go to many, 0: no limit; what is not given is a default. */
  readonly storm?: StormOption;
  /** Limits other than the usual ones. */
  readonly budget?: BudgetOption;
  /** What its frames may not say; nothing is looked at if not given. */
  readonly guard?: readonly GuardWord[];
  /** IP addresses and prefixes that it may speak with; any if not given. */
  readonly ip?: readonly string[];
  /** Only static addresses and `mac` may be sources of its frames. */
  readonly lock?: boolean;
  /** Its isolation group: it gets no frame of another port that is in it, and they none of its. */
  readonly isolated?: string;
  /** Its rates, as they are written: see portLimits. */
  readonly limit?: string;
  /** Features offered on top of the usual ones. */
  readonly offer?: readonly OfferWord[];
  /** False: VIRTIO_NET_F_GUEST_ANNOUNCE is not offered. */
  readonly announce?: boolean;
  /** The one VLAN that it is in, its frames without tags, 1-4094. Excludes the next two. */
  readonly access?: number;
  /** VLANs that it is in, in order, such as `1-10,20`; all if only `native` is given. */
  readonly trunk?: string;
  /** Of these, the one of frames without tags; none if not given. */
  readonly native?: number;
  /** It is an uplink, or not; see isUplink for what it is if it does not say. */
  readonly uplink?: boolean;
  /** Offloads behind this one are not offered; `uso` if not given: all. */
  readonly offload?: OffloadWord;
  /** Who owns the file of its socket; the process's own user, and the sockets' group, if not given. */
  readonly owner?: SocketOwner;
  /** Numbers of the users whose processes may be its front-end; anybody's if not given. */
  readonly peerUids?: readonly number[];
  /**
   * Reserved addresses of which frames pass to and from other ports that have them: `stp`, `lacp`,
   * `eapol`, `lldp`, or the address' last byte in hex. None if not given.
   */
  readonly forward?: readonly string[];
}

/** Two ports whose frames go to each other and nowhere else, as an operator writes them. */
export interface LinkConfig {
  /** Names of ports. */
  readonly ports: readonly [string, string];
}

/** A port that gets copies of other ports' frames, as an operator writes it. */
export interface MirrorConfig {
  /** Like that of a port. */
  readonly name: string;
  /** Names of the ports to copy from, each once, at least one. */
  readonly from: readonly string[];
  /** Name of the port that gets the copies. */
  readonly to: string;
  /** Frames that come from these ports, go to them, or both. */
  readonly direction: "in" | "out" | "both";
}

/** A TCP address of this host's loopback. */
export interface MetricsAddress {
  /** In numbers. */
  readonly hostname: string;
  /** 0-65535; 0: one that is free, which the log names. */
  readonly port: number;
}

/** Everything `run` needs. */
export interface SwitchConfig {
  /** Names and paths are checked against each other already. */
  readonly ports: readonly PortConfig[];
  /** Each port is in one link at most. */
  readonly links: readonly LinkConfig[];
  /** Checked against ports and each other already; none if not given. */
  readonly mirrors?: readonly MirrorConfig[];
  /** Folder of port sockets without a path, absolute; the control socket's if not given. */
  readonly socketDir?: string | undefined;
  /** Control socket path, or null for none. */
  readonly controlPath: string | null;
  /** Permission bits of the port sockets. */
  readonly socketMode: number;
  /** Group that owns the port sockets, or null. */
  readonly socketGroup: string | null;
  /** Processors of the data plane; empty: any. */
  readonly cpus: readonly number[];
  /** What the data plane does without traffic: spin, spin a little then sleep, sleep at once. */
  readonly idle: "poll" | "adaptive" | "sleep";
  /** Until an unused address is forgotten; 0: never. */
  readonly fdbAgeSeconds: number;
  /** Addresses that the forwarding database holds. */
  readonly fdbEntriesMax: number;
  /** Of these, those of one port at most. */
  readonly fdbPortEntriesMax: number;
  /** How long an address is in use after its last frame, seconds; 0 or none: others may take it. */
  readonly macHoldSeconds?: number;
  /** Where frames to addresses that nobody knows go: to all ports (default), or to uplinks alone. */
  readonly unknown?: "flood" | "uplink";
  /** Whether frames to groups go to who is in them (`on`), and to nobody else (`strict`). */
  readonly snooping?: "off" | "on" | "strict";
  /** Where metrics are served besides the control socket, or null. */
  readonly metrics?: MetricsAddress | null;
  /** Where the web page is served, or null. */
  readonly page?: MetricsAddress | null;
  /** Gives up system calls and files that it does not need. */
  readonly sandbox?: boolean;
  /**
   * Memory files that can lose pages while they are mapped: the guard makes that their port's affair
   * (default), they are refused, or taken at everybody's risk.
   */
  readonly unsealedMemory?: "guard" | "refuse" | "allow";
}

/** Why a port does not work as it should, for whoever has to mend it. */
export type PortProblem = Of<typeof PORT_SCHEMAS.PROBLEM>;
/** `port show --limits`. */
export type PortLimits = Of<typeof LIMIT_SCHEMAS.PORT_LIMITS>;
/** `port list`. */
export type PortStatus = Of<typeof PORT_SCHEMAS.PORT_STATUS>;
/** A listening socket that takes many front-ends, in `port list` a line of its own. */
export type ListenerStatus = Of<typeof SWITCH_SCHEMAS.LISTENER_STATUS>;
/** `link list`. */
export type LinkStatus = Of<typeof SWITCH_SCHEMAS.LINK_STATUS>;
/** `mirror list`. */
export type MirrorStatus = Of<typeof SWITCH_SCHEMAS.MIRROR_STATUS>;
/** `vring show PORT`. */
export type VringStatus = Of<typeof PORT_SCHEMAS.VRING_STATUS>;
/** `fdb show`. */
export type FdbStatus = Of<typeof SWITCH_SCHEMAS.FDB_STATUS>;
/** `group list`. */
export type GroupStatus = Of<typeof SWITCH_SCHEMAS.GROUP_STATUS>;
/** `worker show`. */
export type WorkerStatus = Of<typeof SWITCH_SCHEMAS.WORKER_STATUS>;
/** `stats`: the switch as a whole. */
export type SwitchStatus = Of<typeof SWITCH_SCHEMAS.SWITCH_STATUS>;

/** An operator's request that cannot be met. `kind` decides the exit code and the HTTP status. */
export class ControlError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "ControlError";
  /** What kind of refusal it is, for exit code and HTTP status. */
  readonly kind: "not-found" | "conflict" | "invalid" | "failed";
  /** What helps, for the same line; null: nothing is known to. */
  readonly hint: string | null;

  /** `message` is one line; `hint` names the fix. */
  constructor(kind: ControlError["kind"], message: string, hint: string | null = null) {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}
