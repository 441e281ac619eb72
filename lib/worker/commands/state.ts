/**
 * Commands that put in force what a port had learned and counted in another switch.
 *
 * @module
 */
import { FDB_FULL } from "../../switch/fdb.ts";
import { NOT_LINKED } from "../../switch/ports/port.ts";
import type { Given, Handlers } from "../wire.ts";
import { learnMoved } from "./policy.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about a port's state. */
export function stateCommands(place: Place): Pick<Handlers, "learnMacs" | "addPortCounters"> {
  return {
    learnMacs: (given) => learnMacs(place, given),
    addPortCounters: ({ port, counts }) => {
      const { counters } = place.path;
      const base = place.port(port).counterBase;
      for (const [i, more] of counts.entries()) {
        counters[base + i] = (counters[base + i] ?? 0) + more;
      }
    },
  };
}

/** @returns how many found room */
function learnMacs(place: Place, { port: index, macs }: Given<"learnMacs">): number {
  const { now } = place.path;
  const port = place.port(index);
  // Nothing is looked up for a linked port, and nothing reaches one that is down.
  if (port.linkedTo !== NOT_LINKED || !port.adminUp) return 0;
  let learned = 0;
  for (const { macLo, macHi, ageSeconds } of macs) {
    // Learned by another switch, maybe in VLANs that are not the port's here.
    const key = place.path.keyHigh(port, macLo, macHi);
    if (key < 0) continue;
    const outcome = learnMoved(place.path, macLo, key, port.index, now - ageSeconds);
    if (outcome < FDB_FULL) learned++;
  }
  return learned;
}
