/**
 * A session as a table for a terminal.
 *
 * @module
 */
import { DISTURBED_SHARE, disturbedShare, judge } from "../busy.ts";
import { judgeGoal } from "../goal.ts";
import type { CellRecord, Session } from "../record.ts";
import { digits } from "../statistics.ts";

/** What was said of cores in the runs of a contender, and in how many of them. */
export function remarks(cell: CellRecord, contender: string): string {
  const counts = new Map<string, number>();
  const runs = cell.runs.filter((run) => run.contender === contender);
  for (const run of runs) {
    const words = judge(run.generatorCore, run.switchCore).replace(/ \d+ %/g, "");
    for (const word of words.split(", ")) {
      if (word !== "") counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    if (run.error !== null) counts.set("failed", (counts.get("failed") ?? 0) + 1);
  }
  return [...counts].map(([word, count]) => `${word} in ${count} of ${runs.length}`).join(", ");
}

function rows(cell: CellRecord): string[] {
  const figures = Object.entries(cell.contenders).map(([name, { median, min, max, n }]) => {
    const figure = `${digits(median, 3)}`.padStart(8);
    const ends = `(${digits(min, 3)} - ${digits(max, 3)}, n = ${n})`;
    return `  ${name.padEnd(22)} ${figure} ${cell.unit.padEnd(5)} ${ends.padEnd(30)} ${
      remarks(cell, name)
    }`.trimEnd();
  });
  const ratios = Object.entries(cell.ratios).map(([name, { median, min, max, n }]) =>
    `  ${cell.subject} / ${name}: ${median.toFixed(2)} (${min.toFixed(2)} - ${
      max.toFixed(2)
    }, ${n} pairs)`
  );
  const goal = judgeGoal(cell);
  return [
    `${cell.suite}, ${cell.cell}: ${cell.metric}`,
    ...figures,
    ...ratios,
    ...(goal === null ? [] : [`  ${goal.words}`]),
  ];
}

/** Share of disturbed runs that makes a session worth nothing but a look. */
const SPOILED_SHARE = 0.1;

/** What a reader should know before the figures; empty if they are as good as figures get. */
export function warnings(session: Session): string[] {
  const runs = session.cells.flatMap((cell) => cell.runs);
  const disturbed =
    runs.filter(({ generatorCore, switchCore }) =>
      Math.max(disturbedShare(generatorCore), disturbedShare(switchCore)) >= DISTURBED_SHARE
    ).length;
  const failed = runs.filter(({ error }) => error !== null).length;
  return [
    ...(session.quick ? ["a quick look: too few and too short runs for claims"] : []),
    ...(session.complete ? [] : ["interrupted: not all cells were run"]),
    ...(disturbed > SPOILED_SHARE * runs.length
      ? [`${disturbed} of ${runs.length} runs had to share their cores: measure again, alone`]
      : []),
    ...(failed > 0 ? [`${failed} of ${runs.length} runs failed`] : []),
  ];
}

/** The machine, and a paragraph for each cell. */
export function formatTable(session: Session): string {
  const machine = Object.entries(session.machine).map(([key, value]) => `${key}: ${value}`);
  const warned = warnings(session).map((line) => `ATTENTION: ${line}`);
  const cells = session.cells.map((cell) => rows(cell).join("\n"));
  return [machine.join("\n"), ...cells, ...warned].join("\n\n");
}
