/**
 * Connects to a socket as fast as it can and hangs up, until it is told to stop: run as a Worker
 * with the socket's path as its name. Reports how often it got through.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, connectUnix } from "../../ffi/mod.ts";

const worker = self as unknown as {
  readonly name: string;
  onmessage: (() => void) | null;
  postMessage(count: number): void;
};

let count = 0;
let running = true;
worker.onmessage = (): void => {
  running = false;
};

/** A thousand attempts; then the message to stop is looked for. */
async function knock(): Promise<void> {
  while (running) {
    for (let i = 0; i < 1000; i++) {
      try {
        closeFd(connectUnix(worker.name));
        count++;
      } catch {
        // The listener's queue is full.
      }
    }
    await delay(0);
  }
  worker.postMessage(count);
}

void knock();
