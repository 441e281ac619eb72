/**
 * The back-end channel as the session sees it: SET_BACKEND_REQ_FD, and what goes out on it
 * (vhost-user.rst «Back-end message types»).
 *
 * @module
 */
import { hasFeature, VHOST_USER_PROTOCOL_F_REPLY_ACK } from "../../virtio/features.ts";
import type { BackEndMessage } from "../wire/back_end_message.ts";
import type { Message } from "../wire/message.ts";
import type { Result } from "./table.ts";
import type { Session } from "../session.ts";

/** SET_BACKEND_REQ_FD: a socket, in place of an earlier one. */
export function setBackendReqFd(session: Session, message: Message): Result {
  const [fd] = message.fds;
  if (fd === undefined) {
    return { code: "fd-count", detail: "SET_BACKEND_REQ_FD without descriptor" };
  }
  if (session.host.fdKind(fd) !== "socket") {
    session.closeFds(message.fds);
    return { code: "not-socket", detail: "the back-end channel is no socket" };
  }
  session.host.setBackEndChannel(fd);
  return null;
}

/**
 * Sends a message of our own accord, unless every ring is stopped: a suspended back-end keeps
 * silent (vhost-user.rst «Suspended device state»).
 * @param answered told the reply's value, or null if there will be none: the front-end hung up,
 * or did not negotiate VHOST_USER_PROTOCOL_F_REPLY_ACK
 * @returns whether it was sent
 */
export function tellFrontEnd(
  session: Session,
  message: BackEndMessage,
  answered?: (value: bigint | null) => void,
): boolean {
  if (!session.vrings.some((vring) => vring.started)) return false;
  if (!answered) return session.host.tellFrontEnd(message);
  if (hasFeature(session.protocolFeatures, VHOST_USER_PROTOCOL_F_REPLY_ACK)) {
    return session.host.tellFrontEnd(message, answered);
  }
  const sent = session.host.tellFrontEnd(message);
  if (sent) answered(null);
  return sent;
}
