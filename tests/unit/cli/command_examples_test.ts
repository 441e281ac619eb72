/**
 * The examples in the help of each command are lines that the command takes: its words, flags that
 * it has, values that they may have, as many arguments as it wants.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { type CommandRow, type Flag, SPEC } from "../../../lib/cli/command.ts";
import { commandOf, flagWord, readLine } from "../../../lib/cli/command_line.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { parsePortSpec } from "../../../lib/control/config/port_spec.ts";

/** Words of a shell's line up to its end, a pipe or another file; quotes are taken away. */
function shellWords(line: string): string[] {
  const [, inside = line] = /[$<]\((vuswitch .*)\)/.exec(line) ?? [];
  const words = inside.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  const end = words.findIndex((word) => /^(\||>|2>|&&|;)/.test(word));
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replace(/['"]/g, ""));
}

function flagOf(row: CommandRow, word: string): Flag | undefined {
  const [head] = word.split("=");
  return Object.entries<Flag>(row.flags).find(([name, { alias }]) =>
    head === `--${flagWord(name)}` || head === `-${alias}`
  )?.[1];
}

/** What is wrong with a line, or null. */
function faultOf(line: string): string | null {
  const [program, ...given] = shellWords(line);
  if (program !== "vuswitch") return "it is not a line of vuswitch";
  const { args, words, fault } = readLine(given);
  if (fault !== null) return fault;
  const row = commandOf(words);
  if (row === undefined) return "it names no command";
  const rest = args.slice(words.length);
  let count = 0;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!/^-./.test(word)) {
      if (row.arguments[count] === SPEC) parsePortSpec(word, "/run");
      count++;
      continue;
    }
    const flag = flagOf(row, word);
    if (flag === undefined) return `it has no ${word}`;
    if (flag.yes) continue;
    const value = word.includes("=") ? word.slice(word.indexOf("=") + 1) : rest.shift();
    if (value === undefined) return `${word} has no value`;
    if (flag.values && !flag.values.includes(value)) return `${word} cannot be ${value}`;
    if (row.words[0] === "run" && /^(-p|--port)$/.test(word)) parsePortSpec(value, "/run");
  }
  const least = row.arguments.filter(({ optional }) => !optional).length;
  const most = row.arguments.at(-1)?.many ? Infinity : row.arguments.length;
  return count >= least && count <= most ? null : `it has ${count} arguments`;
}

Deno.test("every example is a line that its command takes", () => {
  for (const row of COMMANDS) {
    assert(row.examples.length > 0, row.words.join(" "));
    for (const example of row.examples) {
      assert.equal(faultOf(example), null, example);
      const { words } = readLine(shellWords(example).slice(1));
      assert.deepEqual(words, row.words, example);
    }
  }
});

Deno.test("a line that a command does not take is found", () => {
  for (
    const line of [
      ...["vuswitch", "vuswitch port", "vuswitch nothing", "vuswitch port show", "ls"],
      ...["vuswitch port show a b", "vuswitch port show a --nope", "vuswitch stats -o xml"],
      ...["vuswitch run -v=1 x", "vuswitch run --idle", "vuswitch -v"],
    ]
  ) assert.notEqual(faultOf(line), null, line);
  assert.throws(() => faultOf("vuswitch port add vm1,nope=1"));
  assert.throws(() => faultOf("vuswitch run -p vm1,nope=1"));
});
