/**
 * Ports that are made for a front-end that has connected, and end with it: those of a listener.
 *
 * @module
 */
import type { PortSocket, SocketHost, Visited } from "./port_socket.ts";
import type { MemoryAccount } from "../front_end/memory_shares.ts";
import type { TenantFds } from "../front_end/tenant_fds.ts";
import type { Visits } from "./visits.ts";

/** A port whose one front-end is there before it, and that ends with it. */
export interface Adoption {
  /** The connected front-end, the port's from now on. */
  readonly fd: number;
  /** Closes what front-ends sent; outlives the port. */
  readonly tenantFds: TenantFds;
  /** Pays for what front-ends of the listener have mapped. */
  readonly account: MemoryAccount;
  /** Template of the listener that took the front-end. */
  readonly listener: string;
  /** What the log hears of those who come and go there. */
  readonly visits: Visits;
  /** The front-end has said something, or stays. */
  announced(): void;
  /** The front-end is gone: remove the port. */
  ended(visited: Visited): void;
}

/** The socket of an adopted front-end: it brings that one, and the port ends with it. */
export function adoptedSocket(adoption: Adoption, host: SocketHost): PortSocket {
  let isOpen = false;
  return {
    retry: null,
    problem: null,
    held: 0,
    open: () => {
      if (!isOpen) host.take(adoption.fd);
      isOpen = true;
    },
    suspend: () => {},
    freed: (visited) => {
      if (isOpen) adoption.ended(visited);
    },
    close: () => {
      isOpen = false;
    },
  };
}
