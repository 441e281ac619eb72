/**
 * What the ports of a switch share.
 *
 * @module
 */
import type { SocketAccess } from "../sockets/bind.ts";
import type { Logger } from "../log.ts";
import type { PlaneChoice } from "../planes.ts";
import type { Reactor } from "../reactor.ts";
import type { SocketWatch } from "../sockets/socket_watch.ts";
import type { BlockingPool } from "../front_end/tenant_fds.ts";

/** What a port shares with the others. */
export interface PortContext {
  readonly planes: PlaneChoice;
  readonly blocking: BlockingPool;
  readonly reactor: Reactor;
  readonly logger: Logger;
  readonly access: SocketAccess;
  readonly sockets: SocketWatch;
  /** What the names of files for the next process begin with, or null for none. */
  readonly recordsPrefix: string | null;
}
