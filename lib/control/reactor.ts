/**
 * The control thread's event loop over descriptors: one epoll instance, waited for off the thread,
 * so that signals, timers and the control API go on meanwhile.
 *
 * @module
 */
import {
  closeFd,
  createEventFd,
  drainEventFd,
  Epoll,
  EPOLLIN,
  signalEventFd,
} from "../../ffi/mod.ts";

/** Called with the EPOLL* bits that came up. Must not block. */
export type Handler = (events: number) => void;

const WAKE_TAG = 0;

/** Dispatches readiness to handlers. Level-triggered: a handler may leave work for the next turn. */
export class Reactor {
  readonly #epoll = new Epoll(64);
  readonly #handlers = new Map<number, { readonly fd: number; readonly handler: Handler }>();
  readonly #tags = new Map<number, number>();
  readonly #wakeFd = createEventFd();
  readonly #onError: (error: unknown) => void;
  #nextTag = WAKE_TAG + 1;
  #running = true;
  #done: Promise<void>;

  /** Runs until it is closed. @param onError told of a handler that threw: a bug of ours */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
    this.#epoll.add(this.#wakeFd, EPOLLIN, WAKE_TAG);
    this.#done = this.#run();
  }

  /** Watches a descriptor for EPOLLIN (or `events`). It stays the caller's. */
  add(fd: number, handler: Handler, events: number = EPOLLIN): void {
    // A new tag each time: events of a closed descriptor never reach the next one of that number.
    const tag = this.#nextTag++;
    this.#epoll.add(fd, events, tag);
    this.#tags.set(fd, tag);
    this.#handlers.set(tag, { fd, handler });
  }

  /** Changes what is watched for. */
  modify(fd: number, events: number): void {
    const tag = this.#tags.get(fd);
    if (tag !== undefined) this.#epoll.modify(fd, events, tag);
  }

  /** Stops watching; call before closing the descriptor. */
  remove(fd: number): void {
    const tag = this.#tags.get(fd);
    if (tag === undefined) return;
    this.#epoll.remove(fd);
    this.#tags.delete(fd);
    this.#handlers.delete(tag);
  }

  async #run(): Promise<void> {
    while (this.#running) {
      const count = await this.#epoll.waitOffThread(-1);
      for (let i = 0; i < count && this.#running; i++) {
        const tag = this.#epoll.tag(i);
        if (tag === WAKE_TAG) drainEventFd(this.#wakeFd);
        try {
          this.#handlers.get(tag)?.handler(this.#epoll.events(i));
        } catch (error) {
          this.#onError(error);
        }
      }
    }
  }

  /** Stops; resolves when the wait off the thread has ended. */
  async close(): Promise<void> {
    this.#running = false;
    signalEventFd(this.#wakeFd);
    await this.#done;
    this.#epoll.close();
    closeFd(this.#wakeFd);
  }
}
