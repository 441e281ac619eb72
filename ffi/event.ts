/**
 * eventfd and epoll. Kick and call descriptors of virtqueues are eventfds; both the control thread
 * and the data plane wait with epoll.
 *
 * @module
 */
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_EVENT_DATA,
  RWF_NOWAIT,
  SIZEOF_EPOLL_EVENT,
} from "./abi.ts";
import { EINTR, errno, SystemError } from "./errno.ts";
import { libc } from "./symbols.ts";

/** Makes a non-blocking eventfd with counter 0. The caller owns it. @throws {SystemError} */
export function createEventFd(): number {
  const fd = libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw new SystemError("eventfd", errno());
  return fd;
}

/** Adds 1 to an eventfd: wakes who waits. Returns 0 or -1. Safe on the hot path (one syscall). */
export function signalEventFd(fd: number): number {
  return libc.eventfd_write(fd, 1n);
}

/** A write that takes as long is stuck, ms. */
const STUCK_MS = 100;
/** Times a descriptor is emptied then: its owner may fill it again at once. */
const DRAINS_MAX = 256;

/**
 * The same for a tenant's eventfd, on the runtime's blocking pool: its owner can make the write
 * block. A write that is stuck is freed by emptying the descriptor, so that nobody holds a thread of
 * the pool for long. The caller bounds how many are under way. Never rejects. Control thread only.
 */
export async function signalTenantEventFd(fd: number): Promise<void> {
  let drains = 0;
  const rescue = setInterval(() => {
    // Once at first: what is drained behind the signal is the signal.
    drains = Math.min(2 * drains + 1, DRAINS_MAX);
    for (let i = 0; i < drains; i++) drainTenantEventFd(fd);
  }, STUCK_MS);
  await libc.eventfd_write_off_thread(fd, 1n);
  clearInterval(rescue);
}

const counter = new BigUint64Array(1);

/** Takes an eventfd's counter and sets it to 0; 0 if nothing was signalled. */
export function drainEventFd(fd: number): number {
  return libc.read(fd, counter.buffer, 8n) === 8n ? Number(counter[0]) : 0;
}

const vector = new BigUint64Array([Deno.UnsafePointer.value(Deno.UnsafePointer.of(counter)), 8n]);

/**
 * Sets a tenant's eventfd to 0: whoever is blocked writing to it goes on. Never blocks, whatever its
 * owner does with it.
 */
export function drainTenantEventFd(fd: number): void {
  libc.preadv2(fd, vector.buffer, 1, -1n, RWF_NOWAIT);
}

/** An epoll instance whose events carry a 32-bit tag chosen by the caller. Owns its descriptor. */
export class Epoll {
  readonly #fd: number;
  readonly #max: number;
  readonly #events: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #one = new DataView(new ArrayBuffer(16));

  /** `eventsMax`: how many events one wait returns at most. @throws {SystemError} */
  constructor(eventsMax = 64) {
    this.#fd = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#fd < 0) throw new SystemError("epoll_create1", errno());
    this.#max = eventsMax;
    this.#events = new Uint8Array(new ArrayBuffer(eventsMax * SIZEOF_EPOLL_EVENT));
    this.#view = new DataView(this.#events.buffer);
  }

  /** Watches `fd` for `events` (EPOLL* bits); `tag` (u32) comes back with each. @throws {SystemError} */
  add(fd: number, events: number, tag: number): void {
    this.#control(EPOLL_CTL_ADD, fd, events, tag);
  }

  /** Changes what is watched. @throws {SystemError} */
  modify(fd: number, events: number, tag: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events, tag);
  }

  /** Stops watching; call before the descriptor is closed. @throws {SystemError} */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  #control(operation: number, fd: number, events: number, tag: number): void {
    this.#one.setUint32(0, events, true);
    this.#one.setUint32(EPOLL_EVENT_DATA, tag, true);
    this.#one.setUint32(EPOLL_EVENT_DATA + 4, 0, true);
    if (libc.epoll_ctl(this.#fd, operation, fd, this.#one.buffer) !== 0) {
      throw new SystemError("epoll_ctl", errno(), `fd ${fd}`);
    }
  }

  /**
   * Blocks this thread until something happens. @param timeoutMs -1 waits for ever.
   * @returns how many events are there to read, 0 on timeout or signal.
   */
  wait(timeoutMs: number): number {
    const count = libc.epoll_wait(this.#fd, this.#events, this.#max, timeoutMs);
    if (count < 0) {
      const code = errno();
      if (code !== EINTR) throw new SystemError("epoll_wait", code);
      return 0;
    }
    return count;
  }

  /** The same without blocking the thread: waits on the runtime's blocking pool. */
  async waitOffThread(timeoutMs: number): Promise<number> {
    // errno of another thread cannot be read here; the one harmless failure is EINTR.
    const count = await libc.epoll_wait_off_thread(this.#fd, this.#events, this.#max, timeoutMs);
    return Math.max(0, count);
  }

  /** The tag of event `index` of the last wait. */
  tag(index: number): number {
    return this.#view.getUint32(index * SIZEOF_EPOLL_EVENT + EPOLL_EVENT_DATA, true);
  }

  /** The EPOLL* bits of event `index` of the last wait. */
  events(index: number): number {
    return this.#view.getUint32(index * SIZEOF_EPOLL_EVENT, true);
  }

  /** Closes the epoll descriptor; the watched ones stay open. */
  close(): void {
    libc.close(this.#fd);
  }
}
