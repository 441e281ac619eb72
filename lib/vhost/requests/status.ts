/**
 * Requests about the device's status (virtio-v1.3 §2.1) and its reset.
 *
 * @module
 */
import { missingNeed } from "../features/bits.ts";
import { VIRTIO_FEATURES } from "../features/rows.ts";
import type { Device } from "../device.ts";
import { encodeU64 } from "../wire/message.ts";
import type { Word } from "../wire/payloads.ts";
import { DONE, reply, type Result } from "./result.ts";

const FEATURES_OK = 0x8;
const STATUS_MASK = 0xffn;
/** Whether the device can be what was negotiated. */
function acceptable({ features, featuresSet }: Device): boolean {
  if (!featuresSet) return false;
  return missingNeed(VIRTIO_FEATURES, features) === null;
}

/**
 * SET_STATUS.
 *
 * 0 is a reset of the device, but QEMU 7.2 sends it before it asks for the rings' positions: the
 * rings stay as they are until GET_VRING_BASE stops them.
 */
export function setStatus(device: Device, { value }: Word): Result {
  device.status = Number(value & STATUS_MASK);
  return DONE;
}

/** GET_STATUS. FEATURES_OK is off if the features do not go together: that is how a driver is told. */
export function getStatus(device: Device): Result {
  const { status } = device;
  return reply(encodeU64(BigInt(acceptable(device) ? status : status & ~FEATURES_OK)));
}

/** RESET_DEVICE. */
export function resetDevice(device: Device): Result {
  device.reset();
  return DONE;
}

/** SET_OWNER, and RESET_OWNER, which is deprecated and of no meaning any more: the session goes on. */
export function changeOwner(): Result {
  return DONE;
}
