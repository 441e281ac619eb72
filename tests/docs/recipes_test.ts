/** Recipes of docs/architecture.md: files that are there, as many as they say, half of the former. */
import { strict as assert } from "node:assert";

const ROOT = new URL("../../", import.meta.url);

interface Recipe {
  readonly were: number;
  readonly are: number;
  readonly files: ReadonlySet<string>;
}

/** Two facts in two places: what it means, and where it is so. */
const TWO_FACTS = ["a counter", "a drop reason"];

async function recipes(): Promise<Map<string, Recipe>> {
  const page = await Deno.readTextFile(new URL("docs/architecture.md", ROOT));
  const read = new Map<string, Recipe>();
  for (const line of page.slice(page.indexOf("## Recipes")).split("\n")) {
    const [, task = "", were, are, text = ""] = line.split("|").map((cell) => cell.trim());
    if (!/^\d+$/.test(are ?? "")) continue;
    const files = new Set(Array.from(text.matchAll(/`([^`]+\.ts)`/g), ([, file = ""]) => file));
    for (const [, other = ""] of text.matchAll(/those of ([^,]+)/g)) {
      const known = read.get(other);
      assert(known, `${task}: those of ${other} stand above`);
      for (const file of known.files) files.add(file);
    }
    for (const [, file = ""] of text.matchAll(/new `([^`]+)`/g)) files.delete(file);
    const made = text.matchAll(/new `([^`]+)`/g).toArray().length;
    read.set(task, { were: Number(were), are: Number(are) - made, files });
  }
  return read;
}

async function exists(file: string): Promise<boolean> {
  return await Deno.stat(new URL(`lib/${file}`, ROOT)).then(({ isFile }) => isFile, () => false);
}

Deno.test("each recipe names as many files as it says, and those are there", async () => {
  const all = await recipes();
  assert.equal(all.size, 12);
  for (const [task, { are, files }] of all) {
    assert.equal(files.size, are, `${task}: ${[...files].join(", ")}`);
    for (const file of files) assert(await exists(file), `${task}: there is a file ${file}`);
  }
});

Deno.test("a recipe has at most half of the files that it had", async () => {
  const page = await Deno.readTextFile(new URL("docs/architecture.md", ROOT));
  const rows = page.slice(page.indexOf("## Recipes")).matchAll(
    /^\| ([a-zA-Z][^|]*?) +\| +(\d+) +\| +(\d+) +\|/gm,
  ).toArray();
  assert.equal(rows.length, 11, "all but what had no number");
  for (const [, task = "", were, are] of rows) {
    if (!TWO_FACTS.includes(task)) assert(2 * Number(are) <= Number(were), task);
  }
});
