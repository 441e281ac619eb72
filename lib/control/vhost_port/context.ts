/**
 * What the ports of a switch share.
 *
 * @module
 */
import type { SocketAccess } from "../sockets/bind.ts";
import type { Logger } from "../log.ts";
import type { PlaneChoice, PortPlane } from "../planes.ts";
import type { Reactor } from "../reactor.ts";
import type { SocketWatch } from "../sockets/socket_watch.ts";
import type { BlockingPool } from "../front_end/tenant_fds.ts";

/** What a port shares with the others. */
export interface PortContext {
  /** Where new ports are served. */
  readonly planes: PlaneChoice;
  /** Threads for what tenants can block. */
  readonly blocking: BlockingPool;
  /** The control thread's event loop. */
  readonly reactor: Reactor;
  /** The switch's log. */
  readonly logger: Logger;
  /** Mode and group of port sockets. */
  readonly access: SocketAccess;
  /** Watches socket files. */
  readonly sockets: SocketWatch;
  /** Frames flow through an uplink, again or for the first time. */
  readonly uplinkUp: () => void;
  /**
   * Pages of some port's memory on this plane could not be had. This thread reads logs and records,
   * too; not to be called in the middle of a message.
   */
  readonly pagesLost: (plane: PortPlane) => void;
  /** What the names of files for the next process begin with, or null for none. */
  readonly recordsPrefix: string | null;
}
