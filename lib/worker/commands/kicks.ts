/**
 * Kick descriptors of transmit queues, which wake the thread.
 *
 * @module
 */
import type { Vring } from "../../switch/ports/vring.ts";
import type { Place } from "./place.ts";

/** The guest transmits on odd virtqueues: they are polled, and their kicks wake the thread. */
function isTransmitter(vring: Vring): boolean {
  return vring.number % 2 === 1;
}

/** A virtqueue starts: its kicks wake the thread from now on. */
export function watchKick({ host }: Place, vring: Vring): void {
  if (!isTransmitter(vring) || vring.kickFd < 0) return;
  host.watchKick(vring.port.index, vring.number, vring.kickFd);
}

/** A virtqueue stops: its kicks wake nobody any more. Call before its descriptor is closed. */
export function forgetKick({ host }: Place, vring: Vring): void {
  if (isTransmitter(vring) && vring.kickFd >= 0) host.forgetKick(vring.kickFd);
}
