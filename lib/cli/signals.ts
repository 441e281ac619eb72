/**
 * Signals of a running switch: those that end it end it in order, sockets removed; no other one that
 * can be caught ends it.
 *
 * @module
 */
import type { Logger } from "../control/log.ts";

/**
 * Ask for an end. The numbers are for the exit code, 128 + N, of a process ended by a second
 * signal.
 */
const ENDING = [["SIGINT", 2], ["SIGQUIT", 3], ["SIGTERM", 15]] as const;

/** Would end a process that does not listen to them, and mean nothing here. */
const MEANINGLESS: readonly Deno.Signal[] = [
  ...["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO"] as const,
  ...["SIGPWR", "SIGPIPE", "SIGSTKFLT"] as const,
];

/**
 * Listens to signals from now on. Resolves with the first that asks for an end; a second one ends
 * the process at once.
 */
export function untilSignal(logger: Logger): Promise<Deno.Signal> {
  for (const signal of MEANINGLESS) ignore(signal, () => {});
  // A terminal that is closed sends it, and so do those who hope for a reload.
  ignore("SIGHUP", () => {
    const message = "SIGHUP: there is no reload yet, nothing is changed: " +
      "restart, or use vuswitch port add and port del";
    logger.warn("switch", "no-reload", message);
  });
  return new Promise((resolve) => {
    let first = true;
    for (const [signal, number] of ENDING) {
      Deno.addSignalListener(signal, () => {
        if (!first) Deno.exit(128 + number);
        first = false;
        resolve(signal);
      });
    }
  });
}

function ignore(signal: Deno.Signal, said: () => void): void {
  try {
    Deno.addSignalListener(signal, said);
  } catch {
    // This platform has no such signal, or keeps it for itself.
  }
}
