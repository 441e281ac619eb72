/**
 * Commands of a front-end's that the data plane cannot carry out: they cost its connection.
 *
 * @module
 */
import type { Outcome } from "../../vhost/session.ts";
import { CommandFailed } from "../../worker/wire.ts";

/** Handles a message; where a command of it fails, what it leads to is the connection's end. */
export function endOnFailure(handle: () => Outcome): Outcome {
  try {
    const outcome = handle();
    return outcome.later ? { later: outcome.later.catch(endFor) } : outcome;
  } catch (error) {
    return endFor(error);
  }
}

function endFor(error: unknown): Outcome {
  if (!(error instanceof CommandFailed)) throw error;
  return { close: { code: "data-plane", detail: error.message } };
}
