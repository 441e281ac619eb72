/**
 * Watches that no tenant holds the data plane in a call. A call is a write to the tenant's eventfd;
 * received ones are made non-blocking, but the tenant shares the open file, can make it blocking
 * again and fill it. Then this thread, the one that still runs, empties it, and the port's
 * connection ends. The others have waited for a fraction of a second, once.
 *
 * @module
 */
import type { DataPlaneThread } from "../worker/supervisor.ts";

/** Time between two looks, ms: a call that is under way at two of them is stuck. */
const LOOK_MS = 100;
/** Time between two attempts to free the data plane, ms: the tenant may fill again at once. */
const FREE_MS = 1;

/** What the watch needs of the switch. */
export interface CallWatchHost {
  /** Empties the call descriptor of a virtqueue, off the thread; resolves when it was read. */
  drainCall(port: number, vring: number): Promise<void>;
  /** Ends the connection of a port whose call was stuck. */
  callBlocked(port: number, vring: number): void;
}

/** The watch. Control thread only; close it. */
export class CallWatch {
  readonly #plane: Pick<DataPlaneThread, "callUnderWay">;
  readonly #host: CallWatchHost;
  readonly #timer: ReturnType<typeof setInterval>;
  #serial: number | null = null;
  #freeing = false;

  constructor(plane: Pick<DataPlaneThread, "callUnderWay">, host: CallWatchHost) {
    this.#plane = plane;
    this.#host = host;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const call = this.#plane.callUnderWay();
    const stuck = call !== null && call.serial === this.#serial;
    this.#serial = call?.serial ?? null;
    if (stuck && !this.#freeing) void this.#free(call);
  }

  async #free(call: { port: number; vring: number; serial: number }): Promise<void> {
    this.#freeing = true;
    const { port, vring, serial } = call;
    let reading = false;
    while (this.#plane.callUnderWay()?.serial === serial) {
      // One at a time: a read that finds nothing blocks its thread of the pool.
      if (!reading) {
        reading = true;
        void this.#host.drainCall(port, vring).then(() => {
          reading = false;
        });
      }
      await new Promise((resolve) => setTimeout(resolve, FREE_MS));
    }
    this.#freeing = false;
    this.#host.callBlocked(port, vring);
  }

  /** Stops watching. */
  close(): void {
    clearInterval(this.#timer);
  }
}
