/**
 * The program of the data-plane thread: all its modules in one file.
 *
 * V8 reads whatever a module imports, and even what it exports, through a cell that is checked at
 * every use. In one file these are plain variables, and a frame of 64 bytes takes 40 ns instead of
 * 66 (bench/micro). So the thread never runs from its sources: the binary carries the one file
 * (lib/build/compile.ts), and from a checkout `deno bundle` makes it at the first start, once for
 * every state of the sources. Where that cannot be, the sources do, slower.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Name of the file in the binary, beside the program it was built with. */
export const PROGRAM_FILE = "data_plane.js";
/** The first module of the thread, from the root of a checkout. */
export const PROGRAM_ENTRY = "lib/worker/data_plane.ts";

/** Where the thread's modules are; it imports from nowhere else (a test looks). */
export const PROGRAM_FOLDERS: readonly string[] = [
  "ffi",
  "lib/base",
  "lib/virtio",
  "lib/offload",
  "lib/switch",
  "lib/worker",
];
/** Programs kept, besides the one in use: of other checkouts, and of states one may go back to. */
const KEPT_MAX = 8;
/** Others may write into a folder with one of these bits. */
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** The programs that {@linkcode prepareProgram} makes; other files are not ours to remove. */
const PROGRAM_NAME = /^data_plane-[0-9a-f]{20}\.js$/;

/** What a data-plane thread is started from. */
export interface Program {
  /** What the Worker is made from. */
  readonly url: URL;
  /** Why it is not the fast one; null: it is. */
  readonly slow: string | null;
}

/** Where a program is made from and kept. */
export interface ProgramPlace {
  /** The checkout, a path that ends with a slash. */
  readonly root: string;
  /** The folder of programs, made if it is missing; null: nowhere. */
  readonly cache: string | null;
  /** Deno's own program. */
  readonly deno: string;
}

/** The program to start. Control thread only. */
export async function findProgram(): Promise<Program> {
  if (Deno.build.standalone) {
    return { url: new URL(`./${PROGRAM_FILE}`, import.meta.url), slow: null };
  }
  const root = fileURLToPath(new URL("../../", import.meta.url));
  return await prepareProgram({ root, cache: cacheFolder(), deno: Deno.execPath() });
}

/** As the XDG Base Directory Specification has it. */
function cacheFolder(): string | null {
  const given = Deno.env.get("XDG_CACHE_HOME");
  if (given?.startsWith("/")) return `${given}/vuswitch`;
  const home = Deno.env.get("HOME");
  return home?.startsWith("/") ? `${home}/.cache/vuswitch` : null;
}

/** The program of a checkout, made if it is not there yet. Never throws: see {@linkcode Program.slow}. */
export async function prepareProgram(place: ProgramPlace): Promise<Program> {
  try {
    if (place.cache === null) throw new Error("there is no HOME to keep it in");
    await checkFolder(place.cache);
    const path = `${place.cache}/data_plane-${digest(place.root)}.js`;
    if (!await exists(path)) await build(place, place.cache, path);
    return { url: pathToFileURL(path), slow: null };
  } catch (error) {
    const slow = error instanceof Error ? error.message : String(error);
    return { url: pathToFileURL(place.root + PROGRAM_ENTRY), slow };
  }
}

/**
 * What lies in the folder is run: nobody but us and root may put anything there, or another folder
 * in its place. A switch that root starts with the HOME of somebody else has none.
 */
async function checkFolder(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await Deno.lstat(folder)).isSymlink) throw new Error(`${folder} is a link`);
  const own = await Deno.realPath(folder);
  for (let path = own;; path = dirname(path)) {
    const { uid, mode } = await Deno.stat(path);
    const shared = ((mode ?? 0) & OTHERS_WRITE) !== 0;
    // In a folder such as /tmp nobody moves what is another one's.
    const kept = path !== own && ((mode ?? 0) & STICKY) !== 0;
    if ((uid !== Deno.uid() && uid !== 0) || (shared && !kept)) {
      throw new Error(`others may write into ${path}`);
    }
    if (path === "/") return;
  }
}

/** A name for this state of the sources, as bundled by this Deno. */
function digest(root: string): string {
  const paths: string[] = [];
  const list = (folder: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(root + folder)) {
      if (isDirectory) list(`${folder}/${name}`);
      else if (name.endsWith(".ts")) paths.push(`${folder}/${name}`);
    }
  };
  PROGRAM_FOLDERS.forEach(list);
  const hash = createHash("sha256").update(Deno.version.deno);
  for (const path of paths.sort()) {
    hash.update(`\n${path}\n`).update(Deno.readFileSync(root + path));
  }
  return hash.digest("hex").slice(0, 20);
}

async function exists(path: string): Promise<boolean> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    return isFile && size > 0;
  } catch {
    return false;
  }
}

/** Makes `path`, whole or not at all: others may be at the same. @throws naming what failed */
async function build(place: ProgramPlace, cache: string, path: string): Promise<void> {
  const made = `${path}.${crypto.randomUUID()}`;
  try {
    await bundle(place.deno, place.root + PROGRAM_ENTRY, made);
    // On disk before it has its name: after a loss of power there must be no half of it.
    using file = await Deno.open(made);
    await file.sync();
    await Deno.rename(made, path);
  } catch (error) {
    await Deno.remove(made).catch(() => {});
    throw error;
  }
  // Others may prune at the same time; what is left over is no reason to run slowly.
  await prune(cache, path).catch(() => {});
}

/**
 * Makes one file of a module and all it imports.
 * @param platform what runs it; for a browser it is made small @throws naming what failed
 */
export async function bundle(
  deno: string,
  entry: string,
  output: string,
  platform: "deno" | "browser" = "deno",
): Promise<void> {
  const small = platform === "browser" ? ["--minify"] : [];
  const { code, stderr } = await new Deno.Command(deno, {
    args: ["bundle", "--quiet", ...small, "--platform", platform, "--output", output, entry],
    cwd: dirname(entry),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  if (code === 0 && await exists(output)) return;
  const said = new TextDecoder().decode(stderr).trim();
  const line = said.split("\n").find((each) => each.startsWith("error")) ?? `exit code ${code}`;
  throw new Error(`deno bundle: ${line.replace(/^error: /, "")}`);
}

/** Removes the programs that were made longest ago. */
async function prune(cache: string, path: string): Promise<void> {
  const others = Array.from(Deno.readDirSync(cache), ({ name }) => name)
    .filter((name) => PROGRAM_NAME.test(name) && `${cache}/${name}` !== path)
    .map((name) => `${cache}/${name}`)
    .map((each) => ({ each, made: Deno.lstatSync(each).mtime?.getTime() ?? 0 }))
    .sort((a, b) => b.made - a.made);
  for (const { each } of others.slice(KEPT_MAX)) await Deno.remove(each).catch(() => {});
}
