/**
 * Exit codes, and how a failure becomes one line on stderr.
 *
 * @module
 */
import { ControlError } from "../control/types.ts";

/** All went well. */
export const EXIT_OK = 0;
/** What was asked for could not be done. */
export const EXIT_FAILED = 1;
/** Wrong usage or configuration, or a path that cannot be used. */
export const EXIT_USAGE = 2;
/** No switch answers. */
export const EXIT_UNREACHABLE = 3;
/** There is no such port, link or document. */
export const EXIT_NOT_FOUND = 4;
/** The user may not use the socket or folder. */
export const EXIT_PERMISSION = 5;
/** A bug of this program: EX_SOFTWARE of sysexits.h. */
export const EXIT_BUG = 70;
/** 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** All of them, with what they mean, Markdown. */
export const STATUS_ROWS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT_OK, "ok"],
  [EXIT_FAILED, "the operation failed"],
  [EXIT_USAGE, "wrong usage or configuration, or a path that cannot be used"],
  [EXIT_UNREACHABLE, "no switch answers"],
  [EXIT_NOT_FOUND, "no such port or link"],
  [EXIT_PERMISSION, "no permission"],
  [EXIT_BUG, "a bug of ours: please report the text"],
  [EXIT_INTERRUPTED, "interrupted (`demo`)"],
];

/** A failure with the exit code it leads to. */
export class CliError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "CliError";
  /** One of the EXIT_ codes. */
  readonly exitCode: number;
  /** What to do about it, for the same line; null: the message says it. */
  readonly hint: string | null;

  /** `message` is one line; `hint` names the fix. */
  constructor(exitCode: number, message: string, hint: string | null = null) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

const CODES: Readonly<Record<ControlError["kind"], number>> = {
  "not-found": EXIT_NOT_FOUND,
  conflict: EXIT_FAILED,
  invalid: EXIT_USAGE,
  failed: EXIT_FAILED,
};

/**
 * Exit code and line of any error. An error that is not known is a bug of ours: its stack is
 * printed.
 */
export function describeFailure(error: unknown): { exitCode: number; line: string } {
  if (error instanceof CliError) return { exitCode: error.exitCode, line: oneLine(error) };
  if (error instanceof ControlError) {
    return { exitCode: CODES[error.kind], line: oneLine(error) };
  }
  const stack = error instanceof Error ? error.stack ?? error.message : String(error);
  return { exitCode: EXIT_BUG, line: `internal error, please report it: ${stack}` };
}

function oneLine(error: { message: string; hint: string | null }): string {
  const { message, hint } = error;
  return printable(hint === null ? message : `${message} (${hint})`);
}

/** A text as one line: what was typed may stand in it, control characters and all. */
export function printable(text: string): string {
  return text.trim().replaceAll("\n", " ").replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
