/**
 * Negotiation of protocol features (vhost-user.rst «Protocol features»).
 *
 * @module
 */
import {
  hasFeature,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT,
  VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
  VHOST_USER_PROTOCOL_F_GPA_ADDRESSES,
  VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
} from "../../virtio/features.ts";
import { QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import type { MemoryRegion } from "../host.ts";
import { encodeU64, type Message } from "../wire/message.ts";
import type { Failure, Result } from "./table.ts";
import type { Session } from "../session.ts";

/** Protocol features that mean nothing without others. */
const NEEDS: readonly (readonly [number, readonly number[]])[] = [
  [
    VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
    [VHOST_USER_PROTOCOL_F_REPLY_ACK, VHOST_USER_PROTOCOL_F_BACKEND_REQ],
  ],
  [VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT, [VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD]],
  [
    VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN,
    [VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD, VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT],
  ],
];

/** Those that change what a running virtqueue's notifications and addresses mean. */
const NOT_WHILE_STARTED = (1n << BigInt(VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS)) |
  (1n << BigInt(VHOST_USER_PROTOCOL_F_GPA_ADDRESSES));

/** GET_PROTOCOL_FEATURES. */
export function getProtocolFeatures(session: Session): Result {
  return encodeU64(session.offer.protocolFeatures);
}

/** SET_PROTOCOL_FEATURES. What cannot be negotiated ends the connection: there is no other way. */
export function setProtocolFeatures(session: Session, message: Message): Result {
  const features = message.payload.getBigUint64(0, true);
  const refuse = (detail: string): Failure => ({ code: "bad-protocol-features", detail });
  const unknown = features & ~session.offer.protocolFeatures;
  if (unknown !== 0n) return refuse(`protocol bits 0x${unknown.toString(16)} were not offered`);
  for (const [bit, needed] of NEEDS) {
    const missing = needed.find((other) => !hasFeature(features, other));
    if (hasFeature(features, bit) && missing !== undefined) {
      return refuse(`protocol bit ${bit} without bit ${missing}`);
    }
  }
  const changed = features ^ session.protocolFeatures;
  if ((changed & NOT_WHILE_STARTED) !== 0n && !session.suspended) {
    return refuse(`protocol bits 0x${changed.toString(16)} changed while rings are started`);
  }
  session.protocolFeatures = features;
  return refuseAddresses(session, session.memory.regions);
}

/**
 * With VHOST_USER_PROTOCOL_F_GPA_ADDRESSES the front-end names guest addresses everywhere, and a
 * region's user address is its guest address: what translates user addresses translates these.
 */
export function refuseAddresses(
  session: Session,
  regions: readonly MemoryRegion[],
): Failure | null {
  if (!hasFeature(session.protocolFeatures, VHOST_USER_PROTOCOL_F_GPA_ADDRESSES)) return null;
  const index = regions.findIndex((region) => region.userAddr !== region.guestAddr);
  if (index < 0) return null;
  return { code: "bad-region", detail: `user and guest address of region ${index} differ` };
}

/** GET_QUEUE_NUM. */
export function getQueueNum(session: Session): Result {
  // QEMU compares it with queue pairs, Cloud Hypervisor with virtqueues: never more than either
  // may use, and all virtqueues where that is so.
  return encodeU64(BigInt(Math.min(session.vrings.length, QUEUE_PAIRS_MAX)));
}
