/**
 * Commands on what is mapped: mappings, memory tables of ports, dirty logs.
 *
 * @module
 */
import { Iotlb } from "../../virtio/memory/iotlb.ts";
import { DirtyLog } from "../../virtio/memory/dirty_log.ts";
import { GuestMemory } from "../../virtio/memory/guest_memory.ts";
import { WindowSet } from "../../virtio/memory/window.ts";
import type { Given, Handlers, PlacedLog } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about memory. */
export function memoryCommands(
  place: Place,
): Pick<Handlers, "addMapping" | "removeMapping" | "setMemory" | "setLog"> {
  const { mappings } = place;
  let last = 0;
  return {
    addMapping: ({ address, sizeBytes }) => {
      mappings.set(++last, WindowSet.mapped(address, sizeBytes));
      return last;
    },
    removeMapping: ({ mapping }) => {
      place.mapping(mapping).release();
      mappings.delete(mapping);
    },
    setMemory: (given) => setMemory(place, given),
    setLog: (given) => setLog(place, given),
  };
}

function setMemory(place: Place, { port: index, regions }: Given<"setMemory">): void {
  const port = place.vhostPort(index);
  const memory = new GuestMemory(regions.map(({ guestAddr, sizeBytes, address, mapping }) => {
    const windows = place.mapping(mapping);
    return { guestAddr, sizeBytes, windows, mappingOffset: address - windows.address };
  }));
  // Entries name regions of the old table: what was translated must be asked for again.
  if (port.memory.iotlb !== null) memory.iotlb = new Iotlb(memory.regions);
  port.memory = memory;
  port.refreshLogs();
}

function setLog(place: Place, { port: index, log, logAll }: Given<"setLog">): void {
  const port = place.vhostPort(index);
  const next = log && dirtyLog(place, log);
  port.logAll = logAll;
  port.log = next;
  port.logWindows = log && place.mapping(log.mapping);
  port.refreshLogs();
}

function dirtyLog(place: Place, { address, sizeBytes, mapping }: PlacedLog): DirtyLog {
  const { buffer, offset } = place.areaOf(place.mapping(mapping), address, sizeBytes);
  return new DirtyLog(buffer, offset, sizeBytes);
}
