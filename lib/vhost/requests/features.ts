/**
 * Negotiation of virtio features and protocol features (vhost-user.rst «Feature negotiation»,
 * «Protocol features»).
 *
 * @module
 */
import { QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import { BIT, featureWord, hasFeature, missingNeed } from "../features/bits.ts";
import { PROTOCOL_FEATURES } from "../features/rows.ts";
import type { Device } from "../device.ts";
import type { MemoryRegion } from "../host.ts";
import type { Refusal } from "../reasons.ts";
import { encodeU64 } from "../wire/message.ts";
import type { Word } from "../wire/payloads.ts";
import { ends, endsIf, reply, type Result } from "./result.ts";

/** These two may come and go while rings run; anything else changes what the rings mean. */
const FREE = featureWord([BIT.VHOST_F_LOG_ALL, BIT.VHOST_USER_F_PROTOCOL_FEATURES]);

/** Those that change what a running virtqueue's notifications and addresses mean. */
const NOT_WHILE_STARTED = featureWord([
  BIT.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS,
  BIT.VHOST_USER_PROTOCOL_F_GPA_ADDRESSES,
]);

/** GET_FEATURES. */
export function getFeatures(device: Device): Result {
  return reply(encodeU64(device.offer.features));
}

/** SET_FEATURES. */
export function setFeatures(device: Device, { value: features }: Word): Result {
  const unknown = features & ~device.offer.features;
  if (unknown !== 0n) {
    return ends("bad-features", `bits 0x${unknown.toString(16)} were not offered`);
  }
  if (((features ^ device.features) & ~FREE) !== 0n) {
    if (device.vrings.some((vring) => device.inUse(vring))) {
      return ends("features-while-running", `0x${features.toString(16)}`);
    }
    device.vrings.forEach((vring, index) => vring.running && device.stop(index));
  }
  device.setFeatures(features);
  return endsIf(device.resumeAll());
}

/** GET_PROTOCOL_FEATURES. */
export function getProtocolFeatures(device: Device): Result {
  return reply(encodeU64(device.offer.protocolFeatures));
}

/** SET_PROTOCOL_FEATURES. What cannot be negotiated ends the connection: there is no other way. */
export function setProtocolFeatures(device: Device, { value: features }: Word): Result {
  const refuse = (detail: string): Result => ends("bad-protocol-features", detail);
  const unknown = features & ~device.offer.protocolFeatures;
  if (unknown !== 0n) return refuse(`protocol bits 0x${unknown.toString(16)} were not offered`);
  const lone = missingNeed(PROTOCOL_FEATURES, features);
  if (lone) return refuse(`protocol bit ${lone.bit} without bit ${lone.without}`);
  const changed = features ^ device.protocolFeatures;
  if ((changed & NOT_WHILE_STARTED) !== 0n && !device.suspended) {
    return refuse(`protocol bits 0x${changed.toString(16)} changed while rings are started`);
  }
  device.protocolFeatures = features;
  return endsIf(refuseAddresses(device, device.memory.regions));
}

/**
 * With VHOST_USER_PROTOCOL_F_GPA_ADDRESSES the front-end names guest addresses everywhere, and a
 * region's user address is its guest address: what translates user addresses translates these.
 */
export function refuseAddresses(
  device: Device,
  regions: readonly MemoryRegion[],
): Refusal | null {
  if (!hasFeature(device.protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_GPA_ADDRESSES)) return null;
  const index = regions.findIndex((region) => region.userAddr !== region.guestAddr);
  if (index < 0) return null;
  return { code: "bad-region", detail: `user and guest address of region ${index} differ` };
}

/** GET_QUEUE_NUM. */
export function getQueueNum(device: Device): Result {
  // QEMU compares it with queue pairs, Cloud Hypervisor with virtqueues: never more than either
  // may use, and all virtqueues where that is so.
  return reply(encodeU64(BigInt(Math.min(device.vrings.length, QUEUE_PAIRS_MAX))));
}
