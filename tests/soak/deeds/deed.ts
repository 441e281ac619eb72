/**
 * What a deed is, and what several of them have in common.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { NetGuest } from "../../../lib/guest/net_guest.ts";
import type { Expected, Siege } from "../../harness/siege.ts";
import { numberedFrame } from "../../harness/traffic.ts";

/** One deed of a hostile tenant. */
export interface Deed {
  readonly name: string;
  /** Counted for the port. */
  readonly reason: Expected;
  /**
   * After it the socket rests, for longer each time: it has a port of its own, which is made for it.
   */
  readonly rests?: true;
  /** Returns when it is done and has closed what it opened. */
  readonly run: (siege: Siege, random: () => number) => Promise<void>;
}

/** The first word of a message that is one of ours. */
export const PLAIN = 1;
const STORM_MS = 300;

/** Does something over and over, others having their turns in between. */
export async function storm(deed: () => void): Promise<void> {
  const end = performance.now() + STORM_MS;
  while (performance.now() < end) {
    for (let i = 0; i < 100; i++) deed();
    await delay(0);
  }
}

/** Bytes that follow from a seed. */
export function randomBytes(length: number, random: () => number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => Math.floor(256 * random()));
}

/** Some frames of a guest that may be thrown out before it is heard. */
export async function introduceOrLeave(guest: NetGuest, siege: Siege): Promise<void> {
  for (let i = 0; i < 20; i++) {
    guest.send(numberedFrame(siege.witness.options.mac, guest.options.mac, i, 100));
    await delay(1);
  }
}
