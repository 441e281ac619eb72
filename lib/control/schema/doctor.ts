/**
 * What `doctor` prints in JSON.
 *
 * @module
 */
import { type CheckName, CHECKS, type Diagnosis, type Level } from "../doctor/checks.ts";
import { choice, code, list, maybe, record, type Schema, text } from "./builder.ts";

const LEVEL: Schema<Level> = choice("how bad it is", {
  ok: "nothing to do",
  warning: "it works, or a part of it is not there",
  fault: "a switch does not work like that",
});

/** `doctor`. */
export const DOCTOR: Schema<Diagnosis> = record("doctor: whether this host is ready", {
  worst: LEVEL,
  findings: list(
    "in the order of the checks",
    record("what a check found", {
      check: code(
        "its name",
        Object.entries(CHECKS).map(([name, { meaning }]) => [name, meaning] as const),
      ) as Schema<CheckName>,
      level: LEVEL,
      text: text("what is so"),
      fix: maybe("nothing is wrong", text("what helps")),
    }),
  ),
});
