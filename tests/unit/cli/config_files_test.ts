/** Configuration files are written whole, with the permissions they had, or not at all. */
import { strict as assert } from "node:assert";
import { save, toSend } from "../../../lib/cli/config_files.ts";
import { CliError, describeFailure } from "../../../lib/cli/failure.ts";
import type { DocumentOf } from "../../../lib/control/schema/mod.ts";
import { TempFolder } from "../../harness/temp.ts";

function config(file: string | null, ...toSave: string[]): DocumentOf<"config"> {
  return {
    ...{ file, toSave, toml: [], settings: [], ports: [], links: [], mirrors: [], unsaid: [] },
  };
}

function names(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert(error instanceof CliError, String(error));
    return describeFailure(error).line;
  }
  return assert.fail("it was written");
}

Deno.test("a file is replaced in one step, keeps its permissions, and a link to it stays one", () => {
  using folder = new TempFolder();
  const file = folder.file("v.toml");
  Deno.writeTextFileSync(file, "# old\n");
  Deno.chmodSync(file, 0o640);
  Deno.symlinkSync("v.toml", folder.file("link"));
  const before = Deno.statSync(file).ino;
  assert.deepEqual(save(config(file, "[switch]"), folder.file("link")), {
    ...{ file, unsaid: [] },
  });
  assert.equal(Deno.readTextFileSync(file), "[switch]\n");
  const { mode, ino } = Deno.statSync(file);
  assert.equal((mode ?? 0) & 0o777, 0o640);
  assert.notEqual(ino, before, "who has it open reads on what was there");
  assert(Deno.lstatSync(folder.file("link")).isSymlink);
  assert.equal(save(config(file, "[switch]"), undefined).file, file);
  assert.equal(Deno.statSync(file).ino, ino, "it is not written again");
  save(config(null), folder.file("new.toml"));
  assert.equal((Deno.statSync(folder.file("new.toml")).mode ?? 0) & 0o777, 0o666 & ~Deno.umask());
  assert.deepEqual(names(folder.path), ["link", "new.toml", "v.toml"]);
});

Deno.test("what cannot be written is a line with the fix, and nothing is left of it", () => {
  using folder = new TempFolder();
  Deno.mkdirSync(folder.file("folder"));
  Deno.writeTextFileSync(folder.file("file"), "");
  Deno.symlinkSync("circle", folder.file("circle"));
  const to = (path?: string): string => refusal(() => save(config(null, "x"), path));
  assert.match(to(), /without a configuration file \(name one: vuswitch config save FILE\)$/);
  assert.match(to(""), /name a file$/);
  assert.match(to(folder.file("folder")), /it is a folder: name a file in it$/);
  assert.match(to("/dev/null"), /it is no file: vuswitch config show$/);
  assert.match(to(folder.file("none/x")), /there is no such folder$/);
  assert.match(to(folder.file("file/x")), /Cannot write .*folder|not a folder/);
  assert.match(to(folder.file("circle")), /Cannot write/);
  assert.match(to(`/proc/self/x`), /Cannot write|No permission/);
  assert.deepEqual(names(folder.path), ["circle", "file", "folder"]);
});

Deno.test("what is sent of a file has its path, and is not too long", async () => {
  using folder = new TempFolder();
  Deno.writeTextFileSync(folder.file("v.toml"), "x = 1\n");
  assert.deepEqual(await toSend(folder.file("v.toml")), {
    ...{ name: folder.file("v.toml"), text: "x = 1\n" },
  });
  Deno.writeTextFileSync(folder.file("long"), `#${"x".repeat(130_000)}`);
  await assert.rejects(toSend(folder.file("long")), /too long to be sent/);
  Deno.truncateSync(folder.file("long"), 100e6);
  await assert.rejects(toSend(folder.file("long")), /has more than 1048576 bytes/);
});
