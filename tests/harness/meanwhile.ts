/**
 * What goes on in the background while a test does something else, and ends with it.
 *
 * @module
 */
import { turn } from "./traffic.ts";

/**
 * Does something over and over, others having their turns in between, until `work` is over: also
 * when that fails, so nothing is touched any more that ends with the test.
 * @returns what `work` returned @throws what either of them throws
 */
export async function meanwhile<T>(
  deed: () => void | Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  let going = true;
  const doing = (async () => {
    while (going) {
      await deed();
      await turn();
    }
  })();
  // Heard below; that it failed while `work` goes on is no reason to end all tests.
  doing.catch(() => {});
  try {
    return await work();
  } finally {
    going = false;
    await doing;
  }
}
