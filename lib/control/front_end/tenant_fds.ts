/**
 * Closing and signalling descriptors that tenants sent, where a tenant can make either block for
 * ever: close() of a socket that lingers or of a file on a silent FUSE mount, a write to an eventfd
 * whose counter is full.
 *
 * Both go to the runtime's blocking pool. That has 32 threads, and the reactor needs one of them,
 * so each port has at most one such call under way and all ports together a bounded number: a
 * tenant that blocks its own lane keeps nobody else waiting. A lane is first in, first out: a
 * descriptor is never closed, and its number never reused, before the signal sent to it went out.
 *
 * @module
 */
import { LIMITS } from "../../base/port_limits.ts";
import { closeFd, closeTenantFd, fdKind, signalTenantEventFd } from "../../../ffi/mod.ts";

/** Calls under way at once, all ports together; the pool has 32 threads. */
export const CALLS_MAX = 24;
/** With more of a front-end's descriptors still to close, its port accepts no other one. */
const CLOSING_FDS_MAX = LIMITS.closing.most;

/** What may block, replaced in tests. Neither rejects. */
export interface BlockingCalls {
  /** Closes a tenant's descriptor. */
  close(fd: number): Promise<void>;
  /** Adds 1 to a tenant's eventfd. */
  signal(fd: number): Promise<void>;
}

const CALLS: BlockingCalls = { close: closeTenantFd, signal: signalTenantEventFd };

/** One blocking call to be made. It must not reject. */
export type Job = () => Promise<void>;

/** Shares the blocking pool between ports, in turn. */
export class BlockingPool {
  /** The calls themselves. */
  readonly calls: BlockingCalls;
  #running = 0;
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
    return this.#running;
  }

  /**
   * Waits until no call is under way, for `msMax` at most: a tenant can keep one there for ever.
   * @returns whether none is
   */
  idle(msMax: number): Promise<boolean> {
    if (this.#running === 0) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let timer: ReturnType<typeof setTimeout> | undefined = undefined;
    this.#idlers.push(() => {
      clearTimeout(timer);
      resolve(true);
    });
    // Not before: the first timer of a process takes long to set, and calls may end meanwhile.
    timer = setTimeout(() => resolve(false), msMax);
    if (this.#running === 0) clearTimeout(timer);
    return promise;
  }

  /** Queues a lane that has work. */
  offer(lane: Lane): void {
    this.#ready.push(lane);
    this.#next();
  }

  #next(): void {
    while (this.#running < CALLS_MAX) {
      const lane = this.#ready.shift();
      const job = lane?.jobs[0];
      if (!lane || !job) return;
      this.#running++;
      job().then(() => {
        this.#running--;
        lane.jobs.shift();
        if (lane.jobs.length > 0) this.#ready.push(lane);
        this.#next();
        if (this.#running === 0) { for (const idler of this.#idlers.splice(0)) idler(); }
      });
    }
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
    else this.#add(() => this.#pool.calls.close(fd));
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
