/**
 * A data plane that only checks what it is told, for tests of the control thread.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { fdKind } from "../../../ffi/mod.ts";
import type { PortThread } from "../../../lib/control/planes.ts";
import {
  type Command,
  CommandFailed,
  COMMANDS,
  type DataPlane,
  type Given,
  type Handlers,
  type LearnedMac,
  makeDataPlane,
  type PlacedLog,
  type PlacedRegion,
  readGiven,
  readResult,
  type VringStart,
  writeGiven,
  writeResult,
} from "../../../lib/worker/wire.ts";

/**
 * Commands that go over the wire, to `does` on its other side; the others do nothing.
 * @param failing those that cannot be carried out, and the how manieth time from now
 */
export function fakeCommands(does: Partial<Handlers>, failing: Map<Command, number>): DataPlane {
  return makeDataPlane((name, given) => {
    const left = failing.get(name);
    if (left !== undefined) failing.set(name, left - 1);
    if (left === 1) throw new CommandFailed(name, "as the test wants it");
    const { given: there, result: back } = COMMANDS[name];
    const numbers = new Float64Array(there.numbersMax);
    writeGiven(name, given, numbers);
    const results = new Float64Array(back.numbersMax);
    const handler = does[name] as Handlers[typeof name] | undefined;
    const result = handler?.(readGiven(name, numbers));
    writeResult(name, result as Parameters<typeof writeResult<typeof name>>[1], results);
    return readResult(name, results);
  });
}

/** A data plane that checks the order of calls and nothing else. */
export class FakePlane implements PortThread {
  readonly ports = new Set<number>();
  readonly mappings = new Map<number, { address: number; sizeBytes: number }>();
  readonly memory = new Map<number, readonly PlacedRegion[]>();
  readonly vrings = new Map<string, VringStart>();
  readonly logs = new Map<number, PlacedLog>();
  readonly frameMax = new Map<number, number>();
  readonly flushed: number[] = [];
  /** Ports that are out of service. */
  readonly down = new Set<number>();
  readonly links = new Map<number, number>();
  /** Virtqueues kicked by a message, in order. */
  readonly kicked: number[] = [];
  /** What was asked of the IOTLB, in order. */
  readonly iotlb: string[] = [];
  /** Masks of reserved addresses by port. */
  readonly reserved = new Map<number, number>();
  /** Addresses by port. */
  readonly macs = new Map<number, LearnedMac[]>();
  /** What was added to counters, by port. */
  readonly added = new Map<number, readonly number[]>();
  /** Virtqueues that wait for a translation. */
  waiting = 0;
  portsMax = 4;
  readonly #failing = new Map<Command, number>();
  macsMax = Infinity;
  /** Called before a mapping is forgotten. */
  onRemoveMapping: (address: number) => void = () => {};
  #lastMapping = 0;

  readonly commands: DataPlane = fakeCommands({
    addPort: () => this.#addPort(),
    removePort: ({ port }) => {
      assert(this.ports.delete(port));
      assert(![...this.vrings.keys()].some((key) => key.startsWith(`${port}/`)));
    },
    addMapping: (mapping) => {
      this.mappings.set(++this.#lastMapping, mapping);
      return this.#lastMapping;
    },
    removeMapping: ({ mapping }) => this.#removeMapping(mapping),
    setMemory: (given) => this.#setMemory(given),
    startVring: ({ port, vring, start }) => {
      assert(!this.vrings.has(`${port}/${vring}`));
      this.vrings.set(`${port}/${vring}`, start);
    },
    stopVring: (given) => {
      const { position } = this.#vring(given);
      this.vrings.delete(`${given.port}/${given.vring}`);
      return position;
    },
    stopLane: () => [],
    setVringEnabled: (given) => void this.#vring(given),
    setVringCall: (given) => {
      this.#vring(given);
      // None, and in-band, are negative.
      if (given.callFd >= 0) assert(["eventfd", "socket"].includes(fdKind(given.callFd)));
    },
    setVringLog: (given) => void this.#vring(given),
    setLog: ({ port, log }) => this.#setLog(port, log),
    announce: ({ port }) => this.#port(port),
    kickVring: (given) => {
      this.#vring(given);
      this.kicked.push(given.vring);
    },
    setFrameMax: ({ port, frameBytesMax }) => void this.frameMax.set(port, frameBytesMax),
    setIotlb: ({ port, on }) => {
      this.#port(port);
      this.iotlb.push(`set ${on}`);
    },
    updateIotlb: ({ iova, sizeBytes, permission }) =>
      void this.iotlb.push(`update ${iova.toString(16)} ${sizeBytes.toString(16)} ${permission}`),
    invalidateIotlb: ({ iova, sizeBytes }) =>
      void this.iotlb.push(`invalidate ${iova.toString(16)} ${sizeBytes.toString(16)}`),
    holdVring: (given) => {
      this.#vring(given);
      this.iotlb.push(`hold ${given.vring}`);
    },
    releaseVring: (given) => {
      this.#vring(given);
      this.iotlb.push(`release ${given.vring}`);
    },
    askAgain: ({ port }) => {
      this.#port(port);
      this.iotlb.push("again");
      return this.waiting;
    },
    flushPort: ({ port }) => {
      this.macs.delete(port);
      this.flushed.push(port);
    },
    setPortUp: ({ port, up }) => {
      this.#port(port);
      if (up) this.down.delete(port);
      else this.down.add(port);
    },
    setLink: ({ port, to }) => {
      this.#port(port);
      this.links.set(port, to);
    },
    setReserved: ({ port, mask }) => {
      this.#port(port);
      this.reserved.set(port, mask);
    },
    learnMacs: ({ port, macs }) => {
      const room = macs.slice(0, this.macsMax);
      this.macs.set(port, [...this.portMacs(port), ...room]);
      return room.length;
    },
    addPortCounters: ({ port, counts }) => void this.added.set(port, counts),
  }, this.#failing);

  #port(port: number): void {
    assert(this.ports.has(port), `port ${port} was added`);
  }

  #vring({ port, vring }: Given<"stopVring">): VringStart {
    const start = this.vrings.get(`${port}/${vring}`);
    assert(start, `vring ${vring} of port ${port} was started`);
    return start;
  }

  /** A command fails once: the next time, or the how manieth from now. */
  failOnce(command: Command, time = 1): void {
    this.#failing.set(command, time);
  }

  /** Reserves a port's number where there is one. */
  addPort(): number {
    const port = this.commands.addPort({ kind: "vhost" });
    assert(port !== null);
    return port;
  }

  #addPort(): number | null {
    for (let port = 0; port < this.portsMax; port++) {
      if (this.ports.has(port)) continue;
      this.ports.add(port);
      return port;
    }
    return null;
  }

  #removeMapping(mapping: number): void {
    for (const regions of this.memory.values()) {
      assert(!regions.some((region) => region.mapping === mapping), "no region names the mapping");
    }
    assert(![...this.logs.values()].some((log) => log.mapping === mapping), "no log is in it");
    const known = this.mappings.get(mapping);
    assert(known && this.mappings.delete(mapping));
    this.onRemoveMapping(known.address);
  }

  #setMemory({ port, regions }: Given<"setMemory">): void {
    this.#port(port);
    for (const vring of [0, 1]) {
      const at = this.vrings.get(`${port}/${vring}`)?.descAddress;
      const held = regions.some((r) =>
        at === undefined || (at >= r.address && at < r.address + r.sizeBytes)
      );
      assert(at === undefined || held, "a running virtqueue is in the new memory");
    }
    for (const region of regions) {
      const mapping = this.mappings.get(region.mapping);
      assert(mapping && region.address >= mapping.address);
      assert(region.address + region.sizeBytes <= mapping.address + mapping.sizeBytes);
    }
    this.memory.set(port, regions);
  }

  #setLog(port: number, log: PlacedLog | null): void {
    this.#port(port);
    if (log === null) {
      this.logs.delete(port);
      return;
    }
    const mapping = this.mappings.get(log.mapping);
    assert(mapping && log.address >= mapping.address);
    assert(log.address + log.sizeBytes <= mapping.address + mapping.sizeBytes);
    this.logs.set(port, log);
  }

  forgiveCalls(): void {}

  portMacs(port: number): LearnedMac[] {
    return this.macs.get(port) ?? [];
  }

  portCounters(): Record<string, number> {
    return { rxFrames: 1 };
  }

  vringCounters(): Record<string, number> {
    return { lastAvail: 3, lastUsed: 2, kicks: 1 };
  }
}
