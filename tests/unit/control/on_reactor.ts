/**
 * The one bench for what waits on descriptors: a reactor of its own, and a look that all is given
 * back in the end.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Reactor } from "../../../lib/control/reactor.ts";
import { held, untilHeld } from "./support.ts";

/**
 * Runs a test on what `make` puts on a reactor and `release` takes off again, however the test ends.
 * No callback of the reactor may have failed, and this process holds what it held before.
 */
export async function onReactor<T>(
  make: (reactor: Reactor) => T,
  run: (subject: T) => Promise<void> | void,
  release: (subject: T) => Promise<void> | void,
): Promise<void> {
  const before = held();
  const failures: unknown[] = [];
  const reactor = new Reactor((error) => failures.push(error));
  try {
    const subject = make(reactor);
    try {
      await run(subject);
    } finally {
      await release(subject);
    }
  } finally {
    await reactor.close();
  }
  assert.deepEqual(failures, []);
  await untilHeld(before);
}
