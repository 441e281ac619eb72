/**
 * A folder for what NAT's programs write, and the programs that work there: both say whose they are,
 * so that what a killed switch left is found by the next one.
 *
 * @module
 */
import { isAlive, ownerText, readOwner, thisOwner } from "./owner.ts";

const PREFIX = "vuswitch-nat-";
/** Owner and what makes the name unique. */
const NAME = /^vuswitch-nat-(\d+-\d+-\d+)-/;
/** How long a program may take to end when told to, ms. */
const END_MS_MAX = 500;
const LOOK_MS = 2;
/** Longer paths leave too little of a socket's 107 bytes. */
const BASE_BYTES_MAX = 40;

/** Where this user's folders are. */
function baseFolder(): string {
  if (Deno.uid() === 0) return "/run";
  const session = Deno.env.get("XDG_RUNTIME_DIR") ?? "";
  const fits = session.startsWith("/") && session.length <= BASE_BYTES_MAX;
  return fits && isOwnFolder(session) ? session : "/tmp";
}

function isOwnFolder(path: string): boolean {
  try {
    const { isDirectory, uid } = Deno.lstatSync(path);
    return isDirectory && uid === Deno.uid();
  } catch {
    return false;
  }
}

/** Makes a folder that nobody else may look into. @throws {Error} there is no room for one */
export function makeRuntimeFolder(base: string = baseFolder()): string {
  return Deno.makeTempDirSync({ dir: base, prefix: `${PREFIX}${ownerText(thisOwner())}-` });
}

/** Processes that have a path below the folder among their words. */
export function programsOf(folder: string): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      if (words.includes(`${folder}/`)) found.push(Number(name));
    } catch {
      // It ended, or /proc hides others' processes.
    }
  }
  return found;
}

function kill(pids: readonly number[], signal: Deno.Signal): void {
  for (const pid of pids) {
    try {
      Deno.kill(pid, signal);
    } catch {
      // It has ended, or is not ours after all.
    }
  }
}

/** Ends all programs of a folder; none is there any more when this returns. */
export function endPrograms(folder: string): void {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  const end = performance.now() + END_MS_MAX;
  let running = programsOf(folder);
  kill(running, "SIGTERM");
  while (running.length > 0 && performance.now() < end) {
    Atomics.wait(asleep, 0, 0, LOOK_MS);
    running = programsOf(folder);
  }
  kill(running, "SIGKILL");
}

/** Removes a folder, and ends its programs first. */
export function removeRuntimeFolder(folder: string): void {
  endPrograms(folder);
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Does so with those of processes that are no more. @returns how many there were */
export function sweepRuntimeFolders(base: string = baseFolder()): number {
  let swept = 0;
  for (const { name } of Deno.readDirSync(base)) {
    const owner = readOwner(NAME.exec(name)?.[1] ?? "");
    const folder = `${base}/${name}`;
    if (owner === null || !isOwnFolder(folder) || isAlive(owner) !== false) continue;
    removeRuntimeFolder(folder);
    swept++;
  }
  return swept;
}
