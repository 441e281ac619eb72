/**
 * Where a port's front-ends come from: its socket, in one of two modes. The port itself sees
 * connected descriptors only.
 *
 * @module
 */
import type { PortStatus } from "./types.ts";

/** What a socket needs from its port. */
export interface SocketHost {
  /** Whether a front-end could be taken now; if not, the socket asks again later. */
  mayTake(): boolean;
  /** A front-end is connected; its descriptor is the host's from now on. */
  take(fd: number): void;
  log(level: "debug" | "info" | "warn", event: string, message: string): void;
}

/** A port's socket. Control thread only. */
export interface PortSocket {
  /** Why there is no front-end, as far as the socket knows. */
  readonly retry: PortStatus["retry"];
  /** Brings front-ends from now on. @param occupied one is there still @throws {ControlError} */
  open(occupied: boolean): void;
  /** Brings no more, until it is opened again: who tries to connect is refused. */
  suspend(): void;
  /** The front-end it brought last is gone. */
  freed(): void;
  /** Brings no more and leaves nothing behind. Call once. */
  close(): void;
}
