/**
 * IOTLB messages of the front-end (vhost-user.rst «VHOST_USER_IOTLB_MSG»). Each is carried out
 * before it is answered: when the answer to an invalidation goes out, nothing of this process uses
 * what was invalidated.
 *
 * @module
 */
import {
  decodeIotlb,
  type IotlbMessage,
  VHOST_ACCESS_RW,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../wire/back_end_message.ts";
import type { Refusal } from "../reasons.ts";
import { encodeU64, type Message } from "../wire/message.ts";
import type { Result } from "./table.ts";
import { placeRing, staysIn } from "../device/ring_places.ts";
import type { Session } from "../session.ts";

/** Addresses at or above this are nobody's: no processor has them. */
const ADDRESS_MAX = 2n ** 52n;
const DONE = 0n;
const REFUSED = 1n;

/** IOTLB_MSG: always answered, with 0 or an error. */
export function iotlbMsg(session: Session, message: Message): Result {
  const given = decodeIotlb(message.payload);
  let refusal: Refusal | null;
  if (session.iotlb === null) {
    refusal = { code: "not-negotiated", detail: "VIRTIO_F_ACCESS_PLATFORM is not negotiated" };
  } else if (given.type === VHOST_IOTLB_UPDATE) refusal = update(session, given);
  else if (given.type === VHOST_IOTLB_INVALIDATE) refusal = invalidate(session, given);
  else refusal = { code: "bad-iotlb", detail: `type ${given.type}` };
  if (refusal === null) return encodeU64(DONE);
  session.host.log("warn", "refused", `IOTLB_MSG refused: ${refusal.detail}`);
  return encodeU64(REFUSED);
}

function update(session: Session, given: IotlbMessage): Refusal | null {
  const { iova, sizeBytes, userAddr, permission } = given;
  const range = `0x${iova.toString(16)} of ${sizeBytes} bytes`;
  if (permission === 0 || permission > VHOST_ACCESS_RW) {
    return { code: "bad-iotlb", detail: `${range} with permission ${permission}` };
  }
  // Each operand is below 2^64, so the sums of BigInts are right.
  if (sizeBytes === 0n || iova + sizeBytes > ADDRESS_MAX || userAddr + sizeBytes > ADDRESS_MAX) {
    return { code: "bad-iotlb", detail: `${range}: empty, or beyond 2^52` };
  }
  const first = Number(iova);
  const pieces = session.memory.pieces(Number(userAddr), Number(sizeBytes));
  if (pieces === null) {
    return { code: "bad-iotlb", detail: `${range} leads to no memory of the table` };
  }
  let at = first;
  for (const piece of pieces) {
    session.host.updateIotlb(at, piece.sizeBytes, piece.address, permission);
    at += piece.sizeBytes;
  }
  resumeTranslated(session, first, Number(sizeBytes), Number(userAddr), permission);
  return null;
}

/** A range was translated: rings that waited for it go on. */
function resumeTranslated(
  session: Session,
  iova: number,
  sizeBytes: number,
  userAddr: number,
  permission: number,
): void {
  const { vrings, packed, iotlb } = session;
  if (!iotlb?.update(vrings, packed, iova, sizeBytes, userAddr, permission)) return;
  for (const [index, vring] of vrings.entries()) {
    const stays = vring.running && staysIn(session, vring, session.memory);
    if (vring.held && stays) hold(session, index, false);
    // Translated, but its areas lie elsewhere now: it goes on there.
    else if (vring.running && !stays && !askForRing(session, index)) session.suspend(index);
    const refusal = session.resume(index);
    // Its memory is where no ring can be, which the front-end may mend: no reason to hang up.
    if (refusal) session.giveUp(index, refusal.code);
  }
}

function invalidate(session: Session, given: IotlbMessage): null {
  // Size 0 is what is left of «everything», 2^64, in 64 bits. Numbers this large need not be exact:
  // nothing is known of addresses beyond 2^52.
  const everything = given.sizeBytes === 0n;
  const iova = everything ? 0 : Number(given.iova);
  const sizeBytes = everything ? 2 ** 64 : Number(given.sizeBytes);
  session.host.invalidateIotlb(iova, sizeBytes);
  if (session.iotlb?.invalidate(iova, sizeBytes)) holdUntranslated(session);
  return null;
}

/** Rings whose areas are not translated any more are held, and their areas asked for. */
function holdUntranslated(session: Session): void {
  for (const [index, vring] of session.vrings.entries()) {
    if (!vring.running || vring.held || staysIn(session, vring, session.memory)) continue;
    hold(session, index, true);
    askForRing(session, index);
  }
}

function hold(session: Session, index: number, on: boolean): void {
  session.vring(index).held = on;
  session.host.holdVring(index, on);
}

/** Asks for what a started ring's areas lack. @returns whether that is anything */
export function askForRing(session: Session, index: number): boolean {
  const vring = session.vring(index);
  if (!vring.started || vring.addresses === null || vring.size === 0) return false;
  if (vring.running && !vring.held) return false;
  return placeRing(session, vring, vring.addresses) === null;
}
