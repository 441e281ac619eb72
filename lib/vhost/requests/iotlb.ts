/**
 * IOTLB messages of the front-end (vhost-user.rst «VHOST_USER_IOTLB_MSG»). Each is carried out
 * before it is answered: when the answer to an invalidation goes out, nothing of this process uses
 * what was invalidated.
 *
 * @module
 */
import type { Device } from "../device.ts";
import { staysIn } from "../device/ring_places.ts";
import type { Refusal } from "../reasons.ts";
import {
  type IotlbMessage,
  VHOST_ACCESS_RW,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../wire/back_end_message.ts";
import { encodeU64 } from "../wire/message.ts";
import { reply, type Result } from "./result.ts";

/** Addresses at or above this are nobody's: no processor has them. */
const ADDRESS_MAX = 2n ** 52n;
const CARRIED_OUT = 0n;
const REFUSED = 1n;

/** IOTLB_MSG: always answered, with 0 or an error. */
export function iotlbMsg(device: Device, given: IotlbMessage): Result {
  let refusal: Refusal | null;
  if (device.iotlb === null) {
    refusal = { code: "not-negotiated", detail: "VIRTIO_F_ACCESS_PLATFORM is not negotiated" };
  } else if (given.type === VHOST_IOTLB_UPDATE) refusal = update(device, given);
  else if (given.type === VHOST_IOTLB_INVALIDATE) refusal = invalidate(device, given);
  else refusal = { code: "bad-iotlb", detail: `type ${given.type}` };
  if (refusal === null) return reply(encodeU64(CARRIED_OUT));
  const detail = `IOTLB_MSG refused: ${refusal.detail}`;
  device.host.refused("refused", { ...refusal, detail });
  return reply(encodeU64(REFUSED));
}

function update(device: Device, given: IotlbMessage): Refusal | null {
  const { iova, sizeBytes, userAddr, permission } = given;
  const range = `0x${iova.toString(16)} of ${sizeBytes} bytes`;
  if (permission === 0 || permission > VHOST_ACCESS_RW) {
    return { code: "bad-iotlb", detail: `${range} with permission ${permission}` };
  }
  // Each operand is below 2^64, so the sum of BigInts is right. A user address as high as that, which
  // need not be exact as a Number, is in no region.
  if (sizeBytes === 0n || iova + sizeBytes > ADDRESS_MAX) {
    return { code: "bad-iotlb", detail: `${range}: empty, or beyond 2^52` };
  }
  const first = Number(iova);
  const pieces = device.memory.pieces(Number(userAddr), Number(sizeBytes));
  if (pieces === null) {
    return { code: "bad-iotlb", detail: `${range} leads to no memory of the table` };
  }
  let at = first;
  for (const piece of pieces) {
    device.host.updateIotlb(at, piece.sizeBytes, piece.address, permission);
    at += piece.sizeBytes;
  }
  resumeTranslated(device, first, Number(sizeBytes), Number(userAddr), permission);
  return null;
}

/** A range was translated: rings that waited for it go on. */
function resumeTranslated(
  device: Device,
  iova: number,
  sizeBytes: number,
  userAddr: number,
  permission: number,
): void {
  const { vrings, packed, iotlb } = device;
  if (!iotlb?.update(vrings, packed, iova, sizeBytes, userAddr, permission)) return;
  for (const [index, vring] of vrings.entries()) {
    if (vring.running) {
      const stays = staysIn(device, vring, device.memory);
      if (vring.held && stays) device.hold(index, false);
      // Translated, but its areas lie elsewhere now: it goes on there.
      else if (!stays && !device.askForRing(index)) device.suspend(index);
    }
    const refusal = device.resume(index);
    // Its memory is where no ring can be, which the front-end may mend: no reason to hang up.
    if (refusal) device.giveUp(index, refusal.code);
  }
}

function invalidate(device: Device, given: IotlbMessage): null {
  // Size 0 is what is left of «everything», 2^64, in 64 bits. Numbers this large need not be exact:
  // nothing is known of addresses beyond 2^52.
  const everything = given.sizeBytes === 0n;
  const iova = everything ? 0 : Number(given.iova);
  const sizeBytes = everything ? 2 ** 64 : Number(given.sizeBytes);
  device.host.invalidateIotlb(iova, sizeBytes);
  if (device.iotlb?.invalidate(iova, sizeBytes)) holdUntranslated(device);
  return null;
}

/** Rings whose areas are not translated any more are held, and their areas asked for. */
function holdUntranslated(device: Device): void {
  for (const [index, vring] of device.vrings.entries()) {
    if (!vring.running || vring.held || staysIn(device, vring, device.memory)) continue;
    device.hold(index, true);
    device.askForRing(index);
  }
}
