/**
 * Which socket a port has: that of a front-end which was adopted, one that the switch listens at, or
 * one that it connects to.
 *
 * @module
 */
import type { TenantFds } from "../front_end/tenant_fds.ts";
import type { PortConfig } from "../types.ts";
import { adoptedSocket, type Adoption } from "./adopted.ts";
import { ConnectingSocket } from "./connect_mode.ts";
import { type ListeningContext, ListeningSocket } from "./listen_mode.ts";
import type { PortSocket, SocketHost } from "./port_socket.ts";

/** Makes the socket of a port, not open yet. @throws {ControlError} no socket can have that path */
export function makeSocket(
  config: PortConfig,
  context: ListeningContext,
  fds: TenantFds,
  adoption: Adoption | null,
  host: SocketHost,
): PortSocket {
  if (adoption) return adoptedSocket(adoption, host);
  if (config.mode === "connect") {
    const isOurs = (fd: number): boolean => context.sockets.isOurs(fd);
    return new ConnectingSocket(config, fds, host, isOurs);
  }
  return new ListeningSocket(config, context, host);
}
