/** The program that runs all tests: what it counts, and that nothing that failed is lost in it. */
import { strict as assert } from "node:assert";
import { TempFolder } from "../../harness/temp.ts";

const RUNNER = new URL("../../main.ts", import.meta.url).pathname;
const test = (name: string, body = "", options = ""): string =>
  `Deno.test("${name}", ${options || "{}"}, async (t) => { ${body} });\n`;
/** More than the other files take on a busy machine. */
const HUNG_SECONDS = 10;
const FILES: Readonly<Record<string, string>> = {
  "a_test.ts": test("one", 'await t.step("first", () => {}); await t.step("next", () => {});'),
  "b_test.ts": test("two") + test("three", "", "{ ignore: true }"),
  "helper.ts": "throw new Error('this is no test');",
};

async function run(files: Readonly<Record<string, string>>, ...flags: string[]): Promise<{
  readonly code: number;
  readonly output: string;
  readonly last: string | undefined;
}> {
  using folder = new TempFolder();
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(folder.file(name), text);
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", RUNNER, folder.path, ...flags],
    env: { NO_COLOR: "1", VUSWITCH_TEST_SECONDS: String(HUNG_SECONDS) },
  }).output();
  const output = new TextDecoder().decode(stdout);
  return { code, output, last: output.trim().split("\n").at(-1) };
}

Deno.test("what passed in all files is added up in the last line", async () => {
  const { code, last } = await run(FILES);
  assert.match(last ?? "", /^ok \| 2 passed \(2 steps\) \| 0 failed \| 1 ignored \(0m\d+s\)$/);
  assert.equal(code, 0);
});

Deno.test("a test that fails and a file that cannot run are failures, and said at the end", async () => {
  const { code, output, last } = await run({
    ...FILES,
    "c_test.ts": test("four", "throw new Error('it is broken');"),
    "d_test.ts": "throw new Error('it cannot be loaded');",
    "e_test.ts": test("five", "Deno.exit(0);"),
  });
  assert.match(last ?? "", /^FAILED \| 2 passed \(2 steps\) \| 3 failed \| 1 ignored \(/);
  assert.equal(code, 1);
  const end = output.slice(output.indexOf("== the slowest"));
  for (const word of ["it is broken", "it cannot be loaded", "e_test.ts"]) {
    assert(end.includes(word), `${word}: ${end}`);
  }
});

Deno.test("flags go to every file", async () => {
  const { last } = await run(FILES, "--filter", "one");
  assert.match(last ?? "", /^ok \| 1 passed \(2 steps\) \| 0 failed \(/);
});

Deno.test("a file that hangs is ended, said, and tried once more", async () => {
  using folder = new TempFolder();
  const been = JSON.stringify(folder.file("been"));
  const hang = "{ setInterval(() => {}, 1000); await new Promise(() => {}); }";
  const { code, output, last } = await run({
    "a_test.ts": test("one"),
    "b_test.ts": test(
      "two",
      `const been = await Deno.stat(${been}).catch(() => null); Deno.writeTextFileSync(${been}, "");
      if (been === null) ${hang}`,
    ),
  });
  assert.match(output, /pending:\n\s*\n?two[^]*== once more, alone, as they hung: .*b_test\.ts/);
  assert.match(last ?? "", /^ok \| 2 passed \(0 steps\) \| 0 failed \(/);
  assert.equal(code, 0);
});
