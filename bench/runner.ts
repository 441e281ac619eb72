/**
 * Runs a plan: one run after the other, each from nothing to nothing, with a line for each.
 *
 * @module
 */
import { RUN_PREFIX } from "./needs.ts";
import { expectedSeconds, type Turn, turnsOf } from "./plan.ts";
import { Progress } from "./progress.ts";
import { type CellRecord, type Run, summarize } from "./record.ts";
import type { Bench, Cell } from "./suite.ts";

/** What the runner is told, and tells. */
export interface RunnerHooks {
  /** Whether the session was interrupted: the run that fails then is not recorded, none follows. */
  readonly interrupted: () => boolean;
  /** Takes all cells that are done, each time one is: nothing that was measured is lost. */
  readonly keep: (cells: readonly CellRecord[]) => Promise<unknown>;
  /** Takes a line for people. */
  readonly say: (line: string) => void;
}

/** What came of a plan. */
export interface Outcome {
  readonly cells: CellRecord[];
  /** All that was planned was run. */
  readonly complete: boolean;
  /** Lines for runs that failed. */
  readonly failures: string[];
}

const NOTHING = { more: {}, quantilesUs: null, switchCore: null, generatorCore: null, note: "" };

/** One run; a failure is a record as well. */
async function runTurn({ contender, round }: Turn, bench: Bench): Promise<Run> {
  const folder = await Deno.makeTempDir({ prefix: RUN_PREFIX });
  const head = { contender: contender.name, round };
  try {
    const { value, more, quantilesUs, switchCore, generatorCore, note } = await contender.run(
      bench,
      folder,
    );
    const figures = { value, more, quantilesUs, switchCore, generatorCore, note };
    return { ...head, ...figures, error: null };
  } catch (error) {
    const words = error instanceof Error ? error.message : `${error}`;
    return { ...head, ...NOTHING, value: null, error: shortened(words) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The first line of a text, and its end: where programs say why. */
function shortened(text: string): string {
  const lines = text.trim().split("\n");
  const [first = "", last] = [lines[0], lines.at(-1)];
  return (lines.length > 1 ? `${first} … ${last}` : first).slice(0, 400);
}

function describe(cell: Cell, run: Run): string {
  const figure = run.value === null ? `FAILED: ${run.error}` : `${run.value} ${cell.unit}`;
  const note = run.note === "" ? "" : ` (${run.note})`;
  return `${cell.suite}, ${cell.cell}, round ${run.round + 1}: ${run.contender} ${figure}${note}`;
}

/** Runs all cells. */
export async function runCells(
  cells: readonly Cell[],
  rounds: number,
  bench: Bench,
  hooks: RunnerHooks,
): Promise<Outcome> {
  const plans = cells.map((cell) => ({ cell, turns: turnsOf(cell, rounds) }));
  const progress = new Progress(
    plans.flatMap(({ cell, turns }) => turns.map(() => expectedSeconds(cell, bench.seconds))),
  );
  const done: CellRecord[] = [];
  const failures: string[] = [];
  for (const { cell, turns } of plans) {
    const runs: Run[] = [];
    for (const turn of turns) {
      const run = hooks.interrupted() ? null : await runTurn(turn, bench);
      if (run === null || (run.error !== null && hooks.interrupted())) {
        if (runs.length > 0) done.push(summarize(headOf(cell), runs));
        return { cells: done, complete: false, failures };
      }
      runs.push(run);
      progress.step(expectedSeconds(cell, bench.seconds));
      hooks.say(`${progress.head} ${describe(cell, run)}`);
      if (run.error !== null) failures.push(describe(cell, run));
    }
    done.push(summarize(headOf(cell), runs));
    await hooks.keep(done);
  }
  return { cells: done, complete: true, failures };
}

function headOf({ suite, cell, metric, unit, better, x, subject, goal }: Cell): Omit<
  CellRecord,
  "runs" | "contenders" | "ratios"
> {
  return { suite, cell, metric, unit, better, x, subject, goal };
}
