/**
 * Watches that no tenant holds the data plane in a call (stuck_calls.ts), and ends the connection of
 * one that does. The others have waited for a fraction of a second, once.
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
  readonly #timer: ReturnType<typeof setInterval>;

  /** Begins to watch. */
  constructor(plane: Pick<DataPlaneThread, "stuckCalls">, host: CallWatchHost) {
    this.#plane = plane;
    this.#host = host;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const { stuckCalls } = this.#plane;
    stuckCalls.look();
    for (const [port, vring] of stuckCalls.guilty) {
      this.#host.callBlocked(port, vring);
      stuckCalls.forgive(port);
    }
  }

  /** Stops watching. */
  close(): void {
    clearInterval(this.#timer);
  }
}
