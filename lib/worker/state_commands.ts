// deno-lint-ignore-file no-non-null-assertion
/**
 * Commands that put in force what a port knew in another switch.
 *
 * @module
 */
import { PORT_COUNTERS } from "../switch/counters.ts";
import type { Datapath } from "../switch/datapath.ts";
import { FDB_FULL, FDB_PORT_FULL } from "../switch/fdb.ts";
import { NOT_LINKED, type Port } from "../switch/port.ts";
import { COMMAND } from "./mailbox.ts";

/** Carries a command out if it is one of these. @returns whether it is */
export function runStateCommand(
  path: Datapath,
  command: number,
  numbers: Float64Array,
  results: Float64Array,
): boolean {
  const port = path.ports[numbers[0]!];
  if (!port) return false;
  if (command === COMMAND.learnMacs) results[0] = learnMacs(path, port, numbers);
  else if (command === COMMAND.addPortCounters) addPortCounters(path, port, numbers);
  else return false;
  return true;
}

/** Numbers: port, count, then low, high and age of each address. @returns how many found room */
function learnMacs({ fdb, now }: Datapath, port: Port, numbers: Float64Array): number {
  // Nothing is looked up for a linked port, and nothing reaches one that is down.
  if (port.linkedTo !== NOT_LINKED || !port.adminUp) return 0;
  let learned = 0;
  for (let i = 0; i < numbers[1]!; i++) {
    const at = 2 + 3 * i;
    const seen = now - numbers[at + 2]!;
    const outcome = fdb.learn(numbers[at]!, numbers[at + 1]!, port.index, seen);
    if (outcome !== FDB_FULL && outcome !== FDB_PORT_FULL) learned++;
  }
  return learned;
}

/** Numbers: port, count, then what to add to each counter. */
function addPortCounters({ counters }: Datapath, port: Port, numbers: Float64Array): void {
  const count = Math.min(numbers[1]!, PORT_COUNTERS.length);
  for (let i = 0; i < count; i++) counters[port.counterBase + i]! += numbers[2 + i]!;
}
