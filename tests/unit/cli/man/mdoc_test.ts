/**
 * Text of a manual's page means what it says: nothing of it is taken for a macro or an escape.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { display, head, literal, prose, tagged, word } from "../../../../lib/cli/man/mdoc.ts";

Deno.test("what would be a macro, a request or an escape is text", () => {
  assert.equal(word("Fl"), '"\\&Fl"');
  assert.equal(word('a "b" \\fI'), '"\\&a \\(dqb\\(dq \\efI"');
  assert.equal(literal("--a='~^`'…"), "\\-\\-a=\\(aq\\(ti\\(ha\\(ga\\(aq\\[u2026]");
  assert.deepEqual(display([".Bl", "'x", "a b"]).slice(1, -1), ["\\&.Bl", "\\(aqx", "a b"]);
  assert.deepEqual(prose(".Bl is not one"), ["\\&.Bl is not one"]);
  assert.deepEqual(prose("a\\b"), ["a\\eb"]);
  assert.deepEqual(prose("A[=B][,C]"), ["A[=B]\\:[,C]"]);
});

Deno.test("Markdown becomes lines: a sentence each, none too long, code bold, links their words", () => {
  assert.deepEqual(prose("See [limits](reference.md#a). Or `a-b\\|c` (x). Yes"), [
    "See limits.",
    "Or \\fBa\\-b\\e|c\\fP (x).",
    "Yes",
  ]);
  const long = prose("word ".repeat(100).trim());
  assert(long.length > 1 && long.every((line) => line.length <= 78));
  assert.equal(long.join(" "), "word ".repeat(100).trim());
});

Deno.test("a head has its date as a manual writes it, and an empty list is none", () => {
  assert.deepEqual(head("vuswitch.toml", 5, "2026-11-03", "0.1.0"), [
    ".Dd November 3, 2026",
    ".Dt VUSWITCH.TOML 5",
    '.Os "\\&vuswitch 0.1.0"',
  ]);
  assert.deepEqual(tagged([]), []);
});
