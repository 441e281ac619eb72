// deno-lint-ignore-file no-non-null-assertion
/**
 * The mailbox between the control thread and the data plane: one command at a time, in shared
 * memory, because a spinning thread receives no messages. The control thread writes a command,
 * raises the sequence number and waits; the data plane answers between two rounds.
 *
 * What the commands are and how they are written stands in wire.ts.
 *
 * @module
 */
import type { FdbOptions } from "../switch/fdb.ts";
import { assert } from "../base/assert.ts";
import { PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";
import { counterBytes } from "../switch/counters.ts";
import type { ArenaPlace } from "../virtio/memory/arena.ts";
import {
  type Command,
  CommandFailed,
  type Given,
  GIVEN_NUMBERS_MAX,
  numberOf,
  readResult,
  type Result,
  RESULT_NUMBERS_MAX,
  writeGiven,
} from "./wire.ts";

/** int32 words of the control area. */
const SEQUENCE = 0;
const ANSWERED = 1;
const SLEEPING = 2;
const COMMAND = 3;
const OUTCOME = 4;
const CALLING = 5;
const CALLS = 6;
const TEXT_BYTES = 7;
const UNWATCHED = 8;
const WORDS = 16;

/** Why a command was not carried out: UTF-8, cut off. */
const TEXT_BYTES_MAX = 512;

const HEAD_BYTES = 4 * WORDS + TEXT_BYTES_MAX;
assert(HEAD_BYTES % 8 === 0, "numbers are aligned");

/** What became of a command. */
const DONE = 0;
/** It failed, and nothing has changed: whoever it was for has to go without. */
const REFUSED = 1;
/** A bug of ours. */
const FAULT = 2;

/** How long the control thread waits for the data plane before it calls that a bug, ms. */
const ANSWER_MS_MAX = 10_000;
/** Time between two looks at a data plane that does not answer, ms. */
const LOOK_MS = 2;

/** Idle behaviour of the data plane. */
export type Idle = "poll" | "adaptive" | "sleep";

/** What the thread answers when it cannot start. */
export interface StartFailure {
  /** What failed; empty if `cpus` says it. */
  readonly message: string;
  /** Processors it may not run on. */
  readonly cpus: readonly number[];
}

/** What the data-plane thread is started with (structured clone; the buffers are shared). */
export interface DataPlaneStart {
  /** See {@linkcode Mailbox}. */
  readonly mailbox: SharedArrayBuffer;
  /** Float64 totals, laid out by counters.ts. */
  readonly counters: SharedArrayBuffer;
  /** The table of fdb.ts, written by the data plane alone. */
  readonly fdb: SharedArrayBuffer;
  /** An int32 per virtqueue, port by port: the RING_ reason it was given up for, or 0. */
  readonly broken: SharedArrayBuffer;
  /** See events.ts. */
  readonly events: SharedArrayBuffer;
  /** Where guests' memory is mapped. */
  readonly arena: ArenaPlace;
  /** Address of the table of the guard of that memory (ffi/guard.ts); 0: there is none. */
  readonly guard: number;
  /** Of that table; {@linkcode Fdb} says what they mean. */
  readonly fdbOptions: FdbOptions;
  /** `performance.timeOrigin` of the control thread: both tell ages by its clock. */
  readonly timeOrigin: number;
  /** Processors the thread may run on; none: all. */
  readonly cpus: readonly number[];
  /** What it does without frames. */
  readonly idle: Idle;
  /** Wakes the data plane out of its sleep. */
  readonly wakeFd: number;
  /** The data plane signals it when a ring broke or an event was written. */
  readonly eventFd: number;
}

/** Makes the shared memory of a mailbox. */
export function createMailbox(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + 8 * (GIVEN_NUMBERS_MAX + RESULT_NUMBERS_MAX));
}

/** Makes the shared counters. */
export function createCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(counterBytes(PORTS_MAX, VRINGS_PER_PORT));
}

/** Both sides of a mailbox. */
export class Mailbox {
  readonly #words: Int32Array;
  readonly #text: Uint8Array;
  /** What the waiting command is given, as wire.ts writes it. */
  readonly given: Float64Array;
  /** What it answers, likewise. */
  readonly results: Float64Array;

  /** One side of a mailbox that {@linkcode createMailbox} made. */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#text = new Uint8Array(memory, 4 * WORDS, TEXT_BYTES_MAX);
    this.given = new Float64Array(memory, HEAD_BYTES, GIVEN_NUMBERS_MAX);
    const resultsAt = HEAD_BYTES + 8 * GIVEN_NUMBERS_MAX;
    this.results = new Float64Array(memory, resultsAt, RESULT_NUMBERS_MAX);
  }

  /**
   * Control thread: sends a command and waits until it is done.
   * @param wake called when the data plane sleeps
   * @param look called now and then while it does not answer
   * @throws {CommandFailed} it cannot be done; nothing has changed
   */
  call<C extends Command>(
    command: C,
    given: Given<C>,
    wake: () => void,
    look: () => void,
  ): Result<C> {
    writeGiven(command, given, this.given);
    const words = this.#words;
    Atomics.store(words, COMMAND, numberOf(command));
    const sequence = Atomics.add(words, SEQUENCE, 1) + 1;
    if (Atomics.load(words, SLEEPING) === 1) wake();
    const end = performance.now() + ANSWER_MS_MAX;
    for (;;) {
      const answered = Atomics.load(words, ANSWERED);
      if (answered === (sequence | 0)) break;
      if (performance.now() > end) {
        throw new Error(`Cannot reach the data plane: ${command} was not answered`);
      }
      if (Atomics.wait(words, ANSWERED, answered, LOOK_MS) === "timed-out") look();
    }
    const outcome = Atomics.load(words, OUTCOME);
    if (outcome === REFUSED) throw new CommandFailed(command, this.#readText());
    assert(outcome === DONE, `The data plane failed on ${command}: ${this.#readText()}`);
    return readResult(command, this.results);
  }

  #readText(): string {
    const bytes = this.#text.slice(0, Atomics.load(this.#words, TEXT_BYTES));
    return new TextDecoder().decode(bytes);
  }

  #writeText(text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, TEXT_BYTES_MAX);
    this.#text.set(bytes);
    Atomics.store(this.#words, TEXT_BYTES, bytes.length);
  }

  /**
   * Data plane: is about to call the driver of virtqueue `tag`; that may block for ever.
   * @returns whether the control thread has to be told, because it looks no longer
   */
  enterCall(tag: number): boolean {
    this.#words[CALLS] = (this.#words[CALLS]! + 1) | 0;
    // Both sides write, then read what the other wrote: neither may see the old value of both.
    Atomics.store(this.#words, CALLING, tag + 1);
    if (Atomics.load(this.#words, UNWATCHED) === 0) return false;
    Atomics.store(this.#words, UNWATCHED, 0);
    return true;
  }

  /** Data plane: the call is made. */
  leaveCall(): void {
    this.#words[CALLING] = 0;
  }

  /** Control thread: the number of the last call that began. */
  get calls(): number {
    return Atomics.load(this.#words, CALLS);
  }

  /**
   * Control thread: looks at calls no longer, and wants to be told when one begins.
   * @param calls the last one it knows of
   * @returns false: one has begun meanwhile
   */
  watchNoMore(calls: number): boolean {
    Atomics.store(this.#words, UNWATCHED, 1);
    if (this.calls === calls && this.calling === null) return true;
    Atomics.store(this.#words, UNWATCHED, 0);
    return false;
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

  /** Data plane: the number of the waiting command. */
  get command(): number {
    return Atomics.load(this.#words, COMMAND);
  }

  /** Data plane: the command is done. */
  answerDone(): void {
    this.#answer(DONE);
  }

  /** Data plane: the command is not done, and nothing has changed. @param fault a bug of ours */
  answerFailed(why: string, fault: boolean): void {
    this.#writeText(why);
    this.#answer(fault ? FAULT : REFUSED);
  }

  #answer(outcome: number): void {
    Atomics.store(this.#words, OUTCOME, outcome);
    Atomics.store(this.#words, ANSWERED, Atomics.load(this.#words, SEQUENCE));
    Atomics.notify(this.#words, ANSWERED);
  }

  /** Data plane: says that it sleeps, so that commands wake it. Check {@linkcode waiting} after. */
  setSleeping(sleeping: boolean): void {
    Atomics.store(this.#words, SLEEPING, sleeping ? 1 : 0);
  }
}
