/**
 * Deno std comes as an npm package without types, under the names that JSR gives it. Nothing but
 * deno.json knows that: names, declarations and code agree, and with std from JSR the same code has
 * the right types.
 *
 * @module
 */
import { strict as assert } from "node:assert";

const ROOT = new URL("../", import.meta.url).pathname;
const JSR = Deno.env.get("JSR_URL") ?? "https://jsr.io";
const REACH_MS_MAX = 5000;

interface Config {
  readonly imports: Record<string, string>;
  readonly compilerOptions: Record<string, unknown>;
}

const { imports, compilerOptions } = JSON.parse(
  Deno.readTextFileSync(`${ROOT}deno.json`),
) as Config;
const names = Object.keys(imports).filter((name) => name.startsWith("@std/")).sort();

/** Files of ours that git knows, or is about to. */
function sources(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"];
  const { stdout } = new Deno.Command("git", { args, cwd: ROOT }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n")
    .filter((path) => !path.endsWith(".d.ts"));
}

/** The functions that `lib/std.d.ts` declares, module by module. */
function declared(): Map<string, string[]> {
  const text = Deno.readTextFileSync(`${ROOT}lib/std.d.ts`);
  const modules = text.matchAll(/^declare module "([^"]+)" \{\n([^]*?)^\}/gm);
  return new Map(Array.from(modules, ([, name = "", body = ""]) => [
    name,
    Array.from(body.matchAll(/export function (\w+)/g), ([, each = ""]) => each),
  ]));
}

Deno.test("std has JSR's names in deno.json, each declared and each in use", () => {
  const used = new Set<string>();
  for (const path of sources()) {
    const text = Deno.readTextFileSync(ROOT + path);
    for (const [, name = ""] of text.matchAll(/from "(@std\/[^"]+)"/g)) used.add(name);
  }
  assert.deepEqual([...used].sort(), names, "what is imported is in the map, and nothing else");
  assert.deepEqual([...declared().keys()].sort(), names);
  for (const name of names) {
    // JSR has dashes where files have underscores, and no more than this differs.
    const path = name.slice("@std/".length).replaceAll("-", "_");
    assert.match(imports[name] ?? "", new RegExp(`^npm:deno-std@[\\d.]+/${path}\\.js$`));
  }
  assert.equal(new Set(names.map((name) => imports[name]?.split("/")[0])).size, 1, "one version");
});

for (const [name, functions] of declared()) {
  Deno.test(`${name} has what is declared of it`, async () => {
    const module = await import(name) as Record<string, unknown>;
    assert(functions.length > 0);
    for (const each of functions) assert.equal(typeof module[each], "function", each);
  });
}

/** Whether JSR has std for us, or someone says no. */
async function reachesJsr(): Promise<boolean> {
  try {
    const url = `${JSR.replace(/\/$/, "")}/@std/async/meta.json`;
    const response = await fetch(url, { signal: AbortSignal.timeout(REACH_MS_MAX) });
    const { versions } = await response.json();
    return response.ok && typeof versions === "object";
  } catch {
    return false;
  }
}

/** A configuration as it is where JSR can be reached: std from there, and no types of ours. */
async function writeJsrConfig(): Promise<string> {
  const ours = Object.entries(imports).filter(([name]) => !name.startsWith("@std/"));
  const packages = names.map((name) => name.split("/").slice(0, 2).join("/"));
  const theirs = packages.map((name) => [name, `jsr:${name}@1`]);
  const { types: _, ...options } = compilerOptions;
  const path = await Deno.makeTempFile({ prefix: "vuswitch-", suffix: ".json" });
  const config = { imports: Object.fromEntries([...ours, ...theirs]), compilerOptions: options };
  await Deno.writeTextFile(path, JSON.stringify(config));
  return path;
}

Deno.test("the same code has the right types with std from JSR", async () => {
  if (!await reachesJsr()) {
    console.error(`    SKIPPED: ${JSR} cannot be reached`);
    return;
  }
  const config = await writeJsrConfig();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--no-lock", "--config", config, ...sources()],
      cwd: ROOT,
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(config);
  }
});
