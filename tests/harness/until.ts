/**
 * Waiting for what must happen, with the one limit of all tests.
 *
 * @module
 */
import { delay } from "@std/async/delay";

/**
 * How long a test waits for something that must happen, ms. Only a failure takes that long, so it
 * is far beyond what the slowest machine needs with its processors busy.
 */
export const WAIT_MS_MAX = 120_000;
/** Between looks; the first come sooner, ms. */
const PAUSE_MS_MAX = 20;

/**
 * Waits until `check` holds. What holds already is seen before anything else can run.
 * @throws naming `what`
 */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  for (let pauseMs = 1;; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
    const holds = check();
    if (typeof holds === "boolean" ? holds : await holds) return;
    if (performance.now() > end) throw new Error(`Waited too long for ${what}`);
    await delay(pauseMs);
  }
}
