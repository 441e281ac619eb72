/**
 * What a line means before a command reads it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { readLine } from "../../../lib/cli/command_line.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";

const LINES: readonly [string, string][] = [
  ["port list", "port list"],
  ["--ctl /x port list", "port list --ctl /x"],
  ["port -o json list", "port list -o json"],
  ["--timeout=1 port --output json show vm1", "port show --timeout=1 --output json vm1"],
  ["port add -o json vm1", "port add -o json vm1"],
  ["help", "--help"],
  ["help port add", "port add --help"],
  ["-h", "--help"],
  ["-V", "version"],
  ["--version -o json", "version -o json"],
  ["--fd=3", "run --fd=3"],
  ["--socket-path /x", "run --socket-path /x"],
  ["run -p port -v", "run -p port -v"],
  ["bogus -o json", "bogus -o json"],
  ["port list -j", "port list --output json"],
  ["-j port list", "port list --output json"],
  ["port -j --ctl /x show vm1", "port show --output json --ctl /x vm1"],
  ["port show -- -j", "port show -- -j"],
  ["run -j", "run -j"],
];

for (const [given, meant] of LINES) {
  Deno.test(`vuswitch ${given} is read as ${meant}`, () => {
    const { args, unfinished, fault } = readLine(given.split(" "));
    assert.equal(args.join(" "), meant);
    assert.equal(unfinished, false);
    assert.equal(fault, null);
  });
}

Deno.test("lines without a command are unfinished, flags without one a fault", () => {
  for (const given of [[], ["port"], ["-o", "json"], ["port", "--ctl", "/x"], ["--timeout"]]) {
    const line = readLine(given);
    assert.equal(line.unfinished, true, given.join(" "));
    assert.equal(line.args.at(-1), "--help");
  }
  assert.match(readLine(["-v"]).fault ?? "", /^-v stands behind a command, such as: vuswitch run$/);
  assert.match(readLine(["port", "-x"]).fault ?? "", /vuswitch port list$/);
  assert.equal(readLine(["port", "--help"]).fault, null);
});

Deno.test("every command has examples that are lines of it", () => {
  for (const { words, examples } of COMMANDS) {
    assert(examples.length > 0, words.join(" "));
    for (const example of examples) {
      assert(example.includes(`vuswitch ${words.join(" ")}`), example);
    }
  }
});
