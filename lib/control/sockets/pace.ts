/**
 * How fast one socket takes front-ends. Each costs the control thread a session and a look at /proc,
 * and one that comes, is thrown out or leaves, and comes again would cost it without end.
 *
 * Token buckets: two of the socket, whoever comes, and one of each process whose connections had to be
 * closed. A process whose bucket is empty waits before each further try, and nobody else does; one of
 * another PID namespace has none, and shares the socket's. Front-ends that stayed for a while cost
 * nothing, those that had a link and left at once half a token.
 *
 * One that held the data plane up has taken from everybody. The socket rests after it, twice as long
 * each time; one for many front-ends, who are not all to blame, for a second.
 *
 * @module
 */
import type { Visited } from "./port_socket.ts";

/** Front-ends a socket takes in a row, and a second after that: 1 % of the thread's time. */
const TAKES_BURST_MAX = 200;
const TAKES_PER_SECOND = 20;
/** What one that had a link counts for: to set it up costs 6 ms, a quarter of the thread's time. */
const LINKED_TAKE = 0.5;
/** Turned away at once, unheard: cheaper, and not at the cost of those who wait for their try. */
const TURNS_BURST_MAX = 20;
const TURNS_PER_SECOND = 20;
/** The same for connections of one process that were closed because of what it did. */
const FAULTS_BURST_MAX = 50;
const FAULTS_PER_SECOND = 1;
/** How long a socket rests after a front-end that held the data plane up, ms, and at most. */
const REST_MS = 1000;
const REST_MS_MAX = 60_000;
/** Without another one for so long it rests as at first, ms. */
const REST_FORGOTTEN_MS = 600_000;
/** Processes that are kept apart; who was quiet for longest is forgotten. */
const PROCESSES_MAX = 64;

/** A token bucket. */
class Bucket {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  left(now: number): number {
    const earned = (now - this.#at) * this.#perSecond / 1000;
    this.#left = Math.min(this.#most, this.#left + earned);
    this.#at = now;
    return this.#left;
  }

  add(count: number): void {
    this.#left += count;
  }
}

/** The buckets of one socket. Control thread only. */
export class Pace {
  readonly #now: () => number;
  readonly #socket: Bucket;
  readonly #turns: Bucket;
  /** By process; the one that was heard of last is at the end. */
  readonly #processes = new Map<number, Bucket>();
  readonly #restMsMax: number;
  #restMs = 0;
  #restsUntil = -Infinity;

  /**
   * All buckets are full. @param multi front-ends that may all come at once @param now ms, from any
   * moment on
   */
  constructor(multi: number, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#restMsMax = multi > 1 ? REST_MS : REST_MS_MAX;
    this.#socket = new Bucket(TAKES_BURST_MAX + 2 * multi, TAKES_PER_SECOND, now());
    this.#turns = new Bucket(TURNS_BURST_MAX, TURNS_PER_SECOND, now());
  }

  /** Whether one may be accepted now, to be taken or turned away. */
  mayAccept(): boolean {
    return this.#socket.left(this.#now()) >= 1 && this.#turns.left(this.#now()) >= 1;
  }

  /** Whether one may be taken now, whoever it is. */
  mayTake(): boolean {
    return this.#now() >= this.#restsUntil && this.#socket.left(this.#now()) >= 1;
  }

  /** Whether one of this process need not wait. @param pid 0: in another PID namespace */
  mayTakeFrom(pid: number): boolean {
    if (this.#now() < this.#restsUntil) return false;
    return (this.#processes.get(pid)?.left(this.#now()) ?? 1) >= 1;
  }

  /** One was taken. */
  took(): void {
    this.#socket.add(-1);
  }

  /** One was turned away at once. */
  turnedAway(): void {
    this.#turns.add(-1);
  }

  /** One that was taken is gone. */
  ended({ pid, stay, faulty, stalled = false }: Visited): void {
    if (stalled) this.#rest();
    if (stay === "long") this.#socket.add(1);
    else if (stay === "linked") this.#socket.add(1 - LINKED_TAKE);
    else if (faulty && pid > 0) this.#fault(pid);
  }

  #rest(): void {
    const now = this.#now();
    if (now - this.#restsUntil > REST_FORGOTTEN_MS) this.#restMs = 0;
    this.#restMs = Math.min(Math.max(REST_MS, 2 * this.#restMs), this.#restMsMax);
    this.#restsUntil = now + this.#restMs;
  }

  #fault(pid: number): void {
    const known = this.#processes.get(pid);
    const bucket = known ?? new Bucket(FAULTS_BURST_MAX, FAULTS_PER_SECOND, this.#now());
    bucket.add(-1);
    this.#processes.delete(pid);
    this.#processes.set(pid, bucket);
    if (this.#processes.size <= PROCESSES_MAX) return;
    for (const [oldest] of this.#processes) {
      this.#processes.delete(oldest);
      break;
    }
  }
}
