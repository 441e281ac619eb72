/**
 * Each test that docs/attacks.md names is there, and each of its rows names one.
 *
 * @module
 */
import { strict as assert } from "node:assert";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/attacks.md`);

function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

Deno.test("each attack has its tests, and they are there", () => {
  const files = [...filesBelow(`${ROOT}tests`)];
  const rows = PAGE.split("\n").filter((line) => /^\| (?!what |-)/.test(line));
  assert(rows.length > 80, `${rows.length} rows`);
  const faults = rows.flatMap((row) => {
    const cell = row.split(" | ").at(-1) ?? "";
    const named = [...cell.matchAll(/`([\w./]+\.ts)` _(.+?)_(?=,? )/g)];
    if (named.length === 0) return [`no test: ${row}`];
    return named.flatMap(([, name = "", test = ""]) => {
      const found = files.filter((file) => file.endsWith(`/${name}`));
      if (found.length !== 1) return [`${found.length} files ${name}`];
      const text = Deno.readTextFileSync(found[0] as string);
      // A fuzzer's name is a key.
      const names = [`"${test}`, `\`${test}`, `\n  ${test}: {\n    about:`];
      const quoted = names.some((name) => text.includes(name));
      return quoted ? [] : [`${name}: no test "${test}"`];
    });
  });
  assert.deepEqual(faults, []);
});
