/** Failures as lines: one each, with an exit code that scripts can go by. */
import { strict as assert } from "node:assert";
import { ControlError } from "../../../lib/control/types.ts";
import {
  CliError,
  describeFailure,
  EXIT_BUG,
  EXIT_FAILED,
  EXIT_NOT_FOUND,
  EXIT_UNREACHABLE,
  EXIT_USAGE,
  printable,
} from "../../../lib/cli/failure.ts";

Deno.test("each kind of failure has its exit code, and its fix in the same line", () => {
  const codes = [
    ["not-found", EXIT_NOT_FOUND],
    ["conflict", EXIT_FAILED],
    ["invalid", EXIT_USAGE],
    ["failed", EXIT_FAILED],
  ] as const;
  for (const [kind, exitCode] of codes) {
    const error = new ControlError(kind, "No port", "add one");
    assert.deepEqual(describeFailure(error), { exitCode, line: "No port (add one)" });
  }
  const error = new CliError(EXIT_UNREACHABLE, "No switch");
  assert.deepEqual(describeFailure(error), { exitCode: EXIT_UNREACHABLE, line: "No switch" });
});

Deno.test("what nobody foresaw is a bug, told with where it was thrown", () => {
  const { exitCode, line } = describeFailure(new RangeError("beyond"));
  assert.equal(exitCode, EXIT_BUG);
  assert.match(line, /^internal error, please report it: RangeError: beyond\n[^]*failure_test/);
  assert.equal(describeFailure("text").line, "internal error, please report it: text");
  assert.equal(describeFailure(null).exitCode, EXIT_BUG);
});

Deno.test("what was typed cannot steer the terminal or break the line", () => {
  assert.equal(printable(" a\nb \n"), "a b");
  assert.equal(
    printable("\x1b[2J\r\t\x7f\u0085\u009b\u2028\u2029."),
    "\\u001b[2J\\u000d\\u0009\\u007f\\u0085\\u009b\\u2028\\u2029.",
  );
  assert.equal(printable("grüße 😀"), "grüße 😀");
  const { line } = describeFailure(new CliError(1, "a\x07", "b\x1b"));
  assert.equal(line, "a\\u0007 (b\\u001b)");
});
