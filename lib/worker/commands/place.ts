/**
 * Where commands are carried out: the datapath, what is mapped, and the thread around them.
 *
 * @module
 */
import { assert, present } from "../../base/assert.ts";
import type { Datapath } from "../../switch/datapath.ts";
import { LanePort } from "../../switch/ports/lane_port.ts";
import type { Port } from "../../switch/ports/port.ts";
import { VhostPort } from "../../switch/ports/vhost_port.ts";
import type { Vring } from "../../switch/ports/vring.ts";
import type { MappedArea, RingArea } from "../../virtio/ring.ts";
import { WINDOW_STRIDE } from "../../virtio/memory/arena.ts";
import { type WindowSet, windowView } from "../../virtio/memory/window.ts";

/** What commands may do to the thread besides changing the datapath. */
export interface CommandHost {
  /**
   * Wakes the thread whenever `fd`, the kick descriptor of a transmit queue or that of a lane, is
   * signalled, once for each change. The descriptor stays the control thread's. @throws {SystemError}
   */
  watchKick(port: number, vring: number, fd: number): void;
  /**
   * Also wakes it when the descriptor of a lane, which is watched, has room to send; or no more.
   */
  watchRoom(port: number, lane: number, fd: number, on: boolean): void;
  /** Ends that. Call before the descriptor is closed. @throws {SystemError} */
  forgetKick(fd: number): void;
  /** A number is another port's than before. */
  portAdded(port: number): void;
  /** Ends the thread after this command. */
  stop(): void;
}

/** A place for commands. What is named and not there is a bug of ours. */
export class Place {
  /** The datapath that the commands change. */
  readonly path: Datapath;
  /** The thread that runs it. */
  readonly host: CommandHost;
  /** By number, from 1; owns the views, not the mapped memory. */
  readonly mappings = new Map<number, WindowSet>();

  /** A place without mappings. */
  constructor(path: Datapath, host: CommandHost) {
    this.path = path;
    this.host = host;
  }

  /** A port by number. @throws {AssertionError} */
  port(index: number): Port {
    return present(this.path.ports[index], `port ${index}`);
  }

  /** A port with a front-end, by number. @throws {AssertionError} there is none, or another kind */
  vhostPort(index: number): VhostPort {
    const port = this.port(index);
    assert(port instanceof VhostPort, `port ${index} has a front-end`);
    return port;
  }

  /** A port with lanes, by number. @throws {AssertionError} there is none, or another kind */
  lanePort(index: number): LanePort {
    const port = this.port(index);
    assert(port instanceof LanePort, `port ${index} has lanes`);
    return port;
  }

  /** A virtqueue that was started. @throws {AssertionError} */
  vring(port: number, number: number): Vring {
    return present(this.vhostPort(port).vrings[number], `started vring ${number} of port ${port}`);
  }

  /** A mapping by number. @throws {AssertionError} */
  mapping(number: number): WindowSet {
    return present(this.mappings.get(number), `mapping ${number}`);
  }

  /** A piece of mapped memory by host address. @throws {Error} no mapping holds it */
  area(address: number, sizeBytes: number): RingArea & MappedArea {
    for (const windows of this.mappings.values()) {
      const offset = address - windows.address;
      if (offset < 0 || offset + sizeBytes > windows.sizeBytes) continue;
      return this.areaOf(windows, address, sizeBytes);
    }
    throw new Error(`no mapping holds ${sizeBytes} bytes at 0x${address.toString(16)}`);
  }

  /** A piece of one mapping. @throws {Error} it is not in the mapping, or no view holds it */
  areaOf(windows: WindowSet, address: number, sizeBytes: number): RingArea & MappedArea {
    const mappingOffset = address - windows.address;
    const where = `${sizeBytes} bytes at 0x${address.toString(16)}`;
    if (mappingOffset < 0 || mappingOffset + sizeBytes > windows.sizeBytes) {
      throw new Error(`the mapping does not hold ${where}`);
    }
    const view = present(windowView[windows.window(mappingOffset)], "the view of a mapping");
    const inView = (windows.skew + mappingOffset) % WINDOW_STRIDE;
    if (inView + sizeBytes > view.byteLength) throw new Error(`no view holds ${where}`);
    const buffer = view.buffer as ArrayBuffer;
    return { buffer, offset: view.byteOffset + inView, windows, mappingOffset };
  }
}
