/**
 * Requests about the device's status (virtio-v1.3 §2.1) and its reset.
 *
 * @module
 */
import {
  hasFeature,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from "../../virtio/features.ts";
import { encodeU64, type Message } from "../wire/message.ts";
import type { Result } from "./table.ts";
import type { Session } from "../session.ts";

const FEATURES_OK = 0x8;
const STATUS_MASK = 0xffn;
/** What only a device of version 1 has (virtio-v1.3 §6). */
const NEED_VERSION_1 = [
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_IN_ORDER,
  VIRTIO_F_RING_RESET,
];

/** Whether the device can be what was negotiated. */
function acceptable({ features, featuresSet }: Session): boolean {
  if (!featuresSet) return false;
  const modern = hasFeature(features, VIRTIO_F_VERSION_1);
  return modern || !NEED_VERSION_1.some((bit) => hasFeature(features, bit));
}

/**
 * SET_STATUS.
 *
 * 0 is a reset of the device, but QEMU 7.2 sends it before it asks for the rings' positions: the
 * rings stay as they are until GET_VRING_BASE stops them.
 */
export function setStatus(session: Session, message: Message): Result {
  session.status = Number(message.payload.getBigUint64(0, true) & STATUS_MASK);
  return null;
}

/** GET_STATUS. FEATURES_OK is off if the features do not go together: that is how a driver is told. */
export function getStatus(session: Session): Result {
  const { status } = session;
  return encodeU64(BigInt(acceptable(session) ? status : status & ~FEATURES_OK));
}

/** RESET_DEVICE. */
export function resetDevice(session: Session): Result {
  session.reset();
  return null;
}
