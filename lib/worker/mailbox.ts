// deno-lint-ignore-file no-non-null-assertion
/**
 * The mailbox between the control thread and the data plane: one command at a time, in shared
 * memory, because a spinning thread receives no messages. The control thread writes a command,
 * raises the sequence number and waits; the data plane answers between two rounds.
 *
 * All numbers are float64: host addresses are below 2^47 and guest addresses below 2^53.
 *
 * @module
 */
import { counterBytes } from "../switch/counters.ts";
import { PORTS_MAX, VRINGS_PER_PORT } from "./types.ts";

/** Commands, see {@linkcode DataPlane} for what they mean. */
export const COMMAND = {
  addPort: 1,
  removePort: 2,
  addMapping: 3,
  removeMapping: 4,
  setMemory: 5,
  startVring: 6,
  stopVring: 7,
  setVringEnabled: 8,
  setVringCall: 9,
  setFrameMax: 10,
  flushPort: 11,
  flushFdb: 12,
  shutdown: 13,
  setVringLog: 14,
  setLog: 15,
  announce: 16,
  setPortUp: 30,
  setLink: 31,
  setReserved: 32,
  setIotlb: 40,
  updateIotlb: 41,
  invalidateIotlb: 42,
  holdVring: 43,
  releaseVring: 44,
  askAgain: 45,
  kickVring: 50,
  learnMacs: 51,
  addPortCounters: 52,
} as const;

/** int32 words of the control area. */
const SEQUENCE = 0;
const ANSWERED = 1;
const SLEEPING = 2;
const OPCODE = 3;
const FAILED = 4;
const CALLING = 5;
const CALLS = 6;
const WORDS = 16;

/** Most numbers in a command: a memory table of 509 slots. */
const ARGUMENTS_MAX = 2048;
const RESULTS_MAX = 8;

/** How long the control thread waits for the data plane before it calls that a bug, ms. */
const ANSWER_MS_MAX = 10_000;
/** Time between two looks at a data plane that does not answer, ms. */
const LOOK_MS = 2;

/** Idle behaviour of the data plane. */
export type Idle = "poll" | "adaptive" | "sleep";

/** What the thread answers when it cannot start. */
export interface StartFailure {
  readonly message: string;
  /** Processors it may not run on. */
  readonly cpus: readonly number[];
}

/** What the data-plane thread is started with (structured clone; the buffers are shared). */
export interface DataPlaneStart {
  readonly mailbox: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly fdb: SharedArrayBuffer;
  /** One word per virtqueue: the RING_ reason it was given up for, or 0. */
  readonly broken: SharedArrayBuffer;
  /** See events.ts. */
  readonly events: SharedArrayBuffer;
  readonly fdbOptions: {
    readonly entriesMax: number;
    readonly portEntriesMax: number;
    readonly ageSeconds: number;
    readonly seed: number;
  };
  /** `performance.timeOrigin` of the control thread: both tell ages by its clock. */
  readonly timeOrigin: number;
  readonly cpus: readonly number[];
  readonly idle: Idle;
  /** Wakes the data plane out of its sleep. */
  readonly wakeFd: number;
  /** The data plane signals it when a ring broke or an event was written. */
  readonly eventFd: number;
}

/** Makes the shared memory of a mailbox. */
export function createMailbox(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * WORDS + 8 * (ARGUMENTS_MAX + RESULTS_MAX));
}

/** Makes the shared counters. */
export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(counterBytes(PORTS_MAX, VRINGS_PER_PORT));
}

/** Both sides of a mailbox. */
export class Mailbox {
  readonly #words: Int32Array;
  /** Arguments of the command at hand. */
  readonly arguments: Float64Array;
  /** Results of the command at hand. */
  readonly results: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.arguments = new Float64Array(memory, 4 * WORDS, ARGUMENTS_MAX);
    this.results = new Float64Array(memory, 4 * WORDS + 8 * ARGUMENTS_MAX, RESULTS_MAX);
  }

  /**
   * Control thread: sends a command and waits until it is done.
   * @param wake called when the data plane sleeps
   * @param look called now and then while it does not answer
   */
  call(
    command: number,
    numbers: readonly number[],
    wake: () => void,
    look: () => void,
  ): void {
    if (numbers.length > ARGUMENTS_MAX) throw new Error("Cannot send command: too many numbers");
    this.arguments.set(numbers);
    const words = this.#words;
    Atomics.store(words, OPCODE, command);
    const sequence = Atomics.add(words, SEQUENCE, 1) + 1;
    if (Atomics.load(words, SLEEPING) === 1) wake();
    const end = performance.now() + ANSWER_MS_MAX;
    for (;;) {
      const answered = Atomics.load(words, ANSWERED);
      if (answered === (sequence | 0)) break;
      if (performance.now() > end) {
        throw new Error(`Cannot reach the data plane: command ${command} was not answered`);
      }
      if (Atomics.wait(words, ANSWERED, answered, LOOK_MS) === "timed-out") look();
    }
    if (Atomics.load(words, FAILED) !== 0) {
      throw new Error(`The data plane failed on command ${command}: see its message above`);
    }
  }

  /** Data plane: is about to call the driver of virtqueue `tag`; that may block for ever. */
  enterCall(tag: number): void {
    this.#words[CALLS] = (this.#words[CALLS]! + 1) | 0;
    this.#words[CALLING] = tag + 1;
  }

  /** Data plane: the call is made. */
  leaveCall(): void {
    this.#words[CALLING] = 0;
  }

  /** Control thread: the call under way, if any: its virtqueue's tag and the call's number. */
  get calling(): { readonly tag: number; readonly serial: number } | null {
    const serial = Atomics.load(this.#words, CALLS);
    const tag = Atomics.load(this.#words, CALLING) - 1;
    return tag < 0 ? null : { tag, serial };
  }

  /** Data plane: whether a command waits. One atomic load. */
  get waiting(): boolean {
    return Atomics.load(this.#words, SEQUENCE) !== this.#words[ANSWERED]!;
  }

  /** Data plane: the waiting command. */
  get command(): number {
    return Atomics.load(this.#words, OPCODE);
  }

  /** Data plane: the command is done. */
  answer(failed: boolean): void {
    Atomics.store(this.#words, FAILED, failed ? 1 : 0);
    Atomics.store(this.#words, ANSWERED, Atomics.load(this.#words, SEQUENCE));
    Atomics.notify(this.#words, ANSWERED);
  }

  /** Data plane: says that it sleeps, so that commands wake it. Check {@linkcode waiting} after. */
  setSleeping(sleeping: boolean): void {
    Atomics.store(this.#words, SLEEPING, sleeping ? 1 : 0);
  }
}
