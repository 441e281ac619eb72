/**
 * Makes the folder that a container's image is built from, without a network: the single binary and
 * the libraries of this host that it needs, with the Containerfile:
 * `deno task container [--binary PATH] [--output FOLDER]`.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { compile } from "../compile.ts";
import { BINARY } from "./files.ts";
import { given } from "./words.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** User and group that it runs as if nobody says another one. */
const NOBODY = 65532;

/** Files of this host that a program is started with. @throws one is not there */
async function librariesOf(binary: string): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command("ldd", { args: [binary] }).output();
  const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (code !== 0 || text?.includes("not found")) throw new Error(`ldd: ${errors}${text}`);
  return Array.from((text ?? "").matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm), ([, path = ""]) => path);
}

/** Lays it out in a folder, which is made. @throws naming what failed */
export async function makeContainer(binary: string, folder: string): Promise<void> {
  const root = `${folder}/rootfs`;
  const copy = async (from: string, to: string): Promise<void> => {
    await Deno.mkdir(dirname(root + to), { recursive: true });
    await Deno.copyFile(from, root + to);
    await Deno.chmod(root + to, 0o755);
  };
  await copy(binary, BINARY);
  for (const library of await librariesOf(binary)) await copy(library, library);
  // The control socket, and sockets of ports: usually a folder of the host lies over it.
  await Deno.mkdir(`${root}/run/vuswitch`, { recursive: true });
  await Deno.chown(`${root}/run/vuswitch`, NOBODY, NOBODY).catch(() => {});
  await Deno.mkdir(`${root}/etc`, { recursive: true });
  const line = `vuswitch:x:${NOBODY}:`;
  await Deno.writeTextFile(`${root}/etc/group`, `root:x:0:\n${line}\n`);
  await Deno.writeTextFile(
    `${root}/etc/passwd`,
    `root:x:0:0:root:/:/\n${line}${NOBODY}:vuswitch:/run/vuswitch:/\n`,
  );
  await Deno.copyFile(`${ROOT}Containerfile`, `${folder}/Containerfile`);
}

if (import.meta.main) {
  const output = resolve(given("--output") ?? "container");
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  try {
    const binary = given("--binary") ?? `${folder}/vuswitch`;
    if (given("--binary") === undefined) await compile(binary);
    await makeContainer(resolve(binary), output);
    console.log(`${output}: now build it, such as: podman build -t vuswitch ${output}`);
  } catch (error) {
    console.error(`Cannot make a container: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
