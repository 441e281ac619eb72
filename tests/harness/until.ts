/**
 * Waiting for what must happen, with the one limit of all tests.
 *
 * @module
 */

/**
 * How long a test waits for something that must happen, ms. Only a failure takes that long, so it
 * is far beyond what the slowest machine needs with its processors busy.
 */
export const WAIT_MS_MAX = 120_000;

/** Waits until `check` holds, looking every `pauseMs`. @throws naming `what` */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  pauseMs = 20,
): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`Waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
