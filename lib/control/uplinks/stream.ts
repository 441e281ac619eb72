/**
 * A process behind a port, connected by a unix socket: frames with their lengths (`stream:`), or each
 * a packet (`seqpacket:`). QEMU's `-netdev stream`, passt and slirp4netns are such processes. Its
 * socket is a port's like any other: who listens, who waits, how often somebody may come, whose file
 * it is are the matters of lib/control/sockets.
 *
 * There is no handshake: the link is up while a process is connected, and nobody can be told that it
 * is to be down but by hanging up.
 *
 * @module
 */
import { prepareFrameSocket } from "../../../ffi/mod.ts";
import { VRINGS_PER_PORT } from "../../base/limits.ts";
import { STREAM_END } from "../../switch/stream/stream_lane.ts";
import { NO_OFFLOADS } from "../../virtio/offloads.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import { type SocketTargetKind, targetPath } from "../config/port_targets.ts";
import { TenantFds } from "../front_end/tenant_fds.ts";
import { Arrival } from "../sockets/arrival.ts";
import { makeSocket } from "../sockets/make_socket.ts";
import { describePeer, peerName } from "../sockets/peer.ts";
import type { PortSocket, SocketHost, TurnedAway } from "../sockets/port_socket.ts";
import { Visit, Visits } from "../sockets/visits.ts";
import type { PortStatus } from "../types.ts";
import type { PortContext } from "../vhost_port/context.ts";
import type { Uplink, UplinkFacts, UplinkHost } from "./uplink.ts";

/** Why a connection was ended, if that is to be told of its peer; otherwise it hung up. */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  [STREAM_END.badLength]: {
    code: "bad-size",
    detail: "it announced a frame of fewer than 14 or more than 65553 bytes",
  },
  [STREAM_END.cut]: { code: "peer-closed", detail: "it hung up inside of a frame" },
  [STREAM_END.descriptors]: { code: "fd-count", detail: "it sent descriptors" },
};

interface Attachment {
  readonly fd: number;
  readonly lane: number;
  readonly arrival: Arrival;
  readonly visit: Visit;
  readonly peer: PortStatus["peer"];
}

/** A socket behind a port. Control thread only. */
export class StreamUplink implements Uplink {
  readonly #host: UplinkHost;
  readonly #kind: SocketTargetKind;
  readonly #fds: TenantFds;
  readonly #socket: PortSocket;
  readonly #visits: Visits;
  #attachment: Attachment | null = null;
  /** Each connection has a lane of another number: late news of one are not taken for the next. */
  #lane = 0;
  #isOpen = false;

  /** Nothing is opened before {@linkcode open}. @throws {ControlError} no socket has that path */
  constructor(host: UplinkHost, context: PortContext, kind: SocketTargetKind) {
    this.#host = host;
    this.#kind = kind;
    this.#fds = new TenantFds(context.blocking);
    this.#visits = new Visits((...line) => host.log(...line), undefined, "peer");
    const path = targetPath(host.config);
    this.#socket = makeSocket(
      { ...host.config, path },
      context,
      this.#fds,
      null,
      this.#socketHost(),
    );
  }

  #socketHost(): SocketHost {
    return {
      mayTake: () => !this.#fds.isChoked,
      take: (fd) => this.#take(fd),
      refuse: (fd, code) => {
        this.#host.failed(code, "another peer knocked and was not taken");
        this.#fds.close(fd);
      },
      failed: (code, detail) => this.#host.failed(code, detail),
      log: (level, event, message) => this.#host.log(level, event, message),
    };
  }

  /** Opens its socket. @throws {ControlError} that cannot be */
  open(): void {
    this.#socket.open(this.#attachment !== null);
    this.#isOpen = true;
    this.#host.setMtu(this.#host.config.mtu ?? null);
  }

  suspend(): void {
    this.#isOpen = false;
    this.#socket.suspend();
    this.#detach(null);
  }

  #take(fd: number): TurnedAway | null {
    if (!this.#isOpen) return { code: "admin-down", why: "and the port is down" };
    if (this.#attachment !== null) {
      return { code: "busy", why: `and ${peerName(this.#attachment.peer)} is connected` };
    }
    prepareFrameSocket(fd);
    this.#lane = (this.#lane + 1) % VRINGS_PER_PORT;
    if (!this.#host.startLane(this.#lane, this.#kind, fd, NO_OFFLOADS)) {
      return { code: "data-plane", why: "and the data plane has no room for it" };
    }
    const peer = describePeer(fd);
    const visit = new Visit(this.#visits, (...line) => this.#host.log(...line), peer);
    const arrival = new Arrival(() => visit.come(), () => void visit.stay());
    this.#attachment = { fd, lane: this.#lane, arrival, visit, peer };
    this.#host.connected();
    arrival.announce();
    this.#host.setLink(true, null);
    return null;
  }

  laneFailed(lane: number, code: number): void {
    // The news may be of a connection before.
    if (this.#attachment?.lane === lane) this.#detach(REFUSALS[code] ?? null);
  }

  #detach(refusal: Refusal | null): void {
    const attachment = this.#attachment;
    if (attachment === null) return;
    this.#attachment = null;
    const { fd, lane, arrival, visit, peer } = attachment;
    arrival.end(false);
    for (const sent of this.#host.stopLane(lane)) this.#fds.close(sent);
    this.#fds.close(fd);
    if (refusal !== null) this.#host.failed(refusal.code, refusal.detail);
    visit.leave(refusal);
    this.#host.setLink(false, null);
    this.#host.disconnected();
    this.#socket.freed({ pid: peer?.pid ?? 0, stay: arrival.stay, faulty: refusal !== null });
  }

  get facts(): UplinkFacts {
    const there = this.#attachment !== null;
    const { retry, problem } = this.#socket;
    return {
      link: there ? "up" : "wait",
      lanes: there ? 1 : 0,
      retry: there ? null : retry,
      peer: this.#attachment?.peer ?? null,
      device: null,
      nat: null,
      problems: problem === null ? [] : [problem],
    };
  }

  close(): void {
    this.#isOpen = false;
    this.#socket.close();
    this.#detach(null);
    this.#visits.close();
  }
}
