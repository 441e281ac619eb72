/**
 * Frees the data plane when a tenant holds it in a call. A call is a write to the tenant's eventfd;
 * received ones are made non-blocking, but the tenant shares the open file, can make it blocking
 * again and fill it. Whoever waits for the data plane looks here meanwhile, so that no command waits
 * for a tenant either.
 *
 * @module
 */
import { drainTenantEventFd } from "../../ffi/mod.ts";
import type { Mailbox } from "./mailbox.ts";

/** A call that takes as long is stuck, ms: a thread may be off its processor for a while. */
const STUCK_MS = 100;
/** Looks in a row without a new call after which there is no need to look. */
const QUIET_LOOKS = 10;
/** Times a descriptor is emptied at a look: its owner may fill it again at once. */
const DRAINS_MAX = 256;

/** The calls of all virtqueues, seen from the control thread. */
export class StuckCalls {
  readonly #mailbox: Mailbox;
  readonly #vringsPerPort: number;
  /** Call descriptor of each virtqueue, by tag; those that have none are missing. */
  readonly #callFds = new Map<number, number>();
  /** A virtqueue of each port that held the data plane up. */
  readonly #guilty = new Map<number, number>();
  #serial: number | null = null;
  #sinceMs = 0;
  /** The last call that a regular look knew of, and looks since. */
  #calls = -1;
  #quiet = 0;

  /** Nobody is guilty yet. @param vringsPerPort of a tag: port * vringsPerPort + vring */
  constructor(mailbox: Mailbox, vringsPerPort: number) {
    this.#mailbox = mailbox;
    this.#vringsPerPort = vringsPerPort;
  }

  /** The data plane calls a virtqueue's driver by this descriptor from now on; -1: not at all. */
  setCallFd(port: number, vring: number, fd: number): void {
    const tag = port * this.#vringsPerPort + vring;
    if (fd >= 0) this.#callFds.set(tag, fd);
    else this.#callFds.delete(tag);
  }

  /** Looks at the call under way, and frees the data plane if that is stuck. */
  look(): void {
    const { calling } = this.#mailbox;
    const now = performance.now();
    if (calling?.serial !== this.#serial) {
      this.#serial = calling?.serial ?? null;
      this.#sinceMs = now;
    }
    if (calling === null) return;
    const { serial, tag } = calling;
    const port = Math.floor(tag / this.#vringsPerPort);
    // A port that did it once is freed without delay, until its connection has ended.
    if (!this.#guilty.has(port) && now - this.#sinceMs < STUCK_MS) return;
    this.#guilty.set(port, tag % this.#vringsPerPort);
    const fd = this.#callFds.get(tag);
    if (fd === undefined) return;
    for (let i = 0; i < DRAINS_MAX && this.#mailbox.calling?.serial === serial; i++) {
      drainTenantEventFd(fd);
    }
  }

  /**
   * After a regular look: whether there is no need for another before the data plane says that it
   * calls a driver again. Idle guests are called by nobody.
   */
  mayRest(): boolean {
    const { calls } = this.#mailbox;
    this.#quiet = calls === this.#calls && this.#guilty.size === 0 ? this.#quiet + 1 : 0;
    this.#calls = calls;
    return this.#quiet >= QUIET_LOOKS && this.#mailbox.watchNoMore(calls);
  }

  /** Ports that held the data plane up, each with one of the virtqueues. */
  get guilty(): (readonly [port: number, vring: number])[] {
    return [...this.#guilty];
  }

  /** The connection of a guilty port has ended: the next one is not to blame. */
  forgive(port: number): void {
    this.#guilty.delete(port);
  }
}
