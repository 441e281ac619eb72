/**
 * How lines go on, from the rows of the commands; no switch runs.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { Flag } from "../../../lib/cli/command.ts";
import { flagWord } from "../../../lib/cli/command_line.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { propose } from "../../../lib/cli/propose.ts";
// Loaded here: what opens a library in the midst of a test leaks it, by older Deno's rules.
import "../../../lib/control/sockets/bind.ts";

/** No switch is there. */
const NOWHERE = "--ctl=/nonexistent/ctl.sock";

async function words(...line: string[]): Promise<string> {
  return (await propose(line)).map(({ word }) => word).join(" ");
}

Deno.test("words of commands, behind global flags and help too", async () => {
  assert.equal(await words("po"), "port");
  assert.equal(await words("link", ""), "list add del");
  assert.equal(await words("-o", "json", NOWHERE, "link", "d"), "del");
  assert.equal(await words("--output", "j"), "json");
  assert.equal(await words("--output=j"), "--output=json");
  assert.equal(await words("help", "mirr"), "mirror");
  assert.equal(await words("help", "mirror", "a"), "add");
  assert.equal(await words("he"), "help");
  assert.equal(await words("--vers"), "--version");
  assert.match(await words(), /^run port .* help$/);
  for (
    const line of [["nothing", ""], ["port", "nothing", ""], ["version", "-o", "x", "-x", "y"]]
  ) {
    assert.equal(await words(...line), "", line.join(" "));
  }
});

Deno.test("flags once each, but for those of many; values of lists; what is behind -- is none", async () => {
  assert.equal(await words("run", "--fdb-a"), "--fdb-age");
  assert.equal(await words("run", "--fdb-age", "3", "--fdb-a"), "");
  assert.equal(await words("run", "-q", "--qui"), "");
  assert.equal(await words("run", "--port", "a", "--por"), "--port");
  assert.equal(await words("run", "--idle", "a"), "adaptive");
  assert.equal(await words("run", "--idle=po"), "--idle=poll");
  assert.equal(await words("completion", ""), "bash zsh fish");
  assert.equal(await words("completion", "--", "f"), "fish");
  assert.equal(await words("completion", "--", "--h"), "");
  assert.equal(await words("schema", "port-l"), "port-list port-limits");
  assert.match(await words("version", ""), /^--output --help$/);
  assert.match(await words("events", "--type", "link-"), /\blink-up\b/);
});

Deno.test("options of a port, and what they may be", async () => {
  assert.equal(await words("run", "-p", "vm1,mod"), "vm1,mode=");
  assert.equal(
    await words("run", "-p", "vm1=/x,mtu=9,m"),
    "vm1=/x,mtu=9,mode= vm1=/x,mtu=9,multi= vm1=/x,mtu=9,mac=",
  );
  assert.equal(await words("port", "add", "vm1,mode="), "vm1,mode=listen vm1,mode=connect");
  assert.equal(await words("port", "add", "vm1,mtu="), "");
  assert.equal(await words("port", "set", NOWHERE, "vm1", "acc"), "access=");
  assert.equal(
    await words("port", "set", NOWHERE, "vm1", "access=1", "lock="),
    "lock=on lock=off lock=default",
  );
  assert.equal(await words("port", "set", NOWHERE, "vm1", "mt"), "", "it cannot be set");
});

Deno.test("without a switch there are no names, and no fault", async () => {
  for (const line of ["port show", "mirror del", "fdb del", "mirror add x --from"]) {
    assert.equal(await words(NOWHERE, ...line.split(" "), ""), "", line);
  }
});

Deno.test("every word, flag and value of every command is proposed where it stands", async () => {
  for (const row of COMMANDS) {
    for (let i = 0; i < row.words.length; i++) {
      const [found] = (await propose(row.words.slice(0, i + 1))).filter(({ word }) =>
        word === row.words[i]
      );
      assert(found && found.about !== "", row.words.join(" "));
    }
    for (const [name, { brief, values }] of Object.entries<Flag>(row.flags)) {
      const typed = `--${flagWord(name)}`;
      const found = await propose([...row.words, typed]);
      assert.deepEqual(found[0], { word: typed, about: brief });
      if (values) assert.equal(await words(...row.words, typed, ""), values.join(" "));
    }
  }
});
