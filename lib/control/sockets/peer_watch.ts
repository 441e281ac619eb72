/**
 * Notices that the process which connected has ended while its connection goes on: another process
 * holds that, or it lies in a queue of sockets where nobody will ever take it out. Nobody can tell
 * which of these it is (libvirt hands connections on, and may be restarted), so the connection lives
 * on until somebody else wants its place.
 *
 * @module
 */
import { closeFd, ESRCH, openProcess } from "../../../ffi/mod.ts";
import type { Reactor } from "../reactor.ts";

/** A connection's end may be heard of a little later than that of its process, ms. */
const LATE_MS = 1000;

/** Watches one process. Control thread only; close it. */
export class PeerWatch {
  readonly #reactor: Reactor;
  #fd: number;
  #isGone = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Watches process `pid`, if the kernel can (Linux 5.3). @param pid 0: nobody knows
   * @param left called once, if it has ended and is still watched a while later
   */
  constructor(pid: number, reactor: Reactor, left: () => void) {
    this.#reactor = reactor;
    this.#fd = pid > 0 ? openProcess(pid) : -1;
    if (this.#fd >= 0) reactor.add(this.#fd, () => this.#ended(left));
    else if (this.#fd === -ESRCH) this.#ended(left);
  }

  #ended(left: () => void): void {
    this.#forget();
    this.#isGone = true;
    this.#timer = setTimeout(left, LATE_MS);
  }

  /** The process has ended. */
  get isGone(): boolean {
    return this.#isGone;
  }

  #forget(): void {
    if (this.#fd < 0) return;
    this.#reactor.remove(this.#fd);
    closeFd(this.#fd);
    this.#fd = -1;
  }

  /** Watches no longer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#forget();
  }
}
