/**
 * Watches that no tenant holds the data plane in a call (stuck_calls.ts), and ends the connection of
 * one that does, where calls can block at all (driver_calls.ts). The others have waited for a fraction
 * of a second, once. While no guest is called so nobody looks: ten timers a second are 0.3 % of a core.
 *
 * @module
 */
import type { DataPlaneThread } from "../worker/supervisor.ts";

/** Time between two looks, ms. */
const LOOK_MS = 100;

/** What the watch needs of the switch. */
export interface CallWatchHost {
  /** Ends the connection of a port whose call was stuck. */
  callBlocked(port: number, vring: number): void;
}

/** The watch. Control thread only; close it. */
export class CallWatch {
  readonly #plane: Pick<DataPlaneThread, "stuckCalls">;
  readonly #host: CallWatchHost;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  /** Begins to watch. */
  constructor(plane: Pick<DataPlaneThread, "stuckCalls">, host: CallWatchHost) {
    this.#plane = plane;
    this.#host = host;
    this.resume();
  }

  /** Looks again: the data plane has said something, perhaps that it calls. */
  resume(): void {
    if (!this.#closed) this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const { stuckCalls } = this.#plane;
    stuckCalls.look();
    for (const [port, vring] of stuckCalls.guilty) {
      this.#host.callBlocked(port, vring);
      stuckCalls.forgive(port);
    }
    if (stuckCalls.mayRest()) this.#rest();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Stops watching. */
  close(): void {
    this.#closed = true;
    this.#rest();
  }
}
