/**
 * What a device tells its front-end of its own accord, on the back-end channel (vhost-user.rst
 * «Back-end message types»).
 *
 * @module
 */
import { BIT, hasFeature } from "../features/bits.ts";
import type { ChannelHost, DescriptorHost } from "../host.ts";
import type { BackEndMessage } from "../wire/back_end_message.ts";
import type { VringState } from "./vring.ts";

/** A device as far as its back-end channel goes. */
export interface Speaker {
  /** Owns the channel's socket. */
  readonly host: ChannelHost & DescriptorHost;
  /** Negotiated protocol features. */
  readonly protocolFeatures: bigint;
  /** By virtqueue number; only whether they are started is looked at here. */
  readonly vrings: readonly VringState[];
}

/**
 * Sends a message, unless every ring is stopped: a suspended back-end keeps silent (vhost-user.rst
 * «Suspended device state»).
 * @param answered told the reply's value, or null if there will be none: the front-end hung up,
 * or did not negotiate VHOST_USER_PROTOCOL_F_REPLY_ACK
 * @returns whether it was sent
 */
export function tellFrontEnd(
  { host, protocolFeatures, vrings }: Speaker,
  message: BackEndMessage,
  answered?: (value: bigint | null) => void,
): boolean {
  if (!vrings.some((vring) => vring.started)) return false;
  if (!answered) return host.tellFrontEnd(message);
  if (hasFeature(protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK)) {
    return host.tellFrontEnd(message, answered);
  }
  const sent = host.tellFrontEnd(message);
  if (sent) answered(null);
  return sent;
}
