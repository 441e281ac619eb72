/**
 * Signals of a running switch: those that end it end it in order, sockets removed; no other one that
 * can be caught ends it.
 *
 * @module
 */
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
 * @param hangUp SIGHUP: a reload is wanted; a terminal that is closed sends it as well
 */
export function untilSignal(hangUp: () => void): Promise<Deno.Signal> {
  for (const signal of MEANINGLESS) ignore(signal, () => {});
  ignore("SIGHUP", hangUp);
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
