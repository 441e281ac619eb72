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
  drainTenantEventFd,
  EAGAIN,
  EPOLLIN,
  errnoName,
  fdKind,
  listenFd,
  peerCredentials,
  setNonBlocking,
  viewMemory,
} from "../../ffi/mod.ts";
import { present } from "../base/assert.ts";
import { FRAME_BYTES_MAX } from "../switch/port.ts";
import type { Refusal, SessionHost } from "../vhost/host.ts";
import { makeOffer, type Offer } from "../vhost/offer.ts";
import { Session } from "../vhost/session.ts";
import type { DataPlaneEvent } from "../worker/events.ts";
import type { DataPlaneThread } from "../worker/supervisor.ts";
import type { VringPosition, VringStart } from "../worker/types.ts";
import { BackEndChannel } from "./back_end_channel.ts";
import { Connection } from "./connection.ts";
import { type MappingPool, PortMemory } from "./guest_memory.ts";
import { listenAt, type SocketAccess, socketIdentity, unlinkSocket } from "./listener.ts";
import type { Logger } from "./log.ts";
import { PortLog } from "./port_log.ts";
import { featuresText, portStatus, ringText, vringStatus } from "./port_status.ts";
import type { Reactor } from "./reactor.ts";
import { type BlockingPool, TenantFds } from "./tenant_fds.ts";
import { ControlError, type PortConfig, type PortStatus, type VringStatus } from "./types.ts";

/** Ethernet header with one VLAN tag, above the MTU. */
const FRAME_OVERHEAD_BYTES = 18;
/** How long a listener rests that cannot accept, ms. */
const ACCEPT_PAUSE_MS = 100;
/** With more of a front-end's descriptors still to close, its port accepts no other one. */
const CLOSING_FDS_MAX = 256;

/** What a port needs of the data plane. */
export type PortPlane = Pick<
  DataPlaneThread,
  | "addPort"
  | "removePort"
  | "setMemory"
  | "startVring"
  | "stopVring"
  | "setVringEnabled"
  | "setVringCall"
  | "setVringLog"
  | "setLog"
  | "announce"
  | "setFrameMax"
  | "flushPort"
  | "portCounters"
  | "vringCounters"
>;

/** What a port shares with the others. */
export interface PortContext {
  readonly plane: PortPlane;
  readonly pool: MappingPool;
  readonly blocking: BlockingPool;
  readonly reactor: Reactor;
  readonly logger: Logger;
  readonly access: SocketAccess;
}

interface Attachment {
  readonly fd: number;
  readonly session: Session;
  readonly connection: Connection;
  readonly peer: PortStatus["peer"];
  backEnd: BackEndChannel | null;
}

/** One port. Control thread only. */
export class SwitchPort {
  readonly config: PortConfig;
  /** Its number on the data plane. */
  readonly number: number;
  readonly #context: PortContext;
  readonly #listener: number;
  /** Of the socket file, to unlink no other one. */
  readonly #socketIdentity: string | null;
  readonly #memory: PortMemory;
  readonly #dirtyLog: PortLog;
  readonly #tenantFds: TenantFds;
  readonly #offer: Offer;
  #attachment: Attachment | null = null;
  #mtu: number | null;
  #linkUp = false;
  #connects = 0;
  /** Reads of call descriptors under way. */
  #draining = 0;
  #closed = false;
  readonly #errors = new Map<string, number>();

  /** Binds the port's socket and reserves its number. @throws {ControlError} */
  constructor(config: PortConfig, context: PortContext) {
    this.config = config;
    this.#context = context;
    this.#mtu = config.mtu ?? null;
    this.#offer = makeOffer(config);
    this.#tenantFds = new TenantFds(context.blocking);
    this.#listener = config.fd === undefined
      ? listenAt(config.path, context.access)
      : inherit(config.fd);
    this.#socketIdentity = config.fd === undefined ? socketIdentity(config.path) : null;
    this.number = context.plane.addPort();
    if (this.number < 0) {
      this.#closeListener();
      throw new ControlError("conflict", `Cannot add port ${config.name}: the switch is full`);
    }
    this.#memory = new PortMemory(
      context.pool,
      (regions) => context.plane.setMemory(this.number, regions),
    );
    this.#dirtyLog = new PortLog(context.plane, context.pool, this.#memory, this.number);
    this.#applyMtu();
    context.reactor.add(this.#listener, () => this.#accept());
  }

  #log(
    level: "debug" | "info" | "warn",
    event: string,
    message: string,
    fields: Record<string, string | number> = {},
  ): void {
    this.#context.logger[level](`port ${this.config.name}`, event, message, fields);
  }

  #count(code: string): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }

  #accept(): void {
    if (this.#tenantFds.waiting > CLOSING_FDS_MAX) {
      this.#log("warn", "closing", "descriptors of an earlier front-end do not close");
      this.#restListener();
      return;
    }
    const fd = acceptUnix(this.#listener);
    if (fd === -EAGAIN) return;
    if (fd < 0) {
      // Out of descriptors: the connection stays queued.
      this.#log("warn", "accept-failed", `cannot accept a front-end: ${errnoName(-fd)}`);
      this.#restListener();
      return;
    }
    // A front-end that connects again may be here before the news of its hanging up.
    this.#attachment?.connection.poll();
    if (this.#attachment) {
      this.#count("busy");
      this.#log("warn", "busy", "a second front-end was refused: one is connected");
      this.#tenantFds.close(fd);
      return;
    }
    this.#attach(fd);
  }

  #restListener(): void {
    this.#context.reactor.modify(this.#listener, 0);
    setTimeout(() => {
      if (!this.#closed) this.#context.reactor.modify(this.#listener, EPOLLIN);
    }, ACCEPT_PAUSE_MS);
  }

  #attach(fd: number): void {
    const session = new Session(this.#sessionHost(), this.#offer);
    const connection = new Connection(fd, this.#context.reactor, {
      handle: (message) => session.handle(message),
      ended: (refusal) => this.#detach(refusal),
      closeFd: (received) => this.#tenantFds.close(received),
    });
    this.#connects++;
    const peer = describePeer(fd);
    this.#attachment = { fd, session, connection, peer, backEnd: null };
    const who = peer ? ` (pid ${peer.pid} ${peer.command})` : "";
    this.#log("info", "connected", `front-end connected${who}`, peer ? { uid: peer.uid } : {});
  }

  #sessionHost(): SessionHost {
    const { plane } = this.#context;
    return {
      prepareMemory: (regions, fds) => {
        const addresses = this.#memory.prepare(regions, fds);
        for (const fd of fds) if (fd !== null) this.#tenantFds.close(fd);
        return addresses;
      },
      commitMemory: () => this.#memory.commit(),
      startVring: (vring, start) => this.#startVring(vring, start),
      stopVring: (vring): VringPosition => plane.stopVring(this.number, vring),
      setVringEnabled: (vring, on) => plane.setVringEnabled(this.number, vring, on),
      setVringCall: (vring, fd) => {
        if (fd >= 0) setNonBlocking(fd);
        plane.setVringCall(this.number, vring, fd);
      },
      ...this.#dirtyLog.sessionHost((fd) => this.#tenantFds.close(fd)),
      announce: (mac, flood) => plane.announce(this.number, mac.low, mac.high, flood),
      fdKind,
      closeFd: (fd) => this.#tenantFds.close(fd),
      readU16: (address) => new DataView(viewMemory(address, 2)).getUint16(0, true),
      signal: (fd) => this.#tenantFds.signal(fd),
      setBackEndChannel: (fd) => this.#setBackEnd(fd),
      tellFrontEnd: (message, answered) =>
        this.#attachment?.backEnd?.send(message, answered) ?? false,
      setMtu: (mtu) => {
        this.#mtu = Math.min(mtu, this.config.mtu ?? mtu);
        this.#applyMtu();
      },
      log: (level, event, message) => this.#log(level, event, message),
      linkChanged: (up) => this.#linkChanged(up),
    };
  }

  #setBackEnd(fd: number): void {
    const attachment = present(this.#attachment, "the front-end that sent it");
    attachment.backEnd?.close();
    attachment.backEnd = new BackEndChannel(fd, this.#context.reactor, {
      gone: () => {
        attachment.backEnd = null;
        this.#log("debug", "back-end-channel", "the front-end closed its back-end channel");
      },
      failed: (refusal) => {
        if (this.#attachment !== attachment) return;
        attachment.connection.close();
        this.#detach(refusal);
      },
      closeFd: (received) => this.#tenantFds.close(received),
    });
  }

  #applyMtu(): void {
    const bytes = this.#mtu === null ? FRAME_BYTES_MAX : this.#mtu + FRAME_OVERHEAD_BYTES;
    this.#context.plane.setFrameMax(this.number, Math.min(bytes, FRAME_BYTES_MAX));
  }

  #startVring(vring: number, start: VringStart): void {
    if (start.callFd >= 0) setNonBlocking(start.callFd);
    this.#context.plane.startVring(this.number, vring, start);
    const kind = start.packed ? "packed" : "split";
    this.#log("debug", "vring-started", `vring ${vring} started, ${kind} ${start.size}`);
  }

  #linkChanged(up: boolean): void {
    this.#linkUp = up;
    const session = this.#attachment?.session;
    if (up && session) {
      const { regions, sizeBytes } = this.#memory;
      const memory = `${regions.length} region${regions.length === 1 ? "" : "s"}`;
      this.#log(
        "info",
        "link-up",
        `link up, ring ${ringText(session)}, ${featuresText(session)}, ${memory} of ${
          Math.round(sizeBytes / 2 ** 20)
        } MiB`,
      );
      return;
    }
    this.#context.plane.flushPort(this.number);
    this.#log("info", "link-down", "link down");
  }

  #detach(refusal: Refusal | null): void {
    const attachment = this.#attachment;
    if (!attachment) return;
    attachment.session.close();
    attachment.backEnd?.close();
    this.#attachment = null;
    this.#mtu = this.config.mtu ?? null;
    this.#applyMtu();
    this.#tenantFds.close(attachment.fd);
    if (refusal === null) {
      this.#log("info", "disconnected", "front-end disconnected");
      return;
    }
    this.#count(refusal.code);
    const reason = { reason: refusal.code };
    this.#log("warn", "closed", `connection closed: ${refusal.detail}`, reason);
  }

  /** The data plane gave one of its virtqueues up. */
  ringBroken(vring: number, reason: string): void {
    this.#count(reason);
    this.#attachment?.session.ringBroken(vring, reason);
  }

  /** Empties the call descriptor of a virtqueue, off the thread. */
  async drainCall(vring: number): Promise<void> {
    const fd = this.#attachment?.session.vring(vring).callFd ?? -1;
    if (fd < 0) return;
    setNonBlocking(fd);
    this.#draining++;
    await drainTenantEventFd(fd);
    this.#draining--;
  }

  /** The data plane was stuck in a call of a virtqueue: its front-end has to go. */
  callBlocked(vring: number): void {
    const fd = this.#attachment?.session.vring(vring).callFd ?? -1;
    // A read that came too late would wait for ever.
    if (this.#draining > 0 && fd >= 0) this.#tenantFds.signal(fd);
    this.#attachment?.connection.end({
      code: "call-blocked",
      detail: `the call descriptor of vring ${vring} held the data plane up`,
    });
  }

  /** The data plane needs something of the front-end; see events.ts for the kinds. */
  dataPlaneEvent(_event: DataPlaneEvent): void {
    // Nothing that this port negotiates leads to one yet.
  }

  /** For `port list` and `port show`. */
  status(): PortStatus {
    return portStatus({
      config: this.config,
      session: this.#attachment?.session ?? null,
      peer: this.#attachment?.peer ?? null,
      linkUp: this.#linkUp,
      mtu: this.#mtu,
      connects: this.#connects,
      counters: this.#context.plane.portCounters(this.number),
      errors: Object.fromEntries(this.#errors),
      memory: this.#memory.regions,
    });
  }

  /** For `vring show`. */
  vrings(): VringStatus[] {
    const session = this.#attachment?.session;
    if (!session) return [];
    return vringStatus(
      session,
      (vring) => this.#context.plane.vringCounters(this.number, vring),
    );
  }

  #closeListener(): void {
    // In this order: the file's inode number is not given to another one while the socket lives.
    if (this.config.fd === undefined) unlinkSocket(this.config.path, this.#socketIdentity);
    closeFd(this.#listener);
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

function describePeer(fd: number): PortStatus["peer"] {
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
