/**
 * The manual says all that there is, and man and mandoc read it without a complaint.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { Flag } from "../../../../lib/cli/command.ts";
import { flagWord } from "../../../../lib/cli/command_line.ts";
import { COMMANDS } from "../../../../lib/cli/commands.ts";
import { CONFIG_LIST_ROWS, CONFIG_ROWS } from "../../../../lib/cli/config_rows.ts";
import { EXAMPLE_CONFIG } from "../../../../lib/cli/man/config_page.ts";
import { literal } from "../../../../lib/cli/man/mdoc.ts";
import { manPage } from "../../../../lib/cli/man/pages.ts";
import { MAN_PAGES } from "../../../../lib/cli/man_pages.ts";
import { ENVIRONMENT_ROWS } from "../../../../lib/cli/surroundings.ts";
import { readConfigFile } from "../../../../lib/control/config/read_config.ts";
import { OPTION_NAMES } from "../../../../lib/control/config/port_options.ts";
import { VERSION_DATE } from "../../../../lib/version.ts";
import { hasProgram, peerTest } from "../../../harness/peers.ts";
import { TempFolder } from "../../../harness/temp.ts";

Deno.test("vuswitch(1) has every command, argument, flag and example", () => {
  const page = manPage("vuswitch");
  for (const row of COMMANDS) {
    const begin = page.indexOf(`.Ss "\\&${literal(`vuswitch ${row.words.join(" ")}`)}"\n`);
    assert(begin > 0, row.words.join(" "));
    const section = page.slice(begin, page.indexOf("\n.S", begin + 1));
    for (const example of row.examples) {
      assert(section.includes(`\n${literal(example)}\n`), example);
    }
    for (const [name] of Object.entries<Flag>(row.flags)) {
      assert(section.includes(`Fl "\\&${literal(`-${flagWord(name)}`)}"`), `${row.words} ${name}`);
    }
    for (const { placeholder } of row.arguments) assert(section.includes(literal(placeholder)));
  }
});

/** What a file with such a line is refused with. */
async function refusal(folder: TempFolder, text: string): Promise<string> {
  const file = folder.file("faulty.toml");
  Deno.writeTextFileSync(file, text);
  return await readConfigFile(file).then(() => "", (error: Error) => error.message);
}

Deno.test("vuswitch.toml(5) has every table, key and option that a file may have", async () => {
  using folder = new TempFolder();
  const page = manPage("vuswitch.toml");
  const known = (text: string): string[] =>
    /known: ([^)]*)/.exec(text)?.[1]?.split(", ").map((key) => key.trim()).sort() ?? [];
  const tables = [...Object.keys(CONFIG_ROWS), ...Object.keys(CONFIG_LIST_ROWS)];
  assert.deepEqual(known(await refusal(folder, "qqqqqqqqqq = 1\n")), tables.toSorted());
  for (const [table, rows] of Object.entries(CONFIG_ROWS)) {
    const keys = known(await refusal(folder, `[${table}]\nqqqqqqqqqq = 1\n`));
    assert.deepEqual(keys, Object.keys(rows).toSorted());
  }
  for (const [table, rows] of Object.entries(CONFIG_LIST_ROWS)) {
    const options = table === "port" ? OPTION_NAMES : [];
    const keys = known(await refusal(folder, `[[${table}]]\nqqqqqqqqqq = 1\n`));
    assert.deepEqual(keys, [...Object.keys(rows), ...options].toSorted());
  }
  for (const name of OPTION_NAMES) assert(page.includes(`.It Li "\\&${literal(name)}=`), name);
  Deno.writeTextFileSync(folder.file("example.toml"), EXAMPLE_CONFIG.join("\n"));
  const { ports } = await readConfigFile(folder.file("example.toml"));
  assert.deepEqual(ports?.map(({ name }) => name), ["vm1", "vm2"]);
});

function* sources(folder: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else yield Deno.readTextFileSync(new URL(name, folder));
  }
}

Deno.test("vuswitch(1) has every variable that is read", () => {
  const read = new Set<string>();
  for (const part of ["cli", "control"]) {
    for (const text of sources(new URL(`../../../../lib/${part}/`, import.meta.url))) {
      for (const [, name = ""] of text.matchAll(/\benv\.get\("(\w+)"\)/g)) read.add(name);
    }
  }
  const told = ENVIRONMENT_ROWS.map(([name]) => name);
  // What other programs are found by is no matter of ours.
  read.delete("PATH");
  assert(read.has("VSW_CTL"));
  for (const name of read) assert(told.includes(name), name);
});

Deno.test("the version's date is one", () => {
  assert.equal(new Date(VERSION_DATE).toISOString().slice(0, 10), VERSION_DATE);
});

const missing = Object.entries({ man: "man-db", mandoc: "mandoc" })
  .flatMap(([program, name]) => hasProgram(program) ? [] : [name]);

peerTest("man and mandoc read the manual without a complaint", missing, async (t) => {
  using folder = new TempFolder();
  const complaints = (program: string, ...args: string[]): string => {
    const { stdout, stderr } = new Deno.Command(program, {
      args,
      env: { LC_ALL: "C.UTF-8", MANWIDTH: "80" },
    }).outputSync();
    const decoder = new TextDecoder();
    return program === "mandoc" ? decoder.decode(stdout) : decoder.decode(stderr);
  };
  for (const page of MAN_PAGES) {
    await t.step(page, () => {
      const file = folder.file(page);
      Deno.writeTextFileSync(file, manPage(page));
      assert.equal(complaints("mandoc", "-T", "lint", "-W", "warning", file), "");
      assert.equal(complaints("man", "--warnings=w", "--local-file", file), "");
    });
  }
  await t.step("and say so if there is one", () => {
    const file = folder.file("bad");
    Deno.writeTextFileSync(file, `${manPage("vuswitch")}.Bl -tag\n.Nonesuch\n`);
    assert.notEqual(complaints("mandoc", "-T", "lint", "-W", "warning", file), "");
    assert.notEqual(complaints("man", "--warnings=w", "--local-file", file), "");
  });
});
