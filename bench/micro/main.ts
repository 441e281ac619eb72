/**
 * Runs a micro benchmark as the data plane runs, bundled (lib/worker/program.ts):
 * `deno run -A bench/micro/main.ts [NAME]`, by default `frame`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { bundle } from "../../lib/worker/program.ts";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));

const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
try {
  const program = `${folder}/bench.js`;
  await bundle(Deno.execPath(), `${FOLDER}${Deno.args[0] ?? "frame"}.ts`, program);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, ...Deno.args.slice(1)],
  }).spawn().status;
  Deno.exitCode = code;
} finally {
  await Deno.remove(folder, { recursive: true });
}
