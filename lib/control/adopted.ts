/**
 * Ports that are made for a front-end that has connected, and end with it: those of a listener.
 *
 * @module
 */
import type { PortSocket, SocketHost } from "./port_socket.ts";
import type { TenantFds } from "./tenant_fds.ts";

/** A port whose one front-end is there before it, and that ends with it. */
export interface Adoption {
  /** The connected front-end, the port's from now on. */
  readonly fd: number;
  /** Closes what front-ends sent; outlives the port. */
  readonly tenantFds: TenantFds;
  /** Template of the listener that took the front-end. */
  readonly listener: string;
  /** The front-end has said something, or stays. */
  announced(): void;
  /** The front-end is gone: remove the port. @param worthy it had a link, or stayed for a while */
  ended(worthy: boolean): void;
}

/** The socket of an adopted front-end: it brings that one, and the port ends with it. */
export function adoptedSocket(adoption: Adoption, host: SocketHost): PortSocket {
  let isOpen = false;
  return {
    retry: null,
    problem: null,
    open: () => {
      if (!isOpen) host.take(adoption.fd);
      isOpen = true;
    },
    suspend: () => {},
    freed: (worthy) => {
      if (isOpen) adoption.ended(worthy);
    },
    close: () => {
      isOpen = false;
    },
  };
}
