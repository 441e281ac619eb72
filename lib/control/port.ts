/**
 * A port of the running switch on the control thread: its listening socket, at most one connected
 * front-end, and what the front-end's session asks for, carried out on the data plane.
 *
 * Everything a connection brought is released exactly once when it ends, in this order: virtqueues
 * stopped, memory table emptied, views detached, memory unmapped, descriptors closed.
 *
 * @module
 */
import {
  acceptUnix,
  closeFd,
  closeTenantFd,
  fdKind,
  listenFd,
  peerCredentials,
  signalTenantEventFd,
  viewMemory,
} from "../../ffi/mod.ts";
import { FRAME_BYTES_MAX } from "../switch/port.ts";
import { featureNames, protocolFeatureNames } from "../virtio/features.ts";
import type { MemoryRegion, Refusal, SessionHost } from "../vhost/host.ts";
import { Session } from "../vhost/session.ts";
import type { DataPlaneThread } from "../worker/supervisor.ts";
import type { VringPosition, VringStart } from "../worker/types.ts";
import { Connection } from "./connection.ts";
import type { MappedRegion, MappingPool } from "./guest_memory.ts";
import { listenAt, type SocketAccess, unlinkSocket } from "./listener.ts";
import type { Logger } from "./log.ts";
import type { Reactor } from "./reactor.ts";
import { ControlError, type PortConfig, type PortStatus, type VringStatus } from "./types.ts";

/** Ethernet header with one VLAN tag, above the MTU. */
const FRAME_OVERHEAD_BYTES = 18;
/** After a failed accept (no descriptors left), the listener rests this long, ms. */
const ACCEPT_PAUSE_MS = 100;

/** What a port shares with the others. */
export interface PortContext {
  readonly plane: DataPlaneThread;
  readonly pool: MappingPool;
  readonly reactor: Reactor;
  readonly logger: Logger;
  readonly access: SocketAccess;
}

interface Peer {
  readonly pid: number;
  readonly uid: number;
  readonly command: string;
}

interface Attachment {
  readonly fd: number;
  readonly session: Session;
  readonly connection: Connection;
  readonly peer: Peer | null;
}

/** One port. Control thread only. */
export class SwitchPort {
  readonly config: PortConfig;
  /** Its number on the data plane. */
  readonly number: number;
  readonly #context: PortContext;
  readonly #listener: number;
  #attachment: Attachment | null = null;
  #regions: MappedRegion[] = [];
  #memory: readonly MemoryRegion[] = [];
  #mtu: number | null;
  #link = false;
  #connects = 0;
  #closed = false;
  readonly #errors = new Map<string, number>();

  /** Binds the port's socket and reserves its number. @throws {ControlError} */
  constructor(config: PortConfig, context: PortContext) {
    this.config = config;
    this.#context = context;
    this.#mtu = config.mtu ?? null;
    if (config.fd === undefined) this.#listener = listenAt(config.path, context.access);
    else this.#listener = inherit(config.fd);
    this.number = context.plane.addPort();
    if (this.number < 0) {
      this.#closeListener();
      throw new ControlError("conflict", `Cannot add port ${config.name}: the switch is full`);
    }
    this.#applyMtu();
    context.reactor.add(this.#listener, () => this.#accept());
  }

  #log(level: "debug" | "info" | "warn", event: string, message: string): void {
    this.#context.logger[level](`port ${this.config.name}`, event, message);
  }

  #accept(): void {
    const fd = acceptUnix(this.#listener);
    if (fd < 0) {
      // Out of descriptors: the connection stays queued; try again later instead of spinning.
      this.#log("warn", "accept-failed", `cannot accept a front-end (errno ${-fd})`);
      this.#context.reactor.modify(this.#listener, 0);
      setTimeout(() => {
        if (!this.#closed) this.#context.reactor.modify(this.#listener, 1);
      }, ACCEPT_PAUSE_MS);
      return;
    }
    if (this.#attachment) {
      this.#count("busy");
      this.#log("warn", "busy", "a second front-end was refused: one is connected");
      closeTenantFd(fd);
      return;
    }
    this.#attach(fd);
  }

  #attach(fd: number): void {
    const session = new Session(this.#sessionHost());
    const connection = new Connection(fd, this.#context.reactor, {
      handle: (message) => session.handle(message),
      ended: (refusal) => this.#detach(refusal),
      closeFd: closeTenantFd,
    });
    this.#connects++;
    const peer = describePeer(fd);
    this.#attachment = { fd, session, connection, peer };
    const who = peer ? ` (pid ${peer.pid} ${peer.command})` : "";
    this.#log("info", "connected", `front-end connected${who}`);
  }

  #sessionHost(): SessionHost {
    const { plane } = this.#context;
    return {
      setMemory: (regions, fds) => this.#setMemory(regions, fds),
      startVring: (vring, start) => this.#startVring(vring, start),
      stopVring: (vring): VringPosition => plane.stopVring(this.number, vring),
      setVringEnabled: (vring, on) => plane.setVringEnabled(this.number, vring, on),
      setVringCall: (vring, fd) => plane.setVringCall(this.number, vring, fd),
      fdKind,
      closeFd: closeTenantFd,
      readU16: (address) => new DataView(viewMemory(address, 2)).getUint16(0, true),
      signal: signalTenantEventFd,
      setMtu: (mtu) => {
        this.#mtu = Math.min(mtu, this.config.mtu ?? mtu);
        this.#applyMtu();
      },
      log: (level, event, message) => this.#log(level, event, message),
      linkChanged: (up) => this.#linkChanged(up),
    };
  }

  #applyMtu(): void {
    const bytes = this.#mtu === null ? FRAME_BYTES_MAX : this.#mtu + FRAME_OVERHEAD_BYTES;
    this.#context.plane.setFrameMax(this.number, Math.min(bytes, FRAME_BYTES_MAX));
  }

  #startVring(vring: number, start: VringStart): void {
    this.#context.plane.startVring(this.number, vring, start);
    const kind = start.packed ? "packed" : "split";
    this.#log("debug", "vring-started", `vring ${vring} started, ${kind} ${start.size}`);
  }

  #setMemory(regions: readonly MemoryRegion[], fds: readonly number[]): number[] | Refusal {
    // The new table is mapped before the old one goes: what both have in common stays mapped.
    const mapped: MappedRegion[] = [];
    let refusal: Refusal | null = null;
    for (const [i, region] of regions.entries()) {
      const result = this.#context.pool.acquire(region, fds[i] as number);
      if ("code" in result) {
        refusal = result;
        break;
      }
      mapped.push(result);
    }
    for (const fd of fds) closeTenantFd(fd);
    const placed = refusal ? [] : mapped.map((region) => region.placed);
    this.#context.plane.setMemory(this.number, placed);
    for (const region of refusal ? [...mapped, ...this.#regions] : this.#regions) {
      this.#context.pool.release(region);
    }
    this.#regions = refusal ? [] : mapped;
    this.#memory = refusal ? [] : regions;
    return refusal ?? placed.map((region) => region.address);
  }

  #linkChanged(up: boolean): void {
    this.#link = up;
    if (up) {
      const session = this.#attachment?.session;
      const features = session ? featureNames(session.features).join(" ") : "";
      this.#log("info", "link-up", `link up, ${this.#ring() ?? "?"}, ${features}`);
      return;
    }
    this.#context.plane.flushPort(this.number);
    this.#log("info", "link-down", "link down");
  }

  #ring(): string | null {
    const session = this.#attachment?.session;
    const vring = session?.vrings[0];
    if (!session || !vring?.running) return null;
    return `${session.packed ? "packed" : "split"}/${vring.size}`;
  }

  #count(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  #detach(refusal: Refusal | null): void {
    const attachment = this.#attachment;
    if (!attachment) return;
    attachment.session.close();
    this.#attachment = null;
    this.#mtu = this.config.mtu ?? null;
    if (!this.#closed) this.#applyMtu();
    closeTenantFd(attachment.fd);
    if (refusal === null) {
      this.#log("info", "disconnected", "front-end disconnected");
      return;
    }
    this.#count(refusal.code);
    this.#context.logger.warn(
      `port ${this.config.name}`,
      "closed",
      `connection closed: ${refusal.detail}`,
      { reason: refusal.code },
    );
  }

  /** The data plane gave one of its virtqueues up. */
  ringBroken(vring: number, reason: string): void {
    this.#count(reason);
    this.#attachment?.session.ringBroken(vring, reason);
  }

  /** For `port list` and `port show`. */
  status(): PortStatus {
    const attachment = this.#attachment;
    const session = attachment?.session;
    return {
      name: this.config.name,
      link: attachment ? (this.#link ? "up" : "down") : "wait",
      socket: this.config.fd === undefined ? this.config.path : `fd ${this.config.fd}`,
      mode: "listen",
      queuePairs: 1,
      ring: this.#ring(),
      features: session ? `0x${session.features.toString(16)}` : null,
      featureNames: session ? featureNames(session.features) : [],
      protocolFeatures: session ? `0x${session.protocolFeatures.toString(16)}` : null,
      protocolFeatureNames: session ? protocolFeatureNames(session.protocolFeatures) : [],
      peer: attachment?.peer ?? null,
      mtu: this.#mtu,
      connects: this.#connects,
      counters: this.#context.plane.portCounters(this.number),
      errors: Object.fromEntries(this.#errors),
      memory: this.#memory.map((region) => ({
        guestAddr: `0x${region.guestAddr.toString(16)}`,
        sizeBytes: region.sizeBytes,
        userAddr: `0x${region.userAddr.toString(16)}`,
      })),
    };
  }

  /** For `vring show`. */
  vrings(): VringStatus[] {
    const session = this.#attachment?.session;
    if (!session) return [];
    return session.vrings.map((vring, index) => {
      const { lastAvail = 0, lastUsed = 0, ...counters } = this.#context.plane.vringCounters(
        this.number,
        index,
      );
      let state: VringStatus["state"] = "stopped";
      if (vring.broken !== null) state = "broken";
      else if (vring.running) state = vring.enabled ? "running" : "disabled";
      return {
        index,
        direction: index % 2 === 0 ? "to guest" : "from guest",
        state,
        size: vring.size,
        packed: session.packed,
        lastAvail,
        lastUsed,
        counters,
        error: vring.broken,
      };
    });
  }

  #closeListener(): void {
    closeFd(this.#listener);
    if (this.config.fd === undefined) unlinkSocket(this.config.path);
  }

  /** Disconnects the front-end, unlinks the socket, frees the number. Call once. */
  close(): void {
    this.#closed = true;
    this.#context.reactor.remove(this.#listener);
    this.#closeListener();
    this.#attachment?.connection.close();
    this.#detach(null);
    this.#context.plane.removePort(this.number);
  }
}

function inherit(fd: number): number {
  try {
    if (fdKind(fd) === "socket") listenFd(fd);
    else throw new Error("it is not a socket");
    return fd;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ControlError("invalid", `Cannot listen on inherited descriptor ${fd}: ${why}`);
  }
}

function describePeer(fd: number): Peer | null {
  const peer = peerCredentials(fd);
  if (!peer) return null;
  let command = "?";
  try {
    command = Deno.readTextFileSync(`/proc/${peer.pid}/comm`).trim();
  } catch {
    // It is gone, or in another PID namespace.
  }
  return { pid: peer.pid, uid: peer.uid, command };
}
