/**
 * Who is at the other end of a socket.
 *
 * @module
 */
import { peerCredentials } from "../../../ffi/mod.ts";
import type { PortStatus } from "../types.ts";

/** The process that connected, or that listened when we did; null if the kernel cannot tell. */
export function describePeer(fd: number): PortStatus["peer"] {
  const peer = peerCredentials(fd);
  if (!peer) return null;
  let command = "?";
  try {
    command = Deno.readTextFileSync(`/proc/${peer.pid}/comm`).trim();
  } catch {
    // It is gone, or in another PID namespace.
  }
  return { pid: peer.pid, uid: peer.uid, command };
}

/** Its process; 0 if the kernel cannot tell, or it is in another PID namespace. */
export function peerPid(fd: number): number {
  return peerCredentials(fd)?.pid ?? 0;
}

/** How the log names a peer. */
export function peerName(peer: PortStatus["peer"]): string {
  return peer ? `pid ${peer.pid} ${peer.command}` : "an unknown process";
}
