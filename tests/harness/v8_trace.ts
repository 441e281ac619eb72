/**
 * What V8 says of its collections and deoptimisations, in the output of a process that was started
 * with `--v8-flags=--trace-gc,--trace-deopt`.
 *
 * @module
 */

/** The flags that make V8 say it. */
export const TRACE_FLAGS = "--v8-flags=--trace-gc,--trace-deopt";

/** One collection. */
export interface Collection {
  /** The heap it was in: one for each thread. */
  readonly isolate: string;
  /** The whole heap, and not only young objects. */
  readonly full: boolean;
  /** V8's line. */
  readonly line: string;
}

/** The collections of a process. */
export function collections(output: string): Collection[] {
  return output.split("\n").flatMap((line) => {
    const [, isolate, kind] = /^\[\d+:(0x[0-9a-f]+)\] +\d+ ms: (?:Incremental )?(\S+)/.exec(line) ??
      [];
    if (isolate === undefined || kind === undefined) return [];
    return [{ isolate, full: kind.startsWith("Mark-"), line }];
  });
}

/** Lines that say why optimised code was thrown away. */
export function deoptimisations(output: string): string[] {
  return output.split("\n").filter((line) => line.includes("begin. deoptimizing"));
}
