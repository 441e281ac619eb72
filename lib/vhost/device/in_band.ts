/**
 * Kicks, calls and errors of virtqueues as messages (vhost-user.rst «In-band notifications»). They
 * are used where the front-end said nothing else: a SET_VRING_KICK or SET_VRING_CALL, also one that
 * brings no descriptor, goes before.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import { BIT, hasFeature } from "../features/bits.ts";
import { IN_BAND, type VringPosition } from "../../worker/wire.ts";
import {
  VHOST_USER_BACKEND_VRING_CALL,
  VHOST_USER_BACKEND_VRING_ERR,
  vringMessage,
} from "../wire/back_end_message.ts";
import { type Speaker, tellFrontEnd } from "./back_end_channel.ts";
import type { VringState } from "./vring.ts";

/** Whether kicks and calls may be messages. */
export function inBand({ protocolFeatures }: Speaker): boolean {
  return hasFeature(protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
}

/**
 * Where the data plane is to expect a virtqueue's kicks: a descriptor, -1, or {@linkcode IN_BAND}.
 */
export function kickOf(speaker: Speaker, vring: VringState): number {
  return vring.kickGiven || !inBand(speaker) ? vring.kickFd : IN_BAND;
}

/**
 * Where the data plane is to send a virtqueue's calls: a descriptor, -1, or {@linkcode IN_BAND}.
 */
export function callOf(speaker: Speaker, vring: VringState): number {
  return vring.callGiven || !inBand(speaker) ? vring.callFd : IN_BAND;
}

/**
 * The driver of a virtqueue wants a call. One message a virtqueue is under way at a time: a
 * front-end answers each, and one call stands for any number of buffers.
 */
export function callInBand(speaker: Speaker, index: number): void {
  const vring = present(speaker.vrings[index], `vring ${index}`);
  if (!vring.running || callOf(speaker, vring) !== IN_BAND) return;
  if (vring.callsDue > 0) {
    vring.callsDue = 2;
    return;
  }
  vring.callsDue = 1;
  const message = vringMessage(VHOST_USER_BACKEND_VRING_CALL, index);
  const sent = tellFrontEnd(speaker, message, (value) => {
    const again = vring.callsDue === 2 && value !== null;
    vring.callsDue = 0;
    if (again) callInBand(speaker, index);
  });
  if (!sent) vring.callsDue = 0;
}

/**
 * One call to the driver of a virtqueue that was in use before, whether it wants one or not: a new
 * one has nothing to be called for.
 */
export function callOnce(speaker: Speaker, index: number, position: VringPosition): void {
  if (position.usedIndex === 0 && position.usedWrap === 1) return;
  const { host } = speaker;
  const { callFd } = present(speaker.vrings[index], `vring ${index}`);
  if (callFd >= 0 && host.fdKind(callFd) === "eventfd") host.signal(callFd);
  else callInBand(speaker, index);
}

/** A virtqueue was given up, and its front-end gave no descriptor to be told by. */
export function errInBand(speaker: Speaker, index: number): void {
  if (inBand(speaker)) tellFrontEnd(speaker, vringMessage(VHOST_USER_BACKEND_VRING_ERR, index));
}
