/**
 * What the ports of a switch share.
 *
 * @module
 */
import type { DataPlaneThread } from "../worker/supervisor.ts";
import type { MappingPool } from "./guest_memory.ts";
import type { SocketAccess } from "./listener.ts";
import type { Logger } from "./log.ts";
import type { Reactor } from "./reactor.ts";
import type { SocketWatch } from "./socket_watch.ts";
import type { BlockingPool } from "./tenant_fds.ts";

/** What a port needs of the data plane. */
export type PortPlane = Pick<
  DataPlaneThread,
  "commands" | "forgiveCalls" | "portMacs" | "portCounters" | "vringCounters"
>;

/** What a port shares with the others. */
export interface PortContext {
  readonly plane: PortPlane;
  readonly pool: MappingPool;
  readonly blocking: BlockingPool;
  readonly reactor: Reactor;
  readonly logger: Logger;
  readonly access: SocketAccess;
  readonly sockets: SocketWatch;
  /** What the names of files for the next process begin with, or null for none. */
  readonly recordsPrefix: string | null;
}
