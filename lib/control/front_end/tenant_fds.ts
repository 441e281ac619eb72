/**
 * Closing and signalling descriptors that tenants sent, where a tenant can make either block for
 * ever: close() of a socket that lingers or of a file on a silent FUSE mount, a write to an eventfd
 * whose counter is full.
 *
 * Both go to the runtime's blocking pool, which has 32 threads: the reactor needs one of them, and each
 * port has at most one such call under way. Closes, which a tenant can block for ever, never take more
 * than a part of it: one more is a thread of its own (ffi/close_thread.ts). So each port has a place for
 * its closes whatever the others hold, and what else there is finds the rest of the pool. A lane is
 * first in, first out: a descriptor is never closed, and its number never reused, before the signal sent
 * to it went out.
 *
 * @module
 */
import { PORTS_MAX } from "../../base/limits.ts";
import { LIMITS } from "../../base/port_limits.ts";
import {
  closeFd,
  closeTenantFd,
  fdKind,
  signalTenantEventFd,
  startCloseThread,
} from "../../../ffi/mod.ts";

/** Calls under way at once in the runtime's pool, all ports together; it has 32 threads. */
export const CALLS_MAX = 24;
/** Of these, closes: what else there is comes to an end, and finds room. */
export const POOL_CLOSES_MAX = 12;
/** Closes on threads of their own: each port and listening socket has one at a time, and some went. */
export const OWN_THREADS_MAX: number = 2 * PORTS_MAX;
/** Between two looks whether such a one has ended, ms: soon at first, as few block. */
const LOOK_MS_MIN = 1;
const LOOK_MS_MAX = 50;
/** With more of a front-end's descriptors still to close, its port accepts no other one. */
const CLOSING_FDS_MAX = LIMITS.closing.most;

/** What may block, replaced in tests. Neither rejects. */
export interface BlockingCalls {
  /** Closes a tenant's descriptor. */
  close(fd: number): Promise<void>;
  /** The same on a thread of its own; null: there is none to be had. */
  closeAlone(fd: number): Promise<void> | null;
  /** Adds 1 to a tenant's eventfd. */
  signal(fd: number): Promise<void>;
}

const CALLS: BlockingCalls = {
  close: closeTenantFd,
  closeAlone,
  signal: signalTenantEventFd,
};

function closeAlone(fd: number): Promise<void> | null {
  const thread = startCloseThread(fd);
  if (thread === null) return null;
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (waitMs: number): void => {
    if (thread.ended()) resolve();
    else setTimeout(() => look(Math.min(2 * waitMs, LOOK_MS_MAX)), waitMs);
  };
  look(LOOK_MS_MIN);
  return promise;
}

/** One blocking call to be made: a descriptor to be closed, or what must not reject. */
export type Job = number | (() => Promise<void>);

/** Shares the blocking pool between ports, in turn. */
export class BlockingPool {
  /** The calls themselves. */
  readonly calls: BlockingCalls;
  /** Calls in the pool, those of them that close, and closes on threads of their own. */
  #pooled = 0;
  #pooledCloses = 0;
  #alone = 0;
  /** Lanes that have not come to their end: between two calls of one, none is under way. */
  #lanes = 0;
  /** Lanes with work and no call under way. */
  readonly #ready: Lane[] = [];
  /** Who waits for the last call to end. */
  readonly #idlers: (() => void)[] = [];

  /** Nothing is under way. @param calls replaced in tests */
  constructor(calls: BlockingCalls = CALLS) {
    this.calls = calls;
  }

  /** Calls under way. */
  get running(): number {
    return this.#pooled + this.#alone;
  }

  /**
   * Waits until no call is under way and none is to come, for `msMax` at most: a tenant can keep one there for ever.
   * @returns whether none is
   */
  idle(msMax: number): Promise<boolean> {
    if (this.#lanes === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let timer: ReturnType<typeof setTimeout> | undefined = undefined;
    this.#idlers.push(() => {
      clearTimeout(timer);
      resolve(true);
    });
    // Not before: the first timer of a process takes long to set, and calls may end meanwhile.
    timer = setTimeout(() => resolve(false), msMax);
    if (this.#lanes === 0) clearTimeout(timer);
    return promise;
  }

  /** Queues a lane that has work. */
  offer(lane: Lane): void {
    this.#lanes++;
    this.#ready.push(lane);
    this.#next();
  }

  /** Begins what can be begun; a lane whose turn it is not keeps no other one waiting. */
  #next(): void {
    for (let i = 0; i < this.#ready.length;) {
      const lane = this.#ready[i] as Lane;
      const call = this.#begin(lane.jobs[0] as Job);
      if (call === null) {
        i++;
        continue;
      }
      this.#ready.splice(i, 1);
      call.then(() => {
        lane.jobs.shift();
        if (lane.jobs.length > 0) this.#ready.push(lane);
        else this.#lanes--;
        this.#next();
        if (this.#lanes === 0) { for (const idler of this.#idlers.splice(0)) idler(); }
      });
    }
  }

  /** Begins a call where there is a place for it; null: there is none. */
  #begin(job: Job): Promise<void> | null {
    if (typeof job !== "number") return this.#pooled < CALLS_MAX ? this.#inPool(job) : null;
    if (this.#pooled < CALLS_MAX && this.#pooledCloses < POOL_CLOSES_MAX) {
      this.#pooledCloses++;
      return this.#inPool(() => this.calls.close(job)).then(() => {
        this.#pooledCloses--;
      });
    }
    const call = this.#alone < OWN_THREADS_MAX ? this.calls.closeAlone(job) : null;
    if (call === null) return null;
    this.#alone++;
    return call.then(() => {
      this.#alone--;
    });
  }

  #inPool(call: () => Promise<void>): Promise<void> {
    this.#pooled++;
    return call().then(() => {
      this.#pooled--;
    });
  }
}

/** The jobs of one port; the first may be under way. */
export interface Lane {
  /** In the order in which they are run, one at a time. */
  readonly jobs: Job[];
}

/** Gives a port's received descriptors back. Control thread only. */
export class TenantFds {
  readonly #pool: BlockingPool;
  readonly #lane: Lane = { jobs: [] };

  /** A lane of its own in `pool`, empty. */
  constructor(pool: BlockingPool) {
    this.#pool = pool;
  }

  /** How many calls wait or are under way. */
  get waiting(): number {
    return this.#lane.jobs.length;
  }

  /** So many wait that no other front-end may bring more. */
  get isChoked(): boolean {
    return this.waiting > CLOSING_FDS_MAX;
  }

  /** Closes a descriptor; its number is free some time later. */
  close(fd: number): void {
    // Closing an eventfd never blocks, and most descriptors are eventfds.
    if (this.waiting === 0 && fdKind(fd) === "eventfd") closeFd(fd);
    else this.#add(fd);
  }

  /** Signals an eventfd that stays open until it is closed here. */
  signal(fd: number): void {
    this.#add(() => this.#pool.calls.signal(fd));
  }

  /** Runs something else that may block in the port's turn. `job` must not reject. */
  run(job: () => Promise<void>): void {
    this.#add(job);
  }

  #add(job: Job): void {
    this.#lane.jobs.push(job);
    if (this.#lane.jobs.length === 1) this.#pool.offer(this.#lane);
  }
}
