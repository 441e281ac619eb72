// deno-lint-ignore-file no-non-null-assertion
/**
 * Events of the data plane for the control thread: a ring in shared memory with one writer and one
 * reader. The writer never waits: an event that finds the ring full is dropped and counted, so
 * whoever sends one must be able to do without (ask again later).
 *
 * A record is four float64: kind, port, vring, value. The writer signals an eventfd once for any
 * number of records; see {@linkcode EventWriter.flush}.
 *
 * @module
 */

/** Records the ring holds; a power of two. */
const CAPACITY = 4096;
const RECORD_NUMBERS = 4;

/** int32 words in front of the records: free-running counts of records written and read. */
const WRITTEN = 0;
const READ = 1;
const DROPPED = 2;
const HEAD_BYTES = 16;

/** One event. What `vring` and `value` mean depends on the kind. */
export interface DataPlaneEvent {
  /** One of {@linkcode EVENT}. */
  readonly kind: number;
  /** Number of the port it is about. */
  readonly port: number;
  /** Number of the virtqueue, as a rule. */
  readonly vring: number;
  /** Any whole number below 2^53. */
  readonly value: number;
}

/** Kinds of events. */
export const EVENT = {
  /** The driver of a virtqueue with in-band notifications wants a call; `value` is 0. */
  call: 1,
  /** A translation is missing; `value` is the address of its page, and its permission: 1 or 2. */
  miss: 2,
  /** The permission was refused; the virtqueue is broken. `value` as for a miss. */
  accessFail: 3,
  /** A translation that was asked for is still missing. `value` as for a miss. */
  missAgain: 4,
  /** A virtqueue broke at guest address `value`, in no region. Comes before `broken` is set. */
  stray: 5,
  /**
   * A MAC address moves faster than a guest can; `port` is where it is now, `vring` the number of
   * the port it came from and PORTS_MAX times its VLAN, `value` the address, see mac.ts. Precedes the
   * removal of either port.
   */
  macFlap: 6,
  /** A driver makes chains that go back unused; `value` is why, a number of bad_chain.ts. */
  badChain: 7,
  /** A lane's descriptor is of no use any more; `vring` is the lane's number, `value` is errno. */
  laneFailed: 8,
  /**
   * A port speaks with an address that is not its own; `vring` is the number of the port that has it,
   * or its own: nobody has. `value` as for macFlap.
   */
  macForeign: 9,
  /** A port sends more frames to many than it may; `vring` is their kind, of STORM_KINDS. */
  storm: 10,
  /** A port has taken too much of the thread's time: see time_watch.ts. */
  tooSlow: 11,
  /** A guard of a port drops its frames; `vring` is why, of GUARD_REASONS. */
  guarded: 12,
} as const;

/** Makes the shared memory of a ring. */
export function createEvents(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + 8 * RECORD_NUMBERS * CAPACITY);
}

/** Data-plane thread: the writing end. */
export class EventWriter {
  readonly #words: Int32Array;
  readonly #records: Float64Array;
  readonly #signal: () => void;
  #pending = false;

  /** The only writer of this memory. @param signal wakes the control thread */
  constructor(memory: SharedArrayBuffer, signal: () => void) {
    this.#words = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#records = new Float64Array(memory, HEAD_BYTES);
    this.#signal = signal;
  }

  /** Writes a record. @returns whether there was room */
  write(kind: number, port: number, vring: number, value: number): boolean {
    const written = this.#words[WRITTEN]!;
    if (((written - Atomics.load(this.#words, READ)) | 0) >= CAPACITY) {
      this.#words[DROPPED]!++;
      return false;
    }
    const at = (written & (CAPACITY - 1)) * RECORD_NUMBERS;
    this.#records[at] = kind;
    this.#records[at + 1] = port;
    this.#records[at + 2] = vring;
    this.#records[at + 3] = value;
    Atomics.store(this.#words, WRITTEN, (written + 1) | 0);
    this.#pending = true;
    return true;
  }

  /** Records written so far, free-running. */
  get written(): number {
    return this.#words[WRITTEN]!;
  }

  /** Whether the record that was the `written`-th is still to be read. */
  unread(written: number): boolean {
    const ahead = (written - Atomics.load(this.#words, READ)) | 0;
    return ahead > 0 && ahead <= CAPACITY;
  }

  /** Wakes the control thread if anything was written since the last call. Once a round. */
  flush(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#signal();
  }
}

/** Control thread: the reading end. */
export class EventReader {
  readonly #words: Int32Array;
  readonly #records: Float64Array;

  /** The only reader of this memory, made by {@linkcode createEvents}. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.#records = new Float64Array(memory, HEAD_BYTES);
  }

  /** Everything written since the last call, oldest first. */
  take(): DataPlaneEvent[] {
    const events: DataPlaneEvent[] = [];
    const written = Atomics.load(this.#words, WRITTEN);
    let read = this.#words[READ]!;
    for (; read !== written; read = (read + 1) | 0) {
      const at = (read & (CAPACITY - 1)) * RECORD_NUMBERS;
      const [kind, port, vring, value] = this.#records.subarray(at, at + RECORD_NUMBERS);
      events.push({ kind: kind!, port: port!, vring: vring!, value: value! });
    }
    Atomics.store(this.#words, READ, read);
    return events;
  }

  /** Events that found the ring full. */
  get dropped(): number {
    return Atomics.load(this.#words, DROPPED);
  }
}
