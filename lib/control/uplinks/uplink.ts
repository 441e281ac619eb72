/**
 * What is behind a port without a front-end, as its port sees it. A new kind of port is
 *
 * 1. a word of PORT_TARGETS (config/port_targets.ts): how an operator writes it;
 * 2. a class with {@linkcode Uplink}, and its row in kinds.ts;
 * 3. a lane of the data plane, if none there does: see lib/worker/lanes/mod.ts.
 *
 * Whatever may fail at run time (the device is gone, nobody listens) is a state that it shows and
 * gets over by itself; only what can never work is an error.
 *
 * @module
 */
import type { LaneKind } from "../../switch/ports/lane_port.ts";
import type { ReasonCode } from "../../vhost/reasons.ts";
import type { PortConfig, PortStatus } from "../types.ts";
import type { UplinkReason } from "./reasons.ts";

/** What an uplink asks of its port. */
export interface UplinkHost {
  /** As the operator wrote it. */
  readonly config: PortConfig;
  /**
   * Frames come and go through a descriptor from now on. It does not block, and stays the caller's,
   * to be closed after {@linkcode stopLane}.
   * @param offloads what frames may ask for, both ways, OFFLOAD_ bits (lib/virtio/offloads.ts)
   * @returns false: the data plane has no room for it
   */
  startLane(lane: number, kind: LaneKind, fd: number, offloads: number): boolean;
  /** No more. @returns descriptors that came by it, the caller's from now on */
  stopLane(lane: number): readonly number[];
  /** Watches a descriptor for EPOLLIN, or no more. Handlers must not block. */
  watch(fd: number, handler: () => void): void;
  /** See {@linkcode watch}; call before it is closed. */
  unwatch(fd: number): void;
  /**
   * Frames flow, or no more: what was learned there is forgotten. Says so if that is news.
   * @param text what more the log hears of it; null: the caller has a line of its own
   */
  setLink(up: boolean, text: string | null): void;
  /** A process has connected. */
  connected(): void;
  /** It is gone. */
  disconnected(): void;
  /** Frames longer than this MTU allows are dropped, both ways. @param mtu bytes; null: any */
  setMtu(mtu: number | null): void;
  /** Something went wrong; counted, and shown as the last error. @param detail for people */
  failed(code: UplinkReason | ReasonCode, detail: string): void;
  /** Logs with the port's name. */
  log(
    level: "debug" | "info" | "warn",
    event: string,
    message: string,
    fields?: Record<string, string | number>,
  ): void;
}

/** What an uplink shows of itself. */
export interface UplinkFacts {
  /** `wait`: nothing is there. */
  readonly link: PortStatus["link"];
  /** Lanes in use. */
  readonly lanes: number;
  /** Why nothing is there. */
  readonly retry: PortStatus["retry"];
  /** The network device behind it, if it is one. */
  readonly device: PortStatus["device"];
  /** Who is at the other end, if that is a process. */
  readonly peer: PortStatus["peer"];
  /** How it translates, if it does. */
  readonly nat: PortStatus["nat"];
  /** What is wrong with it. */
  readonly problems: PortStatus["problems"];
}

/** What is behind a port without a front-end. Control thread only. */
export interface Uplink {
  /** Serves it from now on, as soon as it is there. @throws {ControlError} that can never be */
  open(): void;
  /** Out of service, until it is opened again; what others see of it is down. */
  suspend(): void;
  /** A lane's descriptor is of no use any more. @param code why, in the words of that kind of lane */
  laneFailed(lane: number, code: number): void;
  /** How it is. */
  readonly facts: UplinkFacts;
  /** Nothing of it is left when this returns. Call once, {@linkcode suspend} before or not. */
  close(): void;
}
