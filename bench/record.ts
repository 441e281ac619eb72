/**
 * What a session of the bench leaves behind: one JSON file, never changed again. A history is a
 * folder of them.
 *
 * @module
 */
import {
  amount,
  byName,
  choice,
  flag,
  list,
  maybe,
  type Of,
  record,
  scalar,
  text,
  time,
  whole,
} from "../lib/control/schema/builder.ts";
import { digits, pairRatios, spread } from "./statistics.ts";

/** Version of the file's shape. */
export const RECORD_VERSION = 1;

const SHARE = "0-1";

/** How busy a core and the thread on it were while a run was measured. */
export const busySchema = record("one core while it was measured", {
  cpu: whole("number of the processor"),
  busy: maybe("not looked at", amount(`time it ran anything, ${SHARE}; busy-polling counts`)),
  stolen: maybe("not looked at", amount(`time the hypervisor kept it from us, ${SHARE}`)),
  waited: maybe("not looked at", amount(`time the thread was ready and did not run, ${SHARE}`)),
  worked: maybe("the program does not tell", amount(`time in polls that found frames, ${SHARE}`)),
  emptyPolls: maybe("the program does not tell", amount(`polls that found no frame, ${SHARE}`)),
});

/** One run of one contender. */
export const runSchema = record("one run", {
  contender: text("what ran"),
  round: whole("from 0; runs of one round are neighbours in time"),
  value: maybe("the run failed", amount("in the unit of the cell's metric")),
  more: byName("further figures by name, the unit at the end of it", amount("")),
  quantilesUs: maybe(
    "no distribution",
    list("latency at the shares of `quantiles`, us", amount("us")),
  ),
  switchCore: maybe("not looked at", busySchema),
  generatorCore: maybe("not looked at", busySchema),
  note: text("what else is worth knowing"),
  error: maybe("it went well", text("why it failed")),
});

/** Median and ends of several runs. */
export const spreadSchema = record("several runs", {
  median: amount("the middle one"),
  min: amount("least"),
  max: amount("most"),
  n: whole("how many"),
});

/** All runs of a cell. */
export const cellSchema = record("what is compared", {
  suite: text("name of the suite"),
  cell: text("name of the cell, unique in its suite"),
  metric: text("what `value` of a run is"),
  unit: text("its unit"),
  better: choice("which is better", { more: "", less: "" }),
  x: maybe("no curve", amount("where the cell stands on its suite's curve")),
  subject: text("the contender whose ratio to each other is taken"),
  goal: maybe(
    "none",
    record("what the subject's median is to reach, or not to exceed where less is better", {
      times: maybe("the figure itself counts", text("the contender that a ratio is to")),
      value: amount("the ratio, or the figure in the cell's unit"),
    }),
  ),
  runs: list("in the order taken", runSchema),
  contenders: byName("median and ends by contender, without those that never ran", spreadSchema),
  ratios: byName("subject to other, of runs of one round, by the other's name", spreadSchema),
});

/** A session's file. */
export const sessionSchema = record("one session of the bench", {
  version: whole("of this shape", RECORD_VERSION, RECORD_VERSION),
  started: time("when it began"),
  seconds: amount("how long it took"),
  command: text("what was typed"),
  quick: flag("too short for claims"),
  complete: flag("all that was planned was run"),
  machine: byName("what it ran on", scalar("")),
  quantiles: list("shares of `quantilesUs`", amount(SHARE)),
  cells: list("in the order run", cellSchema),
});

/** See {@linkcode busySchema}. */
export type Busy = Of<typeof busySchema>;
/** See {@linkcode runSchema}. */
export type Run = Of<typeof runSchema>;
/** See {@linkcode cellSchema}. */
export type CellRecord = Of<typeof cellSchema>;
/** See {@linkcode sessionSchema}. */
export type Session = Of<typeof sessionSchema>;

/** What is said of a cell before it runs. */
export type CellHead = Pick<
  CellRecord,
  "suite" | "cell" | "metric" | "unit" | "better" | "x" | "subject" | "goal"
>;

/** A cell with the sums over its runs. */
export function summarize(head: CellHead, runs: readonly Run[]): CellRecord {
  const names = [...new Set(runs.map(({ contender }) => contender))];
  const of = (name: string): Run[] => runs.filter(({ contender }) => contender === name);
  const values = (name: string): number[] =>
    of(name).flatMap(({ value }) => value === null ? [] : [value]);
  const spreads = (rows: readonly [string, readonly number[]][]): CellRecord["ratios"] =>
    Object.fromEntries(rows.flatMap(([name, numbers]) => {
      const sum = spread(numbers);
      if (sum === null) return [];
      const { median, min, max, n } = sum;
      return [[name, { median: digits(median), min: digits(min), max: digits(max), n }]];
    }));
  const others = names.filter((name) => name !== head.subject);
  return {
    ...head,
    runs,
    contenders: spreads(names.map((name) => [name, values(name)])),
    ratios: spreads(others.map((name) => [name, pairRatios(of(head.subject), of(name))])),
  };
}

/** The name of a session's file: when it began, so that names sort by age. */
export function fileName(started: string): string {
  return `${started.replace(/\.\d+Z$/, "").replaceAll(":", "")}.json`;
}

/** An object with a line for each field; lists named in `long` have one for each item. */
function lines(value: object, long: readonly string[], item: (value: object) => string): string {
  const fields = Object.entries(value).map(([name, field]) => {
    const text = long.includes(name)
      ? `[\n${field.map(item).join(",\n")}\n]`
      : JSON.stringify(field);
    return `${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${fields.join(",\n")}\n}`;
}

/** A session as JSON, each run on a line: whoever reads differences sees runs. */
export function serialize(session: Session): string {
  const cell = (value: object): string => lines(value, ["runs"], (run) => JSON.stringify(run));
  return `${lines(session, ["cells"], cell)}\n`;
}

/** Writes a session into the history. @returns the path */
export async function writeSession(folder: string, session: Session): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/${fileName(session.started)}`;
  await Deno.writeTextFile(path, serialize(session));
  return path;
}

/** Reads a session. @throws an Error of one line if it is none, or of another version */
export async function readSession(path: string): Promise<Session> {
  let session: Partial<Session>;
  try {
    session = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  if (session.version !== RECORD_VERSION || !Array.isArray(session.cells)) {
    throw new Error(`${path} is no record of this bench (version ${RECORD_VERSION})`);
  }
  return session as Session;
}

/** Paths of all sessions of a history, oldest first. */
export function historyOf(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name)
      .filter((name) => /^\d{4}-\d\d-\d\dT\d{6}\.json$/.test(name)).sort()
      .map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
