/**
 * Where a port's front-ends come from: its socket, in one of two modes. The port itself sees
 * connected descriptors only.
 *
 * @module
 */
import type { ReasonCode } from "../../vhost/reasons.ts";
import type { PortProblem, PortStatus } from "../types.ts";
import type { Stay } from "./arrival.ts";

/** Why a front-end was not taken: a reason code, and words for people. */
export interface TurnedAway {
  /** Counted and logged. */
  readonly code: ReasonCode;
  /** Continues a sentence about the front-end that was not taken. */
  readonly why: string;
}

/** What became of a front-end that was taken. */
export interface Visited {
  /** Its process, 0 if the kernel cannot tell. */
  readonly pid: number;
  /** How long it stayed. */
  readonly stay: Stay;
  /** Its connection was closed for a fault of it. */
  readonly faulty: boolean;
  /** It took the data plane's time from the others. */
  readonly stalled?: boolean;
}

/** What a socket needs from its port. */
export interface SocketHost {
  /** Whether a front-end could be taken now; if not, the socket asks again later. */
  mayTake(): boolean;
  /** Takes a connected front-end over, or says why not: then the descriptor stays the caller's. */
  take(fd: number): TurnedAway | null;
  /** Closes one that was not taken, and counts it. */
  refuse(fd: number, code: ReasonCode): void;
  /** Counts what keeps front-ends waiting, once each time it begins. @param detail for people */
  failed(code: ReasonCode, detail: string): void;
  /** Logs with the port's name. */
  log(level: "debug" | "info" | "warn", event: string, message: string): void;
}

/**
 * The problem of a port that takes nobody because descriptors of an earlier front-end do not close,
 * which a tenant can bring about.
 */
export const CLOSING: PortProblem = {
  code: "closing",
  text: "descriptors of an earlier front-end do not close, and the next ones wait for that",
  hint: "end who sent them, or who serves them: a silent FUSE file system, the peer of a socket",
};

/** A port's socket. Control thread only. */
export interface PortSocket {
  /** Why there is no front-end, as far as the socket knows. */
  readonly retry: PortStatus["retry"];
  /** Why no front-end can come, or null. */
  readonly problem: PortProblem | null;
  /** Front-ends that are held before they are refused. */
  readonly held: number;
  /** Brings front-ends from now on. @param occupied one is there still @throws {ControlError} */
  open(occupied: boolean): void;
  /** Brings no more, until it is opened again: who tries to connect is refused. */
  suspend(): void;
  /** A front-end it brought is gone. */
  freed(visited: Visited): void;
  /** Brings no more and leaves nothing behind. Call once. */
  close(): void;
}
