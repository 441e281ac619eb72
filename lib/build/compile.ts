/**
 * Builds the single binary and tries it before it claims success:
 * `deno task compile [--output PATH]`.
 *
 * @module
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "@std/fmt/bytes";
import { bundleScript, SCRIPT_FILE, STYLE_FILE, STYLE_SOURCE } from "../page/assets.ts";
import { bundle, PROGRAM_ENTRY, PROGRAM_FILE } from "../worker/program.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const READY_MS_MAX = 30_000;

/** `deno compile` could not get the runtime (denort) that it puts in front of the program. */
export class NoRuntimeError extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "NoRuntimeError";
}

/**
 * Builds `output` from the program, that of its data-plane thread, and what its page needs: no package is in
 * the binary but as the parts of it that are used. @throws {NoRuntimeError}, or naming what failed
 */
export async function compile(output: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  try {
    await bundle(Deno.execPath(), `${ROOT}main.ts`, `${folder}/main.js`);
    await bundle(Deno.execPath(), `${ROOT}${PROGRAM_ENTRY}`, `${folder}/${PROGRAM_FILE}`);
    await bundleScript(Deno.execPath(), ROOT, `${folder}/${SCRIPT_FILE}`);
    await Deno.copyFile(`${ROOT}${STYLE_SOURCE}`, `${folder}/${STYLE_FILE}`);
    await pack(folder, resolve(output));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Puts a runtime and the files of a folder together. */
async function pack(folder: string, output: string): Promise<void> {
  // A matching Deno with its runtime may be named where the download cannot be reached.
  const deno = Deno.env.get("VUSWITCH_DENO_COMPILE") ?? Deno.execPath();
  const { code, stderr } = await new Deno.Command(deno, {
    args: [
      ...["compile", "-A", "--no-check", "--no-config", "--no-lock"],
      ...[PROGRAM_FILE, SCRIPT_FILE, STYLE_FILE].flatMap((file) => ["--include", file]),
      ...["--output", output, "main.js"],
    ],
    cwd: folder,
  }).output();
  if (code === 0) return;
  const text = new TextDecoder().decode(stderr).trim();
  const url = /https:\/\/\S*\/denort-[^\s)]*\.zip/.exec(text)?.[0];
  if (url !== undefined && !Deno.env.has("DENORT_BIN")) {
    throw new NoRuntimeError(
      `cannot download ${url}; unpack it elsewhere and set DENORT_BIN to the file ` +
        "(VUSWITCH_DENO_COMPILE names a Deno of the same version if this one is another)",
    );
  }
  throw new Error(`deno compile failed: ${text}`);
}

/** Runs the built product: its version, and a switch that starts and ends. @throws if it fails */
export async function tryOut(binary: string): Promise<string> {
  const version = await new Deno.Command(binary, { args: ["version"] }).output();
  const text = new TextDecoder().decode(version.stdout).trim();
  if (version.code !== 0 || !text.startsWith("vuswitch ")) {
    throw new Error(`${binary} version printed "${text}" (exit ${version.code})`);
  }
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  const child = new Deno.Command(binary, {
    args: ["run", "-q", "-p", `p=${folder}/p.sock`, "--ctl", `${folder}/ctl.sock`],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const signal = (name: Deno.Signal): void => {
    try {
      child.kill(name);
    } catch {
      // It ended by itself; its exit code tells.
    }
  };
  const timer = setTimeout(() => signal("SIGKILL"), READY_MS_MAX);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  await reader.cancel();
  signal("SIGTERM");
  const { code } = await child.status;
  clearTimeout(timer);
  await Deno.remove(folder, { recursive: true });
  if (!value?.startsWith("ready ") || code !== 0) {
    throw new Error(`${binary} run printed "${value ?? ""}" and ended with ${code}`);
  }
  return text;
}

if (import.meta.main) {
  const at = Deno.args.indexOf("--output");
  const output = at < 0 ? `${ROOT}vuswitch` : Deno.args[at + 1] ?? `${ROOT}vuswitch`;
  try {
    await compile(output);
    const version = await tryOut(output);
    const size = format(Deno.statSync(output).size, { binary: true });
    console.log(`${output}: ${version}, ${size}, starts and ends well`);
  } catch (error) {
    console.error(`Cannot build vuswitch: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
