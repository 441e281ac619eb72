/**
 * Which cells a session runs, and in which order.
 *
 * @module
 */
import { type RunOptions, UsageError } from "./cli.ts";
import type { Cell, Contender, Suite } from "./suite.ts";

/** Chooses cells and contenders as they were asked for. @throws {UsageError} if nothing is left */
export function chooseCells(suites: readonly Suite[], options: RunOptions): Cell[] {
  const names = suites.map(({ name }) => name);
  const unknown = options.suites.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--suite ${unknown} must be one of ${names.join(", ")}`);
  }
  const wanted = (text: string, words: readonly string[]): boolean =>
    words.length === 0 || words.some((word) => text.toLowerCase().includes(word.toLowerCase()));
  const cells = suites.filter(({ name }) => wanted(name, options.suites))
    .flatMap((suite) => suite.cells(options.quick && options.cells.length === 0))
    .filter(({ cell }) => wanted(cell, options.cells))
    .map((cell) => ({
      ...cell,
      contenders: cell.contenders.filter(({ name }) =>
        name === cell.subject || wanted(name, options.against)
      ),
    }));
  if (cells.length === 0) throw new UsageError(`No cell's name has ${options.cells.join(" or ")}`);
  return cells;
}

/** One run to come. */
export interface Turn {
  readonly cell: Cell;
  readonly contender: Contender;
  readonly round: number;
}

/**
 * All runs of a cell. Contenders take turns, and every other round the other way round: who comes
 * first gains nothing, and neighbours in a round are close in time.
 */
export function turnsOf(cell: Cell, rounds: number): Turn[] {
  return Array.from({ length: rounds }, (_, round) => {
    const turns = cell.contenders.map((contender) => ({ cell, contender, round }));
    return round % 2 === 0 ? turns : turns.reverse();
  }).flat();
}

/** Seconds that a run of a cell should take. */
export function expectedSeconds(cell: Cell, seconds: number): number {
  return cell.overheadSeconds + seconds;
}
