// deno-lint-ignore-file no-non-null-assertion
/**
 * The control thread's end of the data plane: starts the thread, sends it commands, reads its
 * counters and its FDB from shared memory.
 *
 * @module
 */
import {
  closeFd,
  createEventFd,
  drainEventFd,
  type MemoryGuard,
  type Reservation,
  signalEventFd,
  viewBytesMax,
} from "../../ffi/mod.ts";
import { PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";
import {
  asleepUs,
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
import { reserveArena } from "./arena.ts";
import { createEvents, type DataPlaneEvent, EventReader } from "./events.ts";
import { FdbReader } from "./fdb_reader.ts";
import {
  createCounters,
  createMailbox,
  type DataPlaneStart,
  type Idle,
  Mailbox,
  type StartFailure,
} from "./mailbox.ts";
import { findProgram } from "./program.ts";
import { StuckCalls } from "./stuck_calls.ts";
import {
  type Command,
  type DataPlane,
  type Given,
  type LearnedMac,
  makeDataPlane,
  type Result,
} from "./wire.ts";

/** How the data plane is to run. */
export interface DataPlaneOptions {
  /** Processors of the thread; empty: any. */
  readonly cpus: readonly number[];
  /** What the thread does without frames. */
  readonly idle: Idle;
  /** 0: entries never age. */
  readonly fdbAgeSeconds: number;
  /** Addresses the forwarding database holds. */
  readonly fdbEntriesMax: number;
  /** Of these, addresses of one port at most. */
  readonly fdbPortEntriesMax: number;
  /** How long an address is in use after its last frame; 0 or none: others may take it. */
  readonly macHoldSeconds?: number;
}

/** What survives pages that cannot be had; null: nothing does. */
export type Guard = MemoryGuard | null;

/** A virtqueue the data plane gave up, and why. */
export interface BrokenVring {
  /** Number of its port. */
  readonly port: number;
  /** Its number on the port. */
  readonly vring: number;
  /** Code of a RING_ reason. */
  readonly reason: string;
}

/** The data plane cannot start here. */
export class DataPlaneError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "DataPlaneError";
  /** Processors it may not run on; empty: it is not for them. */
  readonly cpus: readonly number[];

  /** Why, in the thread's own words. */
  constructor({ message, cpus }: StartFailure) {
    super(message);
    this.cpus = cpus;
  }
}

/**
 * Starts the data-plane thread and waits until it polls.
 * @param guard of guests' memory, or null
 * @param beforeThread called when the thread is all that is still to be made; what it limits of this
 * thread, that one inherits @throws {DataPlaneError}
 */
export async function startDataPlane(
  options: DataPlaneOptions,
  guard: Guard,
  beforeThread: () => void = () => {},
): Promise<DataPlaneThread> {
  const program = await findProgram();
  beforeThread();
  const arena = reserveArena();
  const wakeFd = createEventFd();
  const eventFd = createEventFd();
  const start: DataPlaneStart = {
    mailbox: createMailbox(),
    counters: createCounters(),
    fdb: new SharedArrayBuffer(Fdb.bytesFor(options.fdbEntriesMax)),
    broken: new SharedArrayBuffer(4 * PORTS_MAX * VRINGS_PER_PORT),
    events: createEvents(),
    arena: { address: arena.address, sizeBytes: arena.sizeBytes, viewBytesMax: viewBytesMax() },
    guard: guard?.address ?? 0,
    fdbOptions: {
      entriesMax: options.fdbEntriesMax,
      portEntriesMax: options.fdbPortEntriesMax,
      ageSeconds: options.fdbAgeSeconds,
      holdSeconds: options.macHoldSeconds ?? 0,
      seed: crypto.getRandomValues(new Uint32Array(1))[0]!,
    },
    timeOrigin: performance.timeOrigin,
    cpus: options.cpus,
    idle: options.idle,
    wakeFd,
    eventFd,
  };
  const worker = new Worker(program.url, { type: "module" });
  await new Promise<void>((resolve, reject) => {
    const fail = (failure: StartFailure): void => {
      worker.terminate();
      closeFd(wakeFd);
      closeFd(eventFd);
      arena.release();
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
  return new DataPlaneThread(worker, start, program.slow, arena, guard);
}

/** The running data plane. All methods: control thread only. */
export class DataPlaneThread {
  /** Its commands. Each is done when it returns. */
  readonly commands: DataPlane;
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
  /** As it was read last. */
  #asleepUs = 0;
  /** Its forwarding database. */
  readonly fdb: FdbReader;
  /** Why it is slower than it could be, for the operator; null: it is not. See program.ts. */
  readonly slow: string | null;
  /** Where guests' memory is mapped for it. */
  readonly arena: Reservation;
  /** What covers it, or null. */
  readonly guard: Guard;

  /**
   * Takes over a thread that polls. @param start what it was started with @param slow see the field
   * @param arena released with the thread @param guard of what is mapped there
   */
  constructor(
    worker: Worker,
    start: DataPlaneStart,
    slow: string | null,
    arena: Reservation,
    guard: Guard,
  ) {
    this.#worker = worker;
    this.slow = slow;
    this.arena = arena;
    this.guard = guard;
    this.#mailbox = new Mailbox(start.mailbox);
    this.stuckCalls = new StuckCalls(this.#mailbox, VRINGS_PER_PORT);
    this.#wakeFd = start.wakeFd;
    this.eventFd = start.eventFd;
    this.#counters = new Float64Array(start.counters);
    this.#broken = new Int32Array(start.broken);
    this.#events = new EventReader(start.events);
    this.fdb = new FdbReader(start.fdb, start.fdbOptions);
    this.commands = this.#watched(makeDataPlane((name, given) => this.#call(name, given)));
  }

  #call<C extends Command>(command: C, given: Given<C>): Result<C> {
    return this.#mailbox.call(
      command,
      given,
      () => signalEventFd(this.#wakeFd),
      () => this.stuckCalls.look(),
    );
  }

  /** What is kept here of virtqueues follows the commands: call descriptors, who was given up. */
  #watched(plain: DataPlane): DataPlane {
    const { stuckCalls } = this;
    return {
      ...plain,
      removePort: (given) => {
        plain.removePort(given);
        for (let vring = 0; vring < VRINGS_PER_PORT; vring++) {
          this.#clearBroken(given.port, vring);
          stuckCalls.setCallFd(given.port, vring, -1);
        }
      },
      startVring: (given) => {
        const { port, vring, start } = given;
        this.#clearBroken(port, vring);
        stuckCalls.setCallFd(port, vring, start.callFd);
        plain.startVring(given);
      },
      stopVring: (given) => {
        const position = plain.stopVring(given);
        stuckCalls.setCallFd(given.port, given.vring, -1);
        return position;
      },
      setVringCall: (given) => {
        // Until this is answered a call by the descriptor before may be stuck.
        plain.setVringCall(given);
        stuckCalls.setCallFd(given.port, given.vring, given.callFd);
      },
    };
  }

  /** The front-end whose calls may have been stuck is gone. */
  forgiveCalls(port: number): void {
    this.stuckCalls.forgive(port);
  }

  /** The addresses learned on a port, read while the data plane goes on. */
  portMacs(port: number): LearnedMac[] {
    return this.fdb.portMacs(port);
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

  /** The counters of the thread by name, the sleep of this moment with them. */
  workerCounters(): Record<string, number> {
    this.#asleepUs = asleepUs(this.#counters, performance.now(), this.#asleepUs);
    const counters = readCounters(this.#counters, WORKER_BASE, WORKER_COUNTERS);
    return { ...counters, asleepUs: this.#asleepUs };
  }

  /** Stops the thread; nothing of it is left when this returns. */
  shutdown(): void {
    this.commands.shutdown();
    this.#worker.terminate();
    closeFd(this.#wakeFd);
    closeFd(this.eventFd);
    this.arena.release();
  }
}
