/** What is proposed for a flag that a command does not have. */
import { strict as assert } from "node:assert";
import { withProposal } from "../../../lib/cli/unknown_flag.ts";

Deno.test("a flag that is not there has the nearest one beside it, or another program's word ours", () => {
  const said = (flag: string, ...words: string[]): string =>
    withProposal(`No flag registered for ${flag}`, words);
  const rows: readonly (readonly [string, readonly string[], string | null])[] = [
    ["--json", ["stats", "vm1"], "-j"],
    ["--json", ["port", "list"], "-j"],
    ["--watsh", ["stats"], "--watch"],
    ["--socket-grup", ["run"], "--socket-group"],
    // Without an output of its own there is nothing to propose.
    ["--format", ["completion", "bash"], null],
    ["--zzzzzz", ["stats"], null],
    ["--json", ["nonsense"], null],
  ];
  for (const [flag, words, meant] of rows) {
    const wanted = meant === null ? said(flag) : `${said(flag)}, did you mean ${meant}?`;
    assert.equal(said(flag, ...words), wanted, words.join(" "));
  }
  assert.equal(withProposal("Something else", ["stats"]), "Something else");
});
