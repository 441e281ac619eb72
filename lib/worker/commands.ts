// deno-lint-ignore-file no-non-null-assertion
/**
 * The commands of the control thread, carried out by the data plane between two rounds: mappings,
 * memory tables, virtqueues. Nothing here is hot.
 *
 * @module
 */
import { fdKind, viewMemory } from "../../ffi/mod.ts";
import { portBase, VRING, VRING_COUNTERS, vringBase } from "../switch/counters.ts";
import { type Datapath, forward } from "../switch/datapath.ts";
import { NOT_LINKED, Port } from "../switch/port.ts";
import type { Vring } from "../switch/port.ts";
import { composeRarp } from "../switch/rarp.ts";
import { DirtyLog } from "../virtio/dirty_log.ts";
import { forgetWaiting } from "../switch/untranslated.ts";
import { Iotlb } from "../virtio/iotlb.ts";
import { GuestMemory } from "../virtio/memory.ts";
import {
  PACKED_EVENT_BYTES,
  packedDescBytes,
  PackedQueue,
  packedSetKicks,
} from "../virtio/packed_queue.ts";
import type { MappedArea, RingArea, VringShape } from "../virtio/ring.ts";
import {
  splitAvailBytes,
  splitDescBytes,
  SplitQueue,
  splitSetKicks,
  splitUsedBytes,
} from "../virtio/split_queue.ts";
import { WINDOW_STRIDE, WindowSet, windowView } from "../virtio/window.ts";
import { runIotlbCommand } from "./iotlb_commands.ts";
import { COMMAND } from "./mailbox.ts";
import { attachRecord, logWhole } from "./records.ts";
import { runStateCommand } from "./state_commands.ts";
import { VRINGS_PER_PORT } from "./types.ts";

/** What commands may do to the thread besides changing the datapath. */
export interface CommandHost {
  /** Watch or forget the kick descriptor of a transmit queue. */
  watchKick(port: number, vring: number, fd: number): void;
  forgetKick(fd: number): void;
  stop(): void;
}

/** Carries out commands on one datapath. */
export class Commands {
  readonly #path: Datapath;
  readonly #host: CommandHost;
  readonly #mappings = new Map<number, WindowSet>();
  #nextMapping = 1;

  constructor(path: Datapath, host: CommandHost) {
    this.#path = path;
    this.#host = host;
  }

  /** Runs one command. Throws only on a bug of ours. */
  run(command: number, numbers: Float64Array, results: Float64Array): void {
    const port = numbers[0]!;
    switch (command) {
      case COMMAND.addPort:
        results[0] = this.#addPort();
        break;
      case COMMAND.removePort:
        this.#removePort(port);
        break;
      case COMMAND.addMapping:
        results[0] = this.#addMapping(numbers[0]!, numbers[1]!);
        break;
      case COMMAND.removeMapping:
        this.#mapping(numbers[0]!).release();
        this.#mappings.delete(numbers[0]!);
        break;
      case COMMAND.setMemory:
        this.#setMemory(port, numbers);
        break;
      case COMMAND.startVring:
        this.#startVring(port, numbers);
        break;
      case COMMAND.stopVring:
        this.#stopVring(port, numbers[1]!, results);
        break;
      case COMMAND.setVringEnabled:
        this.#vring(port, numbers[1]!).queue.enabled = numbers[2] === 1;
        break;
      case COMMAND.setVringCall:
        setCall(this.#vring(port, numbers[1]!), numbers[2]!);
        break;
      case COMMAND.setVringLog:
        this.#vring(port, numbers[1]!).queue.logGuestAddr = numbers[2]!;
        this.#port(port).refreshLogs();
        break;
      case COMMAND.setLog:
        this.#setLog(port, numbers);
        break;
      case COMMAND.announce:
        this.#announce(port, numbers);
        break;
      case COMMAND.setFrameMax:
        this.#port(port).frameBytesMax = numbers[1]!;
        break;
      case COMMAND.flushPort:
        this.#path.fdb.flushPort(port);
        break;
      case COMMAND.setPortUp:
        this.#port(port).adminUp = numbers[1] === 1;
        break;
      case COMMAND.setLink:
        this.#port(port).linkedTo = numbers[1]!;
        this.#path.fdb.flushPort(port);
        break;
      case COMMAND.setReserved:
        this.#port(port).reservedMask = numbers[1]!;
        break;
      case COMMAND.flushFdb:
        this.#path.fdb.flush();
        break;
      case COMMAND.kickVring:
        // That it arrived has woken the thread; the next round looks at every ring.
        this.#path.counters[this.#vring(port, numbers[1]!).counterBase + VRING.kicks]!++;
        break;
      case COMMAND.shutdown:
        this.#host.stop();
        break;
      default:
        if (runIotlbCommand(this.#path, command, numbers, results)) break;
        if (runStateCommand(this.#path, command, numbers, results)) break;
        throw new Error(`Cannot run command ${command}: unknown`);
    }
    this.#path.refresh();
  }

  #port(index: number): Port {
    const port = this.#path.ports[index];
    if (!port) throw new Error(`Cannot use port ${index}: it does not exist`);
    return port;
  }

  #vring(port: number, vring: number): Vring {
    const found = this.#port(port).vrings[vring];
    if (!found) throw new Error(`Cannot use vring ${vring} of port ${port}: not started`);
    return found;
  }

  #mapping(number: number): WindowSet {
    const mapping = this.#mappings.get(number);
    if (!mapping) throw new Error(`Cannot use mapping ${number}: it does not exist`);
    return mapping;
  }

  #addPort(): number {
    const index = this.#path.ports.indexOf(null);
    if (index < 0) return -1;
    const base = portBase(index, VRINGS_PER_PORT);
    this.#path.counters.fill(0, base, portBase(index + 1, VRINGS_PER_PORT));
    this.#path.ports[index] = new Port(index, base, VRINGS_PER_PORT);
    return index;
  }

  #removePort(index: number): void {
    const port = this.#port(index);
    for (const vring of port.vrings) {
      if (!vring) continue;
      forgetWaiting(this.#path, vring);
      this.#forgetKick(vring);
    }
    this.#path.fdb.removePort(index);
    this.#path.ports[index] = null;
  }

  #addMapping(address: number, sizeBytes: number): number {
    const number = this.#nextMapping++;
    this.#mappings.set(number, new WindowSet(address, sizeBytes, viewMemory));
    return number;
  }

  /** Numbers: port, count, then guestAddr, sizeBytes, address, mapping of each region. */
  #setMemory(index: number, numbers: Float64Array): void {
    const port = this.#port(index);
    const regions = Array.from({ length: numbers[1]! }, (_, i) => {
      const at = 2 + 4 * i;
      const windows = this.#mapping(numbers[at + 3]!);
      return {
        guestAddr: numbers[at]!,
        sizeBytes: numbers[at + 1]!,
        windows,
        mappingOffset: numbers[at + 2]! - windows.address,
      };
    });
    const memory = new GuestMemory(regions);
    // What was translated is asked for again: entries name regions of the old table.
    if (port.memory.iotlb !== null) memory.iotlb = new Iotlb(memory.regions);
    port.memory = memory;
    port.refreshLogs();
  }

  /** Numbers: port, sizeBytes (0: no log), address, mapping, logAll. */
  #setLog(index: number, numbers: Float64Array): void {
    const port = this.#port(index);
    const sizeBytes = numbers[1]!;
    port.logAll = numbers[4] === 1;
    port.log = null;
    if (sizeBytes > 0) {
      const windows = this.#mapping(numbers[3]!);
      const offset = numbers[2]! - windows.address;
      const buffer = windowView[windows.window(offset)]!.buffer as ArrayBuffer;
      port.log = new DirtyLog(buffer, offset % WINDOW_STRIDE, sizeBytes);
    }
    port.refreshLogs();
  }

  /** Numbers: port, MAC address in two words, flood. */
  #announce(index: number, numbers: Float64Array): void {
    const port = this.#port(index);
    const low = numbers[1]!;
    const high = numbers[2]!;
    if (!port.adminUp) return;
    if (numbers[3] === 1) {
      composeRarp(low, high);
      forward(this.#path, port, 1);
    } else if (port.linkedTo === NOT_LINKED) {
      // Of a linked port nothing is learned: others would reach it.
      this.#path.fdb.learn(low, high, index, this.#path.now);
    }
  }

  /** Numbers: port, vring, size, packed, eventIdx, indirect, mergeable, headerBytes, three
   * addresses, position (4), kickFd, callFd, enabled, logGuestAddr, record (5, see records.ts). */
  #startVring(index: number, numbers: Float64Array): void {
    const port = this.#port(index);
    const number = numbers[1]!;
    const size = numbers[2]!;
    const packed = numbers[3] === 1;
    const driverBytes = packed ? PACKED_EVENT_BYTES : splitAvailBytes(size);
    const deviceBytes = packed ? PACKED_EVENT_BYTES : splitUsedBytes(size);
    const desc = this.#area(numbers[8]!, packed ? packedDescBytes(size) : splitDescBytes(size));
    const device = this.#area(numbers[10]!, deviceBytes);
    const shape: VringShape = {
      size,
      eventIdx: numbers[4] === 1,
      indirect: numbers[5] === 1,
      mergeable: numbers[6] === 1,
      headerBytes: numbers[7]!,
      desc,
      driver: this.#area(numbers[9]!, driverBytes),
      device,
    };
    const position = {
      availIndex: numbers[11]!,
      availWrap: numbers[12]!,
      usedIndex: numbers[13]!,
      usedWrap: numbers[14]!,
    };
    const queue = packed ? new PackedQueue(shape, position) : new SplitQueue(shape, position);
    queue.enabled = numbers[17] === 1;
    queue.logGuestAddr = numbers[18]!;
    queue.descArea = desc;
    queue.deviceArea = device;
    attachRecord(queue, numbers.subarray(19), (address, bytes) => this.#area(address, bytes));
    const vring: Vring = {
      port,
      number,
      queue,
      callFd: -1,
      callIsSocket: false,
      kickFd: numbers[15]!,
      counterBase: vringBase(index, number, VRINGS_PER_PORT),
    };
    setCall(vring, numbers[16]!);
    port.vrings[number] = vring;
    port.refreshLogs();
    logWhole(queue);
    // The thread polls; it asks for kicks when it goes to sleep, and never for receive buffers.
    if (queue instanceof PackedQueue) packedSetKicks(queue, false);
    else splitSetKicks(queue, false);
    if (isTransmitter(vring) && vring.kickFd >= 0) {
      this.#host.watchKick(index, number, vring.kickFd);
    }
    this.#showPosition(vring);
  }

  #area(address: number, sizeBytes: number): RingArea & MappedArea {
    for (const windows of this.#mappings.values()) {
      const offset = address - windows.address;
      if (offset < 0 || offset + sizeBytes > windows.sizeBytes) continue;
      return {
        buffer: windowView[windows.window(offset)]!.buffer as ArrayBuffer,
        offset: offset % WINDOW_STRIDE,
        windows,
        mappingOffset: offset,
      };
    }
    throw new Error(`Cannot place a ring at 0x${address.toString(16)}: no mapping holds it`);
  }

  #stopVring(index: number, number: number, results: Float64Array): void {
    const port = this.#port(index);
    const vring = this.#vring(index, number);
    const position = vring.queue.position();
    forgetWaiting(this.#path, vring);
    port.vrings[number] = null;
    this.#forgetKick(vring);
    results[0] = position.availIndex;
    results[1] = position.availWrap;
    results[2] = position.usedIndex;
    results[3] = position.usedWrap;
  }

  #forgetKick(vring: Vring): void {
    if (isTransmitter(vring) && vring.kickFd >= 0) this.#host.forgetKick(vring.kickFd);
  }

  #showPosition(vring: Vring): void {
    const position = vring.queue.position();
    this.#path.counters.fill(0, vring.counterBase, vring.counterBase + VRING_COUNTERS.length);
    this.#path.counters[vring.counterBase + VRING.lastAvail] = position.availIndex;
    this.#path.counters[vring.counterBase + VRING.lastUsed] = position.usedIndex;
  }
}

/** The guest transmits on it: it is polled, and its kicks wake the thread. */
function isTransmitter(vring: Vring): boolean {
  return vring.number % 2 === 1;
}

function setCall(vring: Vring, fd: number): void {
  vring.callFd = fd;
  vring.callIsSocket = fd >= 0 && fdKind(fd) === "socket";
}
