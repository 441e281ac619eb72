/**
 * The data planes of a switch, and which of them serves a port. One runs today; nothing outside this
 * file knows how many there are: a port asks for its plane once and keeps to it, and what the switch
 * shows of all of them is summed here.
 *
 * @module
 */
import { assert, present } from "../base/assert.ts";
import type { Mac } from "../base/mac.ts";
import { LINK_WAITING, NOT_LINKED } from "../switch/ports/port.ts";
import { placesSetAside } from "../switch/policy/shares.ts";
import type { DataPlaneThread } from "../worker/supervisor.ts";
import { GuestArena } from "./front_end/guest_arena.ts";
import { MappingPool, type UnsealedMemory } from "./front_end/guest_memory.ts";
import type { AddressUse } from "./vhost_port/limits.ts";
import type { SwitchConfig, WorkerStatus } from "./types.ts";
import { now } from "./vhost_port/history.ts";
import { workOf } from "./work.ts";

/** What a port needs of the data plane that serves it. */
export type PortThread = Pick<
  DataPlaneThread,
  "commands" | "forgiveCalls" | "portMacs" | "portCounters" | "vringCounters"
>;

/** A data plane as a port sees it: the thread, and memory that is mapped for it. */
export interface PortPlane {
  /** Its commands and counters. */
  readonly thread: PortThread;
  /** Maps guest memory for it; the ports of one plane share mappings. */
  readonly pool: MappingPool;
}

/** Where a port is served. */
export interface Placed {
  /** The one that serves it. */
  readonly plane: PortPlane;
  /** Its number on that plane. */
  readonly number: number;
}

/** Where new ports are served. */
export interface PlaneChoice {
  /** The plane for one more port. */
  forNewPort(): PortPlane;
}

/** A data plane as the switch sees it. */
export interface Plane extends PortPlane {
  /** All of it, not only what ports need. */
  readonly thread: DataPlaneThread;
}

/** The running data planes. Control thread only. */
export class Planes implements PlaneChoice {
  /** In no order that means anything; at least one. */
  readonly all: readonly Plane[];

  /**
   * Planes with nothing mapped. @param threads running, at least one; {@linkcode shutdown} ends
   * them @param unsealed see the type
   */
  constructor(threads: readonly DataPlaneThread[], unsealed: UnsealedMemory = "take") {
    assert(threads.length > 0, "A switch has a data plane");
    this.all = threads.map((thread) => {
      const arena = new GuestArena(thread.arena, thread.guard);
      const pool = new MappingPool(thread.commands, arena, unsealed);
      return { thread, pool };
    });
  }

  forNewPort(): PortPlane {
    return present(this.all[0], "a data plane");
  }

  /** Links a port with another; see DataPlane.setLink. @param to null: with one to come */
  link(port: Placed, to: Placed | null): void {
    assert(to === null || to.plane === port.plane, "Linked ports are served by one plane");
    const { commands } = port.plane.thread;
    commands.setLink({ port: port.number, to: to === null ? LINK_WAITING : to.number });
  }

  /** Ends a port's link. */
  unlink({ plane, number }: Placed): void {
    plane.thread.commands.setLink({ port: number, to: NOT_LINKED });
  }

  /** Every frame is in a VLAN, or none is; see DataPlane.useVlans. */
  useVlans(on: boolean): void {
    for (const { thread } of this.all) thread.commands.useVlans({ on });
  }

  /** Forgets every dynamic address. */
  flushFdb(): void {
    for (const { thread } of this.all) thread.commands.flushFdb();
  }

  /** Whether an address moves between ports faster than a guest can. */
  isFlapping(mac: Mac): boolean {
    return this.all.some(({ thread }) => thread.fdb.isFlapping(mac));
  }

  /** Places of a port in the forwarding database of its plane. @param config of the switch */
  addressUse(
    { plane, number }: Placed,
    { fdbEntriesMax, fdbPortEntriesMax }: Pick<SwitchConfig, "fdbEntriesMax" | "fdbPortEntriesMax">,
  ): AddressUse {
    const entries = this.all.find((each) => each === plane)?.thread.fdb.entries() ?? [];
    let used = 0;
    for (const { port } of entries) if (port === number) used++;
    return { used, usual: fdbPortEntriesMax, reserved: placesSetAside(fdbEntriesMax) };
  }

  /** Counters of the forwarding databases by name. */
  fdbCounters(): Record<string, number> {
    return sum(this.all.map(({ thread }) => thread.fdb.counters()));
  }

  /** Counters of the threads by name. */
  workerCounters(): Record<string, number> {
    const each = this.all.map(({ thread }) => thread.workerCounters());
    return { ...sum(each), longestStallUs: Math.max(...each.map(longestStallUs)) };
  }

  /** What each thread does. @param config what they were started with */
  workers({ idle, cpus }: Pick<SwitchConfig, "idle" | "cpus">): WorkerStatus[] {
    return this.all.map(({ thread }, number) => {
      const counters = thread.workerCounters();
      return {
        ...{ number, at: now(), idle, cpus, longestStallUs: longestStallUs(counters) },
        total: workOf(counters),
      };
    });
  }

  /** Stops the threads; nothing of them is left when this returns. */
  shutdown(): void {
    for (const { thread } of this.all) thread.shutdown();
  }
}

function longestStallUs(counters: Readonly<Record<string, number>>): number {
  return counters["longestStallUs"] ?? 0;
}

function sum(counts: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of counts) {
    for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}
