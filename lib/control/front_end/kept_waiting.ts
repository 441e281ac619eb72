/**
 * Tells whether a system call was kept waiting by a tenant. To map a file the kernel may take locks of
 * it that its owner holds meanwhile: a fallocate on hugetlbfs, or a hole that is punched in a file that
 * is mapped ten thousand times. Nothing can be asked before, and the thread cannot be called back.
 *
 * @module
 */
import { readThreadUse, ReadyTime } from "../../../ffi/mod.ts";

/** A call that waited takes no longer for an honest tenant, ms: a mapping takes a few µs. */
const WAIT_MS_MAX = 100;

/** The clocks, replaced in tests. */
export interface WaitClocks {
  /** Time in which this thread ran or waited, not that in which others had its processor, ms. */
  now(): number;
  /** Times this thread has waited of its own accord. */
  waits(): number;
}

/** The thread that loads this module, which is the control thread; its descriptor stays open. */
const ready = new ReadyTime();
const use = { faults: 0, waits: 0 };

const THREAD: WaitClocks = {
  now: () => performance.now() - ready.readMs(),
  waits: () => {
    readThreadUse(use);
    return use.waits;
  },
};

/** Measures one call after the other. Control thread only. */
export class KeptWaiting {
  readonly #clocks: WaitClocks;
  #beganAt = 0;
  #waits = 0;

  /** Of the control thread. @param clocks replaced in tests */
  constructor(clocks: WaitClocks = THREAD) {
    this.#clocks = clocks;
  }

  /** A call is to be made. */
  begin(): void {
    this.#waits = this.#clocks.waits();
    this.#beganAt = this.#clocks.now();
  }

  /** How long that call took, ms, if it waited and took longer than an honest one; 0: it did not. */
  end(): number {
    const ms = this.#clocks.now() - this.#beganAt;
    // A machine that stands still is nobody's doing.
    return ms > WAIT_MS_MAX && this.#clocks.waits() > this.#waits ? ms : 0;
  }
}
