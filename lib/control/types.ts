/**
 * The running switch as the control API and the commands see it. Shapes named `…Status` are the
 * JSON of the control API: fields are only ever added.
 *
 * @module
 */

import type { OfferWord } from "../vhost/offer.ts";

/** One port, or the listener of many, as an operator writes it. */
export interface PortConfig {
  /**
   * 1-32 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or digit. With `multi`, a
   * template with `{n}` in it once: the number of each port.
   */
  readonly name: string;
  /** Absolute path of the socket, bound by whoever listens. Unused when `fd` is given. */
  readonly path: string;
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
  /** Features offered on top of the usual ones. */
  readonly offer?: readonly OfferWord[];
  /** False: VIRTIO_NET_F_GUEST_ANNOUNCE is not offered. */
  readonly announce?: boolean;
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

/** Everything `run` needs. */
export interface SwitchConfig {
  readonly ports: readonly PortConfig[];
  readonly links: readonly LinkConfig[];
  /** Folder of port sockets without a path; that of the control socket if not given. */
  readonly socketDir?: string | undefined;
  /** Control socket path, or null for none. */
  readonly controlPath: string | null;
  /** Permission bits of the port sockets. */
  readonly socketMode: number;
  /** Group that owns the port sockets, or null. */
  readonly socketGroup: string | null;
  /** Processors of the data plane; empty: any. */
  readonly cpus: readonly number[];
  readonly idle: "poll" | "adaptive" | "sleep";
  readonly fdbAgeSeconds: number;
  readonly fdbEntriesMax: number;
  readonly fdbPortEntriesMax: number;
}

/** Why a port does not work, for whoever has to mend it. */
export interface PortProblem {
  /** Stable: `memory-not-shared`, `iommu-not-offered`, `socket-gone`. */
  readonly code: string;
  readonly text: string;
  /** What helps, or null. */
  readonly hint: string | null;
}

/** `port list`. */
export interface PortStatus {
  readonly name: string;
  /** `wait`: no front-end; `down`: connected, virtqueues not running; `up`: frames flow. */
  readonly link: "wait" | "down" | "up";
  readonly socket: string;
  /** Who listens at the socket: the switch or the front-end. */
  readonly mode: "listen" | "connect";
  /** `down`: an operator took the port out of service. */
  readonly admin: "up" | "down";
  /** Why a port in mode `connect` has no front-end, and how long it waits before it tries again. */
  readonly retry: { readonly reason: string; readonly afterMs: number } | null;
  /** Name template of the listener the port came from, or null. */
  readonly listener: string | null;
  /** The port it is linked with, or null. */
  readonly linkedTo: string | null;
  readonly queuePairs: number;
  /** `split/256`, `packed/256` or null when down. */
  readonly ring: string | null;
  /** Negotiated virtio feature bits, hex text with 0x, or null. */
  readonly features: string | null;
  readonly featureNames: readonly string[];
  readonly protocolFeatures: string | null;
  readonly protocolFeatureNames: readonly string[];
  /** The connected front-end, or null. */
  readonly peer: { readonly pid: number; readonly uid: number; readonly command: string } | null;
  /** MTU in force: the front-end's, at most the operator's; null: nobody named one. */
  readonly mtu: number | null;
  /** Reserved addresses that pass, as in {@linkcode PortConfig}. */
  readonly forward: readonly string[];
  readonly connects: number;
  /** When the front-end connected, ISO 8601, or null. */
  readonly connectedAt: string | null;
  /** Since when the link is what it is, ISO 8601. */
  readonly linkSince: string;
  /** What went wrong last: a reason code, what it means here, and when (ISO 8601); or null. */
  readonly lastError:
    | { readonly code: string; readonly detail: string; readonly at: string }
    | null;
  /** Its state in words. */
  readonly verdict: string;
  readonly counters: Readonly<Record<string, number>>;
  /** Why connections were closed by us, counted by reason code. */
  readonly errors: Readonly<Record<string, number>>;
  /** What is wrong now as far as one can tell from here, and what helps. */
  readonly problems: readonly PortProblem[];
  readonly memory: readonly {
    readonly guestAddr: string;
    readonly sizeBytes: number;
    readonly userAddr: string;
  }[];
  /** Ports that brought one of the same memory files: as a rule, of the same machine. */
  readonly sharesMemoryWith: readonly string[];
}

/** A listening socket that takes many front-ends, in `port list` a line of its own. */
export interface ListenerStatus {
  /** Name template of its ports. */
  readonly name: string;
  readonly socket: string;
  readonly admin: "up" | "down";
  /** Front-ends it takes at once. */
  readonly multi: number;
  /** Its ports of now. */
  readonly ports: readonly string[];
  readonly connects: number;
  /** Front-ends it did not take, counted by reason code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Why connections of its ended ports were closed by us, counted by reason code. */
  readonly errors: Readonly<Record<string, number>>;
  /** What is wrong with its socket. */
  readonly problems: readonly PortProblem[];
}

/** `link list`. */
export interface LinkStatus {
  readonly ports: readonly [string, string];
  /** `waiting`: a port is missing, frames of the other go nowhere. */
  readonly state: "linked" | "waiting";
  /** It stands in the configuration and outlives its ports. */
  readonly configured: boolean;
}

/** `vring show PORT`. */
export interface VringStatus {
  readonly index: number;
  readonly direction: "to guest" | "from guest";
  readonly state: "stopped" | "disabled" | "running" | "broken";
  readonly size: number;
  readonly packed: boolean;
  readonly lastAvail: number;
  readonly lastUsed: number;
  readonly counters: Readonly<Record<string, number>>;
  /** Why the virtqueue was stopped by us, or null. */
  readonly error: string | null;
}

/** `fdb show`. Keys as `bridge -j fdb` has them, where it has them. */
export interface FdbStatus {
  readonly mac: string;
  readonly port: string;
  readonly vlan: number;
  readonly state: "dynamic";
  readonly ageSeconds: number;
}

/** `stats`: the switch as a whole. */
export interface SwitchStatus {
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly idle: string;
  readonly cpus: readonly number[];
  readonly fdb: Readonly<Record<string, number>>;
  readonly worker: Readonly<Record<string, number>>;
  readonly ports: readonly PortStatus[];
  readonly listeners: readonly ListenerStatus[];
  readonly links: readonly LinkStatus[];
}

/** What the control API drives. Methods that name a port throw {@linkcode ControlError}. */
export interface SwitchControl {
  /** Folder of port sockets without a path. */
  readonly socketDir?: string;
  status(): SwitchStatus;
  ports(): PortStatus[];
  port(name: string): PortStatus;
  /** A port, or the listener of that name. */
  portOrListener(name: string): PortStatus | ListenerStatus;
  listeners(): ListenerStatus[];
  links(): LinkStatus[];
  vrings(name: string): VringStatus[];
  fdb(): FdbStatus[];
  flushFdb(port: string | null): void;
  /** Adds a port, or with `multi` a listener. */
  addPort(port: PortConfig): PortStatus | ListenerStatus;
  /** Removes a port, or a listener with all its ports. */
  removePort(name: string): void;
  /** Takes a port or a listener out of service, or back into it. */
  setAdmin(name: string, admin: "up" | "down"): PortStatus | ListenerStatus;
  addLink(ports: readonly [string, string]): LinkStatus;
  removeLink(ports: readonly [string, string]): void;
}

/** An operator's request that cannot be met. `kind` decides the exit code and the HTTP status. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly kind: "not-found" | "conflict" | "invalid" | "failed";
  readonly hint: string | null;

  /** `message` is one line; `hint` names the fix. */
  constructor(kind: ControlError["kind"], message: string, hint: string | null = null) {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}
