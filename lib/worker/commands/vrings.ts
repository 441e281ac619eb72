/**
 * Commands on virtqueues.
 *
 * @module
 */
import { fdKind } from "../../../ffi/mod.ts";
import { VRINGS_PER_PORT } from "../../base/limits.ts";
import { VRING, VRING_COUNTERS, vringBase } from "../../switch/counters.ts";
import { forgetWaiting } from "../../switch/stalled/untranslated.ts";
import { Vring } from "../../switch/ports/vring.ts";
import { areaBytes } from "../../virtio/areas.ts";
import { makeVirtqueue, type Virtqueue } from "../../virtio/virtqueue.ts";
import type { Given, Handlers, VringPosition, VringStart } from "../wire.ts";
import { forgetKick, watchKick } from "./kicks.ts";
import type { Place } from "./place.ts";
import { attachRecord } from "./records.ts";

/** Handlers of the commands about virtqueues. */
export function vringCommands(place: Place): Pick<
  Handlers,
  | "startVring"
  | "stopVring"
  | "setVringEnabled"
  | "setVringCall"
  | "setVringLog"
  | "kickVring"
> {
  return {
    startVring: (given) => startVring(place, given),
    stopVring: (given) => stopVring(place, given),
    setVringEnabled: ({ port, vring, enabled }) => {
      place.vring(port, vring).queue.enabled = enabled;
    },
    setVringCall: ({ port, vring, callFd }) => setCall(place.vring(port, vring), callFd),
    setVringLog: ({ port, vring, logGuestAddr }) => {
      place.vring(port, vring).queue.logGuestAddr = logGuestAddr;
      place.vhostPort(port).refreshLogs();
    },
    kickVring: ({ port, vring }) => {
      // That it arrived has woken the thread; the next round looks at every ring.
      count(place, place.vring(port, vring), VRING.kicks, 1);
    },
  };
}

function count({ path }: Place, vring: Vring, counter: number, more: number): void {
  const at = vring.counterBase + counter;
  path.counters[at] = (path.counters[at] ?? 0) + more;
}

/** Starts a virtqueue. If that fails, the port is as before: without it. */
function startVring(
  place: Place,
  { port: index, vring: number, start }: Given<"startVring">,
): void {
  const port = place.vhostPort(index);
  const queue = makeQueue(place, start);
  const counterBase = vringBase(index, number, VRINGS_PER_PORT);
  const vring = new Vring(port, number, queue, counterBase, start.kickFd);
  vring.features = start;
  vring.recordWindows = start.record && place.area(start.record.address, 1).windows;
  setCall(vring, start.callFd);
  watchKick(place, vring);
  port.vrings[number] = vring;
  port.refreshLogs();
  // A process before us may have written to the ring and ended before it logged that.
  queue.logWhole();
  // The thread polls; it asks for kicks when it goes to sleep, and never for receive buffers.
  queue.setKicks(false);
  showPosition(place, vring);
}

function makeQueue(place: Place, start: VringStart): Virtqueue {
  const { size, packed, position } = start;
  const bytes = areaBytes(size, packed);
  const desc = place.area(start.descAddress, bytes.desc);
  const driver = place.area(start.driverAddress, bytes.driver);
  const device = place.area(start.deviceAddress, bytes.device);
  const queue = makeVirtqueue(packed, { ...start, desc, driver, device }, position);
  queue.enabled = start.enabled;
  queue.logGuestAddr = start.logGuestAddr;
  queue.descArea = desc;
  queue.deviceArea = device;
  if (start.record) attachRecord(queue, start.record, (at, bytes) => place.area(at, bytes));
  return queue;
}

function stopVring(place: Place, { port, vring: number }: Given<"stopVring">): VringPosition {
  const vring = place.vring(port, number);
  const position = vring.queue.position();
  forgetWaiting(place.path, vring);
  place.vhostPort(port).vrings[number] = null;
  forgetKick(place, vring);
  return position;
}

function showPosition({ path: { counters } }: Place, { counterBase, queue }: Vring): void {
  const { availIndex, usedIndex } = queue.position();
  counters.fill(0, counterBase, counterBase + VRING_COUNTERS.length);
  counters[counterBase + VRING.lastAvail] = availIndex;
  counters[counterBase + VRING.lastUsed] = usedIndex;
}

function setCall(vring: Vring, fd: number): void {
  vring.callFd = fd;
  vring.callIsSocket = fd >= 0 && fdKind(fd) === "socket";
}
