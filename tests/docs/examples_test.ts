/** Examples in the docstrings of mod.ts, lib/ and ffi/ are type-checked and run. */
import { strict as assert } from "node:assert";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Files that have one. */
function* withExamples(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* withExamples(path);
    else if (/^ *\* ```ts$/m.test(Deno.readTextFileSync(ROOT + path))) yield path;
  }
}

const paths = ["mod.ts", ...withExamples("lib"), ...withExamples("ffi")];

Deno.test("examples in docstrings run", async (t) => {
  for (const path of ["vhost/session.ts", "switch/fdb.ts", "virtio/split/queue.ts"]) {
    assert(paths.includes(`lib/${path}`), `${path} shows how it is used`);
  }
  for (const path of paths) {
    await t.step(path, async () => {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        // What is pure is run without permissions.
        args: ["test", "--doc", "--check", "--quiet", ...(path === "mod.ts" ? ["-A"] : []), path],
        cwd: ROOT,
        env: { NO_COLOR: "1" },
      }).output();
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assert(success && /^ok \| [1-9]\d* passed/m.test(said), said);
    });
  }
});
