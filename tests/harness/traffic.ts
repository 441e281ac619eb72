/**
 * Frames whose every byte is known, sent from guest to guest and checked.
 *
 * @module
 */
import { WAIT_MS_MAX } from "./until.ts";
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { ethernet } from "../../lib/guest/frames.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";

/** Ethernet header and the frame's number. */
export const FRAME_BYTES_MIN = 18;
const TEST_TYPE = 0x88b5;

/** MAC address of test guest `number`. */
export function macOf(number: number): string {
  return `52:54:00:00:01:${number.toString(16).padStart(2, "0")}`;
}

/** A frame of `bytes` (at least 14) whose content follows from its number. */
export function numberedFrame(to: string, from: string, number: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes - 14);
  let word = (number * 2654435761) >>> 0;
  for (let i = 0; i < payload.length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    payload[i] = word >>> 24;
  }
  if (payload.length >= 4) new DataView(payload.buffer).setUint32(0, number);
  return ethernet(to, from, TEST_TYPE, payload);
}

/** Whether a frame is one of ours and not something else on the wire. */
export function isNumbered(frame: Uint8Array): boolean {
  return frame[12] === TEST_TYPE >> 8 && frame[13] === (TEST_TYPE & 0xff);
}

/** Lets timers, sockets and the switch have their turn. */
export function turn(): Promise<void> {
  return delay(0);
}

/** How a frame gets into the transmit ring; false if there is no room now. */
export type Send = (guest: NetGuest, frame: Uint8Array) => boolean;

/**
 * Sends a frame of each of `sizes` from one guest to another, never more under way than `window`,
 * and checks that they arrive complete, unchanged and in order.
 */
export async function transfer(
  from: NetGuest,
  to: NetGuest,
  sizes: readonly number[],
  window: number,
  send: Send = (guest, frame) => guest.send(frame),
): Promise<void> {
  const end = Date.now() + WAIT_MS_MAX;
  const frame = (number: number): Uint8Array =>
    numberedFrame(to.options.mac, from.options.mac, number, sizes[number] as number);
  let sent = 0;
  let arrived = 0;
  while (arrived < sizes.length) {
    while (sent < sizes.length && sent - arrived < window && send(from, frame(sent))) sent++;
    const frames = to.receive().filter(isNumbered);
    for (const got of frames) {
      const expected = frame(arrived);
      if (!sameBytes(got, expected)) assert.deepEqual(got, expected, `frame ${arrived}`);
      arrived++;
    }
    if (frames.length > 0) continue;
    assert(Date.now() < end, `${arrived} of ${sizes.length} frames arrived, ${sent} sent`);
    await turn();
  }
  // Every transmit buffer comes back too.
  while (from.reapTransmit() >= 0 && from.tx.free < from.tx.size) {
    assert(Date.now() < end, "every transmit buffer comes back");
    await turn();
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Broadcasts from each guest, so that the switch knows where they all are. */
export async function introduce(...guests: readonly NetGuest[]): Promise<void> {
  for (const guest of guests) {
    const hello = numberedFrame("ff:ff:ff:ff:ff:ff", guest.options.mac, 0, 60);
    assert(guest.send(hello));
    for (const other of guests) {
      if (other === guest) continue;
      const got = await other.waitFor((frame) => sameBytes(frame, hello), WAIT_MS_MAX);
      assert(got, `${other.options.mac} hears ${guest.options.mac}`);
    }
  }
}
