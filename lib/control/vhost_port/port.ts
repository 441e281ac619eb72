/**
 * A port of the running switch on the control thread: at most one connected front-end. Where
 * front-ends come from is the matter of its socket, see port_socket.ts; what their sessions ask for
 * is carried out in session_host.ts.
 *
 * Everything a connection brought is released exactly once when it ends, in this order: virtqueues
 * stopped, memory table emptied, views detached, memory unmapped, descriptors closed.
 *
 * @module
 */
import { setNonBlocking } from "../../../ffi/mod.ts";
import { present } from "../../base/assert.ts";
import { parseMac } from "../../base/mac.ts";
import type { SessionHost } from "../../vhost/host.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import { callInBand } from "../../vhost/device/in_band.ts";
import { makeOffer, type Offer } from "../../vhost/offer.ts";
import type { Device } from "../../vhost/device.ts";
import { Session } from "../../vhost/session.ts";
import { type DataPlaneEvent, EVENT } from "../../worker/events.ts";
import type { DataPlane, VringStart } from "../../worker/wire.ts";
import type { Adoption } from "../sockets/adopted.ts";
import { Arrival } from "../sockets/arrival.ts";
import { BackEndLink } from "../front_end/back_end_link.ts";
import { Brought } from "../front_end/brought.ts";
import { Connection } from "../front_end/connection.ts";
import { makeSocket } from "../sockets/make_socket.ts";
import { describePeer, peerName } from "../sockets/peer.ts";
import { budgetOf } from "../config/budget_option.ts";
import { cannotTell } from "../config/names.ts";
import { isUplink } from "../config/port_targets.ts";
import type { PortPlane } from "../planes.ts";
import type { Attachment } from "./attachment.ts";
import { applyPolicy } from "../policy.ts";
import type { PortContext } from "./context.ts";
import { PortHistory } from "./history.ts";
import { type AddressUse, vhostLimits } from "./limits.ts";
import { PortMtu } from "./mtu.ts";
import { lostPage, PortProblems } from "./problems.ts";
import { PortIotlb } from "../front_end/iotlb.ts";
import { PeerWatch } from "../sockets/peer_watch.ts";
import type { PortSocket, SocketHost, TurnedAway } from "../sockets/port_socket.ts";
import { MovingState } from "../front_end/moving_state.ts";
import type { PortRelations, ServedPort } from "../served_port.ts";
import { callBlocked, faultOf, TOO_SLOW } from "./stalls.ts";
import { ALONE, linkUpText, portStatus, vringStatus } from "./status.ts";
import { recordsFiles, type RingRecords } from "../front_end/ring_records.ts";
import { sessionHost, type SessionParts } from "../front_end/session_host.ts";
import { FileSeals } from "../front_end/file_seals.ts";
import { TenantFds } from "../front_end/tenant_fds.ts";
import { ControlError, type PortConfig, type PortStatus, type VringStatus } from "../types.ts";
import { Visit, Visits } from "../sockets/visits.ts";

/** One port. Control thread only. */
export class SwitchPort implements ServedPort {
  /** As the operator wrote it; of an adopted port, with its number. */
  config: PortConfig;
  /** The data plane that serves it. */
  readonly plane: PortPlane;
  /** Its number there. */
  readonly number: number;
  readonly #context: PortContext;
  readonly #adoption: Adoption | null;
  readonly #socket: PortSocket;
  readonly #brought: Brought;
  readonly #tenantFds: TenantFds;
  readonly #seals: FileSeals;
  readonly #offer: Offer;
  readonly #iotlb: PortIotlb;
  readonly #state: MovingState;
  readonly #problems: PortProblems;
  readonly #visits: Visits;
  #attachment: Attachment | null = null;
  readonly #mtu: PortMtu;
  #linkUp = false;
  #admin: PortStatus["admin"] = "up";
  readonly #history = new PortHistory();

  /** Reserves the port's number and opens its socket. @throws {ControlError} */
  constructor(config: PortConfig, context: PortContext, adoption: Adoption | null = null) {
    this.config = config;
    this.#context = context;
    this.#adoption = adoption;
    this.#offer = makeOffer(config);
    this.#tenantFds = adoption?.tenantFds ?? new TenantFds(context.blocking);
    this.#seals = new FileSeals(context.blocking, (fd) => this.#tenantFds.close(fd));
    this.#socket = this.#makeSocket();
    this.plane = context.planes.forNewPort();
    const { thread, thread: { commands } } = this.plane;
    const number = commands.addPort({ kind: "vhost" });
    if (number === null) {
      throw new ControlError("conflict", `Cannot add port ${config.name}: the switch is full`);
    }
    this.number = number;
    this.#brought = new Brought(this.plane, number, adoption?.account ?? null, budgetOf(config));
    this.#mtu = new PortMtu(
      config.mtu ?? null,
      (frameBytesMax) => this.#plane.setFrameMax({ port: number, frameBytesMax }),
    );
    const device = (): Device | null => this.#attachment?.session.device ?? null;
    this.#iotlb = new PortIotlb(commands, number, device);
    this.#state = new MovingState({
      ...{ plane: thread, reactor: context.reactor, fds: this.#tenantFds },
      ...{ number, device },
      log: (level, event, message) => this.#visitLog(level, event, message),
    });
    this.#visits = adoption?.visits ?? new Visits((...line) => this.#log(...line));
    const name = adoption?.listener ?? config.name;
    this.#problems = new PortProblems(name, context, this.#offer, (...line) => this.#log(...line));
    try {
      applyPolicy(this, config);
      this.#socket.open(false);
    } catch (error) {
      this.#brought.close();
      commands.removePort({ port: number });
      throw error;
    }
  }

  get #plane(): DataPlane {
    return this.plane.thread.commands;
  }

  #makeSocket(): PortSocket {
    const host: SocketHost = {
      mayTake: () => !this.#tenantFds.isChoked,
      take: (fd) => this.#take(fd),
      refuse: (fd, code) => {
        this.#history.failed(code, "another front-end knocked and was not taken");
        this.#tenantFds.close(fd);
      },
      failed: (code, detail) => this.#history.failed(code, detail),
      log: (level, event, message) => this.#log(level, event, message),
    };
    return makeSocket(this.config, this.#context, this.#tenantFds, this.#adoption, host);
  }

  #log(
    level: "debug" | "info" | "warn",
    event: string,
    message: string,
    fields: Record<string, string | number> = {},
  ): void {
    this.#context.logger[level](`port ${this.config.name}`, event, message, fields);
  }

  /** Logs what a front-end causes, if there is one. */
  #visitLog(level: "debug" | "info" | "warn", event: string, message: string): void {
    if (this.#attachment) this.#attachment.visit.log(level, event, message);
    else this.#log(level, event, message);
  }

  #take(fd: number): TurnedAway | null {
    if (this.#admin === "down") return { code: "admin-down", why: "and the port is down" };
    // A front-end that connects again may be here before the news of its hanging up.
    this.poll();
    this.dropAbandoned();
    if (this.#attachment === null) return this.#attach(fd);
    return { code: "busy", why: `and ${peerName(this.#attachment.peer)} is connected` };
  }

  /** Ends the connection if its process has ended. @returns whether that was so */
  dropAbandoned(): boolean {
    if (!this.#attachment?.watch.isGone) return false;
    const detail = `${peerName(this.#attachment.peer)} has ended, another front-end comes`;
    this.#attachment.connection.end({ code: "peer-gone", detail });
    return true;
  }

  /** Handles what the front-end sent so far, its hanging up included. */
  poll(): void {
    this.#attachment?.connection.poll();
  }

  #attach(fd: number): null {
    const records = this.#makeRecords();
    const session = new Session(this.#sessionHost(records), makeOffer(this.config));
    const connection = new Connection(fd, this.#context.reactor, {
      handle: (message) => {
        arrival.announce();
        this.#problems.heard(message.request);
        const outcome = this.#seals.first(message, () => session.handle(message));
        if (this.plane.pool.takeNews()) queueMicrotask(() => this.#context.pagesLost(this.plane));
        return outcome;
      },
      ended: (refusal) => {
        if (refusal === null) this.#problems.hungUp();
        this.#detach(refusal);
      },
      closeFd: (received) => this.#tenantFds.close(received),
      mayRead: () => !this.#tenantFds.isChoked,
      held: () => this.#history.failed("closing", "what it sent does not close, it has to wait"),
    });
    const backEnd = new BackEndLink(this.#context.reactor, {
      failed: (refusal) => connection.end(refusal),
      closeFd: (received) => this.#tenantFds.close(received),
      log: (level, event, message) => this.#log(level, event, message),
    });
    const peer = describePeer(fd);
    const visit = new Visit(this.#visits, (...line) => this.#log(...line), peer);
    const arrival = new Arrival(() => this.#announce(visit), () => {
      if (visit.stay() && this.#linkUp) this.#logLinkUp();
    });
    const watch = new PeerWatch(peer?.pid ?? 0, this.#context.reactor, () => {
      const text = `${peerName(peer)} has ended, its connection not: the next one replaces it`;
      visit.log("warn", "peer-gone", text);
    });
    this.#attachment = { fd, session, connection, arrival, visit, peer, watch, records, backEnd };
    this.#problems.begin(session.device);
    return null;
  }

  #announce(visit: Visit): void {
    this.#history.connected();
    this.#adoption?.announced();
    visit.come();
  }

  #logLinkUp(): void {
    const { session } = present(this.#attachment, "a front-end");
    this.#visitLog("info", "link-up", linkUpText(session.device, this.#brought.memory));
  }

  #makeRecords(): RingRecords {
    return this.#brought.records({
      ...recordsFiles(this.#context.recordsPrefix, this.config.name),
      log: (level, event, message) => this.#visitLog(level, event, message),
    });
  }

  #sessionHost(records: RingRecords): SessionHost {
    const { memory, dirtyLog } = this.#brought;
    const parts: SessionParts = {
      ...{ plane: this.#plane, number: this.number, records },
      ...{ memory, dirtyLog, tenantFds: this.#tenantFds },
      ...{ iotlb: this.#iotlb, state: this.#state, history: this.#history },
    };
    return sessionHost(parts, {
      startVring: (vring, start) => this.#startVring(vring, start),
      setBackEndChannel: (fd) => present(this.#attachment, "who sent it").backEnd.open(fd),
      tellFrontEnd: (message, answered) =>
        this.#attachment?.backEnd.send(message, answered) ?? false,
      setMtu: (mtu) => this.#mtu.set(mtu),
      log: (level, event, message) => this.#visitLog(level, event, message),
      linkChanged: (up) => this.#linkChanged(up),
    });
  }

  #startVring(vring: number, start: VringStart): void {
    if (start.callFd >= 0) setNonBlocking(start.callFd);
    this.#problems.starts(vring, start.kickFd);
    this.#plane.startVring({ port: this.number, vring, start });
    const kind = start.packed ? "packed" : "split";
    this.#log("debug", "vring-started", `vring ${vring} started, ${kind} ${start.size}`);
  }

  #linkChanged(up: boolean): void {
    this.#linkUp = up;
    this.#history.linkChanged();
    this.#state.linkChanges(up);
    if (up && this.#attachment) {
      this.#attachment.arrival.prove();
      this.#logLinkUp();
      if (isUplink(this.config)) this.#context.uplinkUp();
      else this.expectGuest();
      return;
    }
    this.#plane.flushPort({ port: this.number });
    this.#visitLog("info", "link-down", "link down");
  }

  #detach(refusal: Refusal | null): void {
    const attachment = this.#attachment;
    if (!attachment) return;
    const { arrival, visit, peer } = attachment;
    arrival.end(refusal !== null);
    attachment.watch.close();
    this.#problems.end();
    attachment.session.close();
    this.plane.thread.forgiveCalls(this.number);
    this.#seals.end();
    attachment.records.close();
    attachment.backEnd.close();
    this.#iotlb.close();
    this.#state.close();
    this.#attachment = null;
    this.#history.disconnected();
    this.#mtu.reset();
    this.#tenantFds.close(attachment.fd);
    if (!arrival.isAnnounced) {
      this.#log("debug", "silent", "somebody connected and hung up without a word");
    } else {
      if (refusal !== null) this.#history.failed(refusal.code, refusal.detail);
      visit.leave(refusal);
    }
    this.#socket.freed({ pid: peer?.pid ?? 0, stay: arrival.stay, ...faultOf(refusal) });
  }

  /**
   * Takes the port out of service, or back. Out of it, no frame passes; a front-end that can be
   * told is told, any other one is disconnected, and no other one comes in.
   * @throws {ControlError} its socket cannot be opened again
   */
  setAdmin(admin: PortStatus["admin"]): void {
    if (admin === this.#admin) return;
    if (admin === "down") this.#goDown();
    else this.#socket.open(this.#attachment !== null);
    this.#admin = admin;
    this.#plane.setPortUp({ port: this.number, up: admin === "up" });
    if (admin === "up") this.#attachment?.session.device.setLinkStatus(true);
    this.#log("info", `admin-${admin}`, `taken ${admin === "up" ? "into" : "out of"} service`);
  }

  #goDown(): void {
    const told = this.#attachment?.session.device.setLinkStatus(false) ?? false;
    if (this.#adoption && !told) {
      throw cannotTell(this.config.name, this.#adoption.listener);
    }
    this.#socket.suspend();
    this.#admin = "down";
    this.#plane.flushPort({ port: this.number });
    if (!told) this.#disconnect();
  }

  #disconnect(): void {
    this.#attachment?.connection.close();
    this.#detach(null);
  }

  /** The data plane gave one of its virtqueues up. */
  ringBroken(vring: number, reason: string): void {
    const lost = lostPage(vring, reason);
    if (lost !== null) return this.#attachment?.connection.end(lost);
    const text = this.#problems.brokenText(vring, reason);
    this.#history.failed(reason, `vring ${vring} stopped${text}`);
    this.#attachment?.session.device.ringBroken(vring, reason, text);
  }

  /** The data plane was stuck in a call of a virtqueue: its front-end has to go. */
  callBlocked(vring: number): void {
    this.#attachment?.connection.end(callBlocked(vring));
  }

  pagesLost(): void {
    const detail = this.#attachment && this.#brought.lost(this.#attachment.records);
    if (detail !== null) this.#attachment?.connection.end({ code: "bad-page", detail });
  }

  /** The data plane needs something of the front-end; see events.ts for the kinds. */
  dataPlaneEvent(event: DataPlaneEvent): void {
    const device = this.#attachment?.session.device;
    if (device && event.kind === EVENT.call) callInBand(device, event.vring);
    else if (event.kind === EVENT.tooSlow) this.#attachment?.connection.end(TOO_SLOW);
    else if (!this.#problems.told(event)) this.#iotlb.event(event);
  }

  /** It came with its front-end, and ends with it. */
  get isAdopted(): boolean {
    return this.#adoption !== null;
  }

  get memoryFiles(): string[] {
    return this.#brought.memory.files;
  }

  expectGuest(): void {
    const mac = this.#linkUp && this.config.mac ? parseMac(this.config.mac) : null;
    if (mac) this.#plane.expectMac({ port: this.number, macLo: mac.low, macHi: mac.high });
  }

  /** Forgets what was learned of it. */
  flushFdb(): void {
    this.#plane.flushPort({ port: this.number });
  }

  /** For `port list` and `port show`. @param relations to other ports */
  status(relations: PortRelations = ALONE): PortStatus {
    return portStatus({
      config: this.config,
      device: this.#attachment?.session.device ?? null,
      peer: this.#attachment?.peer ?? null,
      linkUp: this.#linkUp && this.#admin === "up",
      admin: this.#admin,
      retry: this.#socket.retry,
      listener: this.#adoption?.listener ?? null,
      relations,
      mtu: this.#mtu.value,
      history: this.#history,
      counters: this.plane.thread.portCounters(this.number),
      memory: this.#brought.memory.regions,
      problems: [...this.#problems.list, this.#socket.problem].filter((each) => each !== null),
    });
  }

  limits(addresses: AddressUse): ReturnType<typeof vhostLimits> {
    return vhostLimits(this.config.name, {
      ...{ addresses, brought: this.#brought, budget: budgetOf(this.config, addresses.usual) },
      ...{ queuePairs: this.#offer.queuePairs, frontEnd: this.#attachment },
      ...{ closing: this.#tenantFds.waiting, held: this.#socket.held },
      stateBytes: this.#state.bytes,
    });
  }

  /** For `vring show`. */
  vrings(): VringStatus[] {
    const device = this.#attachment?.session.device;
    if (!device) return [];
    return vringStatus(device, (vring) => this.plane.thread.vringCounters(this.number, vring));
  }

  /** Disconnects the front-end, closes the socket, frees the number. Call once. */
  close(): void {
    this.#socket.close();
    this.#disconnect();
    if (!this.#adoption) this.#visits.close();
    this.#brought.close();
    this.#plane.removePort({ port: this.number });
  }
}
