// deno-lint-ignore-file no-non-null-assertion
/**
 * The commands of guests behind an IOMMU. Like all commands they are carried out between two
 * rounds: when one is answered, nothing the thread does goes by what was true before.
 *
 * @module
 */
import type { Datapath } from "../switch/datapath.ts";
import type { Port, Vring } from "../switch/port.ts";
import { askAgain, holdVring, rangeTranslated, releaseVring } from "../switch/untranslated.ts";
import { Iotlb } from "../virtio/iotlb.ts";
import { GuestMemory } from "../virtio/memory.ts";
import { COMMAND } from "./mailbox.ts";

/** Runs a command of an IOMMU's. @returns false if it is none */
export function runIotlbCommand(
  path: Datapath,
  command: number,
  numbers: Float64Array,
  results: Float64Array,
): boolean {
  switch (command) {
    case COMMAND.setIotlb:
      setTranslated(portOf(path, numbers), numbers[1] === 1);
      return true;
    case COMMAND.updateIotlb:
      update(path, portOf(path, numbers), numbers);
      return true;
    case COMMAND.invalidateIotlb:
      portOf(path, numbers).memory.iotlb?.invalidate(numbers[1]!, numbers[2]!);
      return true;
    case COMMAND.holdVring:
      holdVring(vringOf(path, numbers));
      return true;
    case COMMAND.releaseVring:
      releaseVring(path, vringOf(path, numbers));
      return true;
    case COMMAND.askAgain:
      results[0] = askAgain(path, portOf(path, numbers));
      return true;
    default:
      return false;
  }
}

function portOf(path: Datapath, numbers: Float64Array): Port {
  const port = path.ports[numbers[0]!];
  if (!port) throw new Error(`Cannot translate for port ${numbers[0]}: it does not exist`);
  return port;
}

function vringOf(path: Datapath, numbers: Float64Array): Vring {
  const vring = portOf(path, numbers).vrings[numbers[1]!];
  if (!vring) throw new Error(`Cannot hold vring ${numbers[1]} of port ${numbers[0]}: not started`);
  return vring;
}

function setTranslated(port: Port, on: boolean): void {
  const memory = new GuestMemory(port.memory.regions);
  if (on) memory.iotlb = new Iotlb(memory.regions);
  port.memory = memory;
  port.refreshLogs();
}

/** Numbers: port, iova, sizeBytes, hostAddress, permission. */
function update(path: Datapath, port: Port, numbers: Float64Array): void {
  const iova = numbers[1]!;
  const sizeBytes = numbers[2]!;
  if (!port.memory.iotlb?.update(iova, sizeBytes, numbers[3]!, numbers[4]!)) {
    throw new Error(`Cannot translate 0x${iova.toString(16)}: it leads to no memory of the port`);
  }
  rangeTranslated(path, port, iova, sizeBytes);
}
