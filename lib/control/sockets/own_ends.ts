/**
 * Sockets whose other end is this process. A tenant gets one by connecting to the switch, and can send
 * it back as a descriptor: then the switch would hold both ends, and never learn that the tenant is
 * gone. Or a link in a tenant's folder leads a port that connects to another port of this switch.
 *
 * @module
 */
import { fdKind, peerCredentials, unixName } from "../../../ffi/mod.ts";
import type { FdKind } from "../../vhost/host.ts";

/**
 * Whether it is an end of a connection that was made by a path and has its other end here. A pair of
 * nameless sockets is none.
 */
export function isOwnEnd(fd: number): boolean {
  if (peerCredentials(fd)?.pid !== Deno.pid) return false;
  return unixName(fd, "peer") !== "" || unixName(fd, "own") !== "";
}

/** What a tenant's descriptor is, as far as it may be used: an own end is of no use. */
export function tenantFdKind(fd: number): FdKind {
  const kind = fdKind(fd);
  return kind === "socket" && isOwnEnd(fd) ? "own-end" : kind;
}
