/**
 * Whose processes may be a port's front-end: the kernel says who connected, or who listened when we
 * did (SO_PEERCRED, unix(7)), whatever the socket's file allows.
 *
 * @module
 */
import { peerCredentials } from "../../../ffi/mod.ts";
import type { PortConfig } from "../types.ts";
import type { TurnedAway } from "./port_socket.ts";

/**
 * Looks whether a connection is of a user who may come. One the kernel cannot tell, or of a user
 * without a number here (another user namespace), may not. @returns null if it may
 */
export function strangerAt(fd: number, { peerUids }: PortConfig): TurnedAway | null {
  if (peerUids === undefined) return null;
  const uid = peerCredentials(fd)?.uid;
  if (uid !== undefined && peerUids.includes(uid)) return null;
  const who = uid === undefined ? "nobody the kernel knows" : `user ${uid}`;
  return { code: "peer-uid", why: `and is of ${who}, which peer-uid= does not name` };
}
