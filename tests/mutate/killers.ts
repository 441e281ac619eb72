/**
 * Which test fails when which validation is taken away, as it was last seen: a file for the next run,
 * which tries that test first.
 *
 * @module
 */
import type { Point } from "./points.ts";
import type { Outcome } from "./run.ts";

/** For each file of the code, the test for each key of its points. */
export type Killers = Map<string, Map<string, string>>;

/** Keys by file and test. */
type Written = Record<string, Record<string, string[]>>;

/** Reads the file; one that is not there is empty. */
export function readKillers(path: string): Killers {
  let written: Written;
  try {
    written = JSON.parse(Deno.readTextFileSync(path)) as Written;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
  return new Map(
    Object.entries(written).map(([file, tests]) => [
      file,
      new Map(Object.entries(tests).flatMap(([test, keys]) => keys.map((key) => [key, test]))),
    ]),
  );
}

/**
 * Writes down what was found out, and of `points` those alone that are; what the file says of other
 * files stays.
 */
export function writeKillers(
  path: string,
  points: readonly Point[],
  outcomes: readonly Outcome[],
): void {
  const killers = readKillers(path);
  for (const { point, by } of outcomes) {
    const keys = killers.get(point.file) ?? new Map<string, string>();
    killers.set(point.file, keys);
    if (by === null) keys.delete(point.key);
    else keys.set(point.key, by);
  }
  for (const file of new Set(points.map((point) => point.file))) {
    const there = new Set(points.filter((point) => point.file === file).map(({ key }) => key));
    const keys = killers.get(file) ?? new Map<string, string>();
    for (const key of keys.keys()) if (!there.has(key)) keys.delete(key);
    if (keys.size === 0) killers.delete(file);
  }
  const written: Written = {};
  for (const [file, keys] of [...killers].sort(([a], [b]) => a < b ? -1 : 1)) {
    const tests: Record<string, string[]> = {};
    for (const [key, test] of keys) (tests[test] ??= []).push(key);
    written[file] = Object.fromEntries(
      Object.entries(tests).sort(([a], [b]) => a < b ? -1 : 1)
        .map(([test, list]) => [test, list.sort()]),
    );
  }
  Deno.writeTextFileSync(path, `${JSON.stringify(written, null, 2)}\n`);
}
