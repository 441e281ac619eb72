/**
 * Commands for guests behind an IOMMU. Like all commands they are carried out between two rounds:
 * when one is answered, the thread uses nothing any more that the command replaced.
 *
 * @module
 */
import {
  askAgain,
  holdVring,
  rangeTranslated,
  releaseVring,
} from "../../switch/stalled/untranslated.ts";
import type { VhostPort } from "../../switch/ports/vhost_port.ts";
import { Iotlb } from "../../virtio/memory/iotlb.ts";
import { GuestMemory } from "../../virtio/memory/guest_memory.ts";
import type { Given, Handlers } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about translations. */
export function iotlbCommands(place: Place): Pick<
  Handlers,
  | "setIotlb"
  | "updateIotlb"
  | "invalidateIotlb"
  | "holdVring"
  | "releaseVring"
  | "askAgain"
> {
  const { path } = place;
  return {
    setIotlb: ({ port, on }) => setTranslated(place.vhostPort(port), on),
    updateIotlb: (given) => update(place, given),
    invalidateIotlb: ({ port, iova, sizeBytes }) =>
      place.vhostPort(port).memory.iotlb?.invalidate(iova, sizeBytes),
    holdVring: ({ port, vring }) => holdVring(place.vring(port, vring)),
    releaseVring: ({ port, vring }) => releaseVring(path, place.vring(port, vring)),
    askAgain: ({ port }) => askAgain(path, place.vhostPort(port)),
  };
}

function setTranslated(port: VhostPort, on: boolean): void {
  const memory = new GuestMemory(port.memory.regions);
  if (on) memory.iotlb = new Iotlb(memory.regions);
  port.memory = memory;
  port.refreshLogs();
}

function update(place: Place, given: Given<"updateIotlb">): void {
  const { iova, sizeBytes, hostAddress, permission } = given;
  const port = place.vhostPort(given.port);
  if (!port.memory.iotlb?.update(iova, sizeBytes, hostAddress, permission)) {
    throw new Error(`0x${iova.toString(16)} leads to no memory of the port`);
  }
  rangeTranslated(place.path, port, iova, sizeBytes);
}
