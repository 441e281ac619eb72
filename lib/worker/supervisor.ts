// deno-lint-ignore-file no-non-null-assertion
/**
 * The control thread's end of the data plane: starts the thread, sends it commands, reads its
 * counters and its FDB from shared memory.
 *
 * @module
 */
import { closeFd, createEventFd, drainEventFd, signalEventFd } from "../../ffi/mod.ts";
import {
  PORT_COUNTERS,
  portBase,
  readCounters,
  VRING_COUNTERS,
  vringBase,
  WORKER_BASE,
  WORKER_COUNTERS,
} from "../switch/counters.ts";
import { Fdb } from "../switch/fdb.ts";
import { RING_REASONS } from "../virtio/ring.ts";
import { createEvents, type DataPlaneEvent, EventReader } from "./events.ts";
import { FdbReader } from "./fdb_reader.ts";
import {
  COMMAND,
  createCounters,
  createMailbox,
  type DataPlaneStart,
  type Idle,
  Mailbox,
  type StartFailure,
} from "./mailbox.ts";
import { StuckCalls } from "./stuck_calls.ts";
import {
  type DataPlane,
  type LearnedMac,
  type PlacedLog,
  type PlacedRegion,
  PORTS_MAX,
  type VringPosition,
  type VringRecord,
  VRINGS_PER_PORT,
  type VringStart,
} from "./types.ts";

/** Addresses in one command, of three numbers each. */
const MACS_PER_COMMAND = 512;

/** How the data plane is to run. */
export interface DataPlaneOptions {
  /** Processors of the thread; empty: any. */
  readonly cpus: readonly number[];
  readonly idle: Idle;
  /** 0: entries never age. */
  readonly fdbAgeSeconds: number;
  readonly fdbEntriesMax: number;
  readonly fdbPortEntriesMax: number;
}

/** A virtqueue the data plane gave up, and why. */
export interface BrokenVring {
  readonly port: number;
  readonly vring: number;
  readonly reason: string;
}

/** The data plane cannot start here. */
export class DataPlaneError extends Error {
  override readonly name = "DataPlaneError";
  /** Processors it may not run on; empty: it is not for them. */
  readonly cpus: readonly number[];

  constructor({ message, cpus }: StartFailure) {
    super(message);
    this.cpus = cpus;
  }
}

/** Starts the data-plane thread and waits until it polls. @throws {DataPlaneError} */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlaneThread> {
  const wakeFd = createEventFd();
  const eventFd = createEventFd();
  const start: DataPlaneStart = {
    mailbox: createMailbox(),
    counters: createCounters(),
    fdb: new SharedArrayBuffer(Fdb.bytesFor(options.fdbEntriesMax)),
    broken: new SharedArrayBuffer(4 * PORTS_MAX * VRINGS_PER_PORT),
    events: createEvents(),
    fdbOptions: {
      entriesMax: options.fdbEntriesMax,
      portEntriesMax: options.fdbPortEntriesMax,
      ageSeconds: options.fdbAgeSeconds,
      seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
    },
    timeOrigin: performance.timeOrigin,
    cpus: options.cpus,
    idle: options.idle,
    wakeFd,
    eventFd,
  };
  const worker = new Worker(new URL("./data_plane.ts", import.meta.url), { type: "module" });
  await new Promise<void>((resolve, reject) => {
    const fail = (failure: StartFailure): void => {
      worker.terminate();
      closeFd(wakeFd);
      closeFd(eventFd);
      reject(new DataPlaneError(failure));
    };
    worker.onmessage = ({ data }) => data === "ready" ? resolve() : fail(data);
    worker.onerror = (event) => {
      event.preventDefault();
      fail({ message: event.message, cpus: [] });
    };
    worker.postMessage(start);
  });
  // From here on an error of the thread is a bug of ours: let it end the process.
  worker.onmessage = null;
  worker.onerror = null;
  return new DataPlaneThread(worker, start);
}

function recordNumbers(record: VringRecord | null): number[] {
  if (record === null) return [0];
  const { address, counter, entries, kind, listed } = record;
  return [address, Number(kind === "inflight"), entries, counter, Number(listed)];
}

/** The running data plane. All methods: control thread only. */
export class DataPlaneThread implements DataPlane {
  /** Readable when there is news: {@linkcode takeBroken}, {@linkcode takeEvents}. Owned here. */
  readonly eventFd: number;
  readonly #worker: Worker;
  readonly #mailbox: Mailbox;
  /** Calls that do not return. */
  readonly stuckCalls: StuckCalls;
  readonly #wakeFd: number;
  readonly #counters: Float64Array;
  readonly #broken: Int32Array;
  readonly #events: EventReader;
  /** Its forwarding database. */
  readonly fdb: FdbReader;

  constructor(worker: Worker, start: DataPlaneStart) {
    this.#worker = worker;
    this.#mailbox = new Mailbox(start.mailbox);
    this.stuckCalls = new StuckCalls(this.#mailbox, VRINGS_PER_PORT);
    this.#wakeFd = start.wakeFd;
    this.eventFd = start.eventFd;
    this.#counters = new Float64Array(start.counters);
    this.#broken = new Int32Array(start.broken);
    this.#events = new EventReader(start.events);
    this.fdb = new FdbReader(start.fdb, start.fdbOptions);
  }

  #call(command: number, ...numbers: number[]): void {
    this.#mailbox.call(
      command,
      numbers,
      () => signalEventFd(this.#wakeFd),
      () => this.stuckCalls.look(),
    );
  }

  addPort(): number {
    this.#call(COMMAND.addPort);
    return this.#mailbox.results[0]!;
  }

  removePort(port: number): void {
    this.#call(COMMAND.removePort, port);
    for (let vring = 0; vring < VRINGS_PER_PORT; vring++) {
      this.#clearBroken(port, vring);
      this.stuckCalls.setCallFd(port, vring, -1);
    }
  }

  addMapping(address: number, sizeBytes: number): number {
    this.#call(COMMAND.addMapping, address, sizeBytes);
    return this.#mailbox.results[0]!;
  }

  removeMapping(mapping: number): void {
    this.#call(COMMAND.removeMapping, mapping);
  }

  setMemory(port: number, regions: readonly PlacedRegion[]): void {
    this.#call(
      COMMAND.setMemory,
      port,
      regions.length,
      ...regions.flatMap((r) => [r.guestAddr, r.sizeBytes, r.address, r.mapping]),
    );
  }

  startVring(port: number, vring: number, start: VringStart): void {
    this.#clearBroken(port, vring);
    const { position } = start;
    this.stuckCalls.setCallFd(port, vring, start.callFd);
    this.#call(
      COMMAND.startVring,
      port,
      vring,
      start.size,
      Number(start.packed),
      Number(start.eventIdx),
      Number(start.indirect),
      Number(start.mergeable),
      start.headerBytes,
      start.descAddress,
      start.driverAddress,
      start.deviceAddress,
      position.availIndex,
      position.availWrap,
      position.usedIndex,
      position.usedWrap,
      start.kickFd,
      start.callFd,
      Number(start.enabled),
      start.logGuestAddr,
      ...recordNumbers(start.record),
    );
  }

  stopVring(port: number, vring: number): VringPosition {
    this.#call(COMMAND.stopVring, port, vring);
    this.stuckCalls.setCallFd(port, vring, -1);
    const results = this.#mailbox.results;
    return {
      availIndex: results[0]!,
      availWrap: results[1]!,
      usedIndex: results[2]!,
      usedWrap: results[3]!,
    };
  }

  setVringEnabled(port: number, vring: number, enabled: boolean): void {
    this.#call(COMMAND.setVringEnabled, port, vring, Number(enabled));
  }

  setVringCall(port: number, vring: number, callFd: number): void {
    // Until this is answered a call by the descriptor before may be stuck.
    this.#call(COMMAND.setVringCall, port, vring, callFd);
    this.stuckCalls.setCallFd(port, vring, callFd);
  }

  /** The front-end whose calls may have been stuck is gone. */
  forgiveCalls(port: number): void {
    this.stuckCalls.forgive(port);
  }

  setVringLog(port: number, vring: number, guestAddr: number): void {
    this.#call(COMMAND.setVringLog, port, vring, guestAddr);
  }

  setLog(port: number, log: PlacedLog | null, logAll: boolean): void {
    const { sizeBytes, address, mapping } = log ?? { sizeBytes: 0, address: 0, mapping: 0 };
    this.#call(COMMAND.setLog, port, sizeBytes, address, mapping, Number(logAll));
  }

  announce(port: number, macLow: number, macHigh: number, flood: boolean): void {
    this.#call(COMMAND.announce, port, macLow, macHigh, Number(flood));
  }

  kickVring(port: number, vring: number): void {
    this.#call(COMMAND.kickVring, port, vring);
  }

  setFrameMax(port: number, frameBytesMax: number): void {
    this.#call(COMMAND.setFrameMax, port, frameBytesMax);
  }

  setIotlb(port: number, on: boolean): void {
    this.#call(COMMAND.setIotlb, port, Number(on));
  }

  updateIotlb(
    port: number,
    iova: number,
    sizeBytes: number,
    hostAddress: number,
    permission: number,
  ): void {
    this.#call(COMMAND.updateIotlb, port, iova, sizeBytes, hostAddress, permission);
  }

  invalidateIotlb(port: number, iova: number, sizeBytes: number): void {
    this.#call(COMMAND.invalidateIotlb, port, iova, sizeBytes);
  }

  holdVring(port: number, vring: number): void {
    this.#call(COMMAND.holdVring, port, vring);
  }

  releaseVring(port: number, vring: number): void {
    this.#call(COMMAND.releaseVring, port, vring);
  }

  askAgain(port: number): number {
    this.#call(COMMAND.askAgain, port);
    return this.#mailbox.results[0]!;
  }

  flushPort(port: number): void {
    this.#call(COMMAND.flushPort, port);
  }

  setPortUp(port: number, up: boolean): void {
    this.#call(COMMAND.setPortUp, port, Number(up));
  }

  setLink(port: number, to: number): void {
    this.#call(COMMAND.setLink, port, to);
  }

  setReserved(port: number, mask: number): void {
    this.#call(COMMAND.setReserved, port, mask);
  }

  learnMacs(port: number, macs: readonly LearnedMac[]): number {
    let learned = 0;
    for (let at = 0; at < macs.length; at += MACS_PER_COMMAND) {
      const some = macs.slice(at, at + MACS_PER_COMMAND);
      const numbers = some.flatMap((m) => [m.macLo, m.macHi, m.ageSeconds]);
      this.#call(COMMAND.learnMacs, port, some.length, ...numbers);
      learned += this.#mailbox.results[0]!;
    }
    return learned;
  }

  addPortCounters(port: number, counts: readonly number[]): void {
    this.#call(COMMAND.addPortCounters, port, counts.length, ...counts);
  }

  /** The addresses learned on a port, read while the data plane goes on. */
  portMacs(port: number): LearnedMac[] {
    return this.fdb.portMacs(port);
  }

  /** Forgets every dynamic MAC address. */
  flushFdb(): void {
    this.#call(COMMAND.flushFdb);
  }

  /** Everything the data plane wrote since the last call. Drains {@linkcode eventFd}. */
  takeEvents(): DataPlaneEvent[] {
    drainEventFd(this.eventFd);
    return this.#events.take();
  }

  /** Virtqueues given up since the last call. Call {@linkcode takeEvents} first. */
  takeBroken(): BrokenVring[] {
    const list: BrokenVring[] = [];
    for (let word = 0; word < this.#broken.length; word++) {
      const reason = Atomics.load(this.#broken, word);
      // Reported ones stay marked, negative, until the ring is started again.
      if (reason <= 0) continue;
      Atomics.store(this.#broken, word, -reason);
      list.push({
        port: Math.floor(word / VRINGS_PER_PORT),
        vring: word % VRINGS_PER_PORT,
        reason: RING_REASONS[reason] ?? "unknown",
      });
    }
    return list;
  }

  #clearBroken(port: number, vring: number): void {
    Atomics.store(this.#broken, port * VRINGS_PER_PORT + vring, 0);
  }

  /** The counters of a port by name. */
  portCounters(port: number): Record<string, number> {
    return readCounters(this.#counters, portBase(port, VRINGS_PER_PORT), PORT_COUNTERS);
  }

  /** The counters of a virtqueue by name, with `lastAvail` and `lastUsed`. */
  vringCounters(port: number, vring: number): Record<string, number> {
    return readCounters(this.#counters, vringBase(port, vring, VRINGS_PER_PORT), VRING_COUNTERS);
  }

  /** The counters of the thread by name. */
  workerCounters(): Record<string, number> {
    return readCounters(this.#counters, WORKER_BASE, WORKER_COUNTERS);
  }

  /** Stops the thread; nothing of it is left when this returns. */
  shutdown(): void {
    this.#call(COMMAND.shutdown);
    this.#worker.terminate();
    closeFd(this.#wakeFd);
    closeFd(this.eventFd);
  }
}
