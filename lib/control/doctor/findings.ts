/**
 * What checks find, and how it is said.
 *
 * @module
 */

/** How bad it is. */
export type Level = "ok" | "warning" | "fault";

/** What a check found. */
export interface Finding {
  /** How bad it is. */
  readonly level: Level;
  /** What is so, in a line. */
  readonly text: string;
  /** What helps; null: nothing is wrong. */
  readonly fix: string | null;
}

/** Nothing is wrong. */
export function ok(text: string): Finding[] {
  return [{ level: "ok", text, fix: null }];
}

/** It works, or a part of it is not there. */
export function warning(text: string, fix: string): Finding[] {
  return [{ level: "warning", text, fix }];
}

/** A switch does not work like that. */
export function fault(text: string, fix: string): Finding[] {
  return [{ level: "fault", text, fix }];
}
