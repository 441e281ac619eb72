/**
 * Kicks, calls and errors of virtqueues as messages (vhost-user.rst «In-band notifications»).
 * Descriptors go first: a virtqueue whose kick or call message came, with a descriptor or saying that
 * there is none, has those.
 *
 * @module
 */
import { hasFeature, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS } from "../../virtio/features.ts";
import { IN_BAND, type VringPosition } from "../../worker/wire.ts";
import {
  VHOST_USER_BACKEND_VRING_CALL,
  VHOST_USER_BACKEND_VRING_ERR,
  vringMessage,
} from "../wire/back_end_message.ts";
import { setBackendReqFd, tellFrontEnd } from "../requests/back_end_channel.ts";
import type { Message } from "../wire/message.ts";
import type { Result } from "../requests/table.ts";
import type { Session } from "../session.ts";
import type { VringState } from "./vring.ts";

function inBand(session: Session): boolean {
  return hasFeature(session.protocolFeatures, VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
}

/** Where the data plane is to expect a virtqueue's kicks. */
export function kickOf(session: Session, vring: VringState): number {
  return vring.kickGiven || !inBand(session) ? vring.kickFd : IN_BAND;
}

/** Where the data plane is to send a virtqueue's calls. */
export function callOf(session: Session, vring: VringState): number {
  return vring.callGiven || !inBand(session) ? vring.callFd : IN_BAND;
}

/** VRING_KICK: starts a virtqueue, or says that there is something in it. */
export function vringKick(session: Session, message: Message): Result {
  const index = message.payload.getUint32(0, true);
  const num = message.payload.getUint32(4, true);
  const vring = session.vrings[index];
  if (!vring) {
    return { code: "bad-index", detail: `vring ${index} of ${session.vrings.length}` };
  }
  if (num !== 0) return { code: "bad-value", detail: `VRING_KICK with ${num}` };
  vring.started = true;
  if (!vring.running) return session.resume(index);
  session.host.kickVring(index);
  return null;
}

/** SET_BACKEND_REQ_FD: calls that got lost with an earlier channel are made up for. */
export function setBackEndChannel(session: Session, message: Message): Result {
  const result = setBackendReqFd(session, message);
  if (result !== null || !inBand(session)) return result;
  for (const index of session.vrings.keys()) callInBand(session, index);
  return null;
}

/**
 * The driver of a virtqueue wants a call. One message a virtqueue is under way at a time: a
 * front-end answers each, and one call stands for any number of buffers.
 */
export function callInBand(session: Session, index: number): void {
  const vring = session.vring(index);
  if (!vring.running || callOf(session, vring) !== IN_BAND) return;
  if (vring.callsDue > 0) {
    vring.callsDue = 2;
    return;
  }
  vring.callsDue = 1;
  const message = vringMessage(VHOST_USER_BACKEND_VRING_CALL, index);
  const sent = tellFrontEnd(session, message, (value) => {
    const again = vring.callsDue === 2 && value !== null;
    vring.callsDue = 0;
    if (again) callInBand(session, index);
  });
  if (!sent) vring.callsDue = 0;
}

/**
 * One call to the driver of a virtqueue that was in use before, whether it wants one or not: a new
 * one has nothing to be called for.
 */
export function callOnce(session: Session, index: number, position: VringPosition): void {
  if (position.usedIndex === 0 && position.usedWrap === 1) return;
  const { host } = session;
  const { callFd } = session.vring(index);
  if (callFd >= 0 && host.fdKind(callFd) === "eventfd") host.signal(callFd);
  else callInBand(session, index);
}

/** A virtqueue was given up, and its front-end gave no descriptor to be told by. */
export function errInBand(session: Session, index: number): void {
  if (inBand(session)) tellFrontEnd(session, vringMessage(VHOST_USER_BACKEND_VRING_ERR, index));
}
