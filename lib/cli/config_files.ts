/**
 * Configuration files as commands have them: sent to a switch, and written.
 *
 * @module
 */
import { basename, dirname, join, resolve } from "node:path";
import { CONFIG_BYTES_MAX } from "../control/api/bodies.ts";
import { readText } from "../control/config/config_file.ts";
import type { DocumentOf } from "../control/schema/mod.ts";
import { ControlError } from "../control/types.ts";
import { CliError, EXIT_PERMISSION, EXIT_USAGE } from "./failure.ts";

/** Around a text in a request, bytes. */
const REQUEST_BYTES = 8192;

/** What is sent of a file. @throws {ControlError} it cannot be read, or is too long */
export async function toSend(path: string): Promise<{ name: string; text: string }> {
  const text = await readText(path);
  const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
  if (bytes > CONFIG_BYTES_MAX - REQUEST_BYTES) {
    throw new ControlError(
      "invalid",
      `${path} is too long to be sent to a switch: ${bytes} bytes`,
      "have the switch read it: start it with --config FILE, then config reload",
    );
  }
  return { name: resolve(path), text };
}

/** The file that a path means, links followed; the path itself where there is none yet. */
function target(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return resolve(path);
    throw error;
  }
}

function look(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function cannot(path: string, why: string): CliError {
  return new CliError(EXIT_USAGE, `Cannot write ${path}: ${why}`);
}

function reason(path: string, error: unknown): unknown {
  if (error instanceof CliError) return error;
  if (error instanceof Deno.errors.PermissionDenied) {
    const fix = "run as its owner, or print it: vuswitch config show";
    return new CliError(EXIT_PERMISSION, `No permission to write ${path} or its folder`, fix);
  }
  if (error instanceof Deno.errors.NotFound) return cannot(path, "there is no such folder");
  if (error instanceof Deno.errors.NotADirectory) {
    return cannot(path, "a part of its path is not a folder");
  }
  const text = error instanceof Error ? error.message : String(error);
  return cannot(path, text);
}

/**
 * Writes what is in force. Whoever reads the file meanwhile has the old one or the new one, whole.
 * @param path where; if not given, the file that the switch was started with @throws {CliError}
 */
export function save(
  { file: own, toSave, unsaid }: DocumentOf<"config">,
  path: string | undefined,
): DocumentOf<"config-saved"> {
  const named = path ?? own;
  if (named === null) {
    throw new CliError(
      EXIT_USAGE,
      "The switch was started without a configuration file",
      "name one: vuswitch config save FILE",
    );
  }
  if (named === "") throw cannot('""', "name a file");
  try {
    const file = target(named);
    writeAtomically(
      file,
      toSave.map((line) =>
        `${line}
`
      ).join(""),
    );
    writeAtomically(file, toSave.map((line) => `${line}\n`).join(""));
    return { file, unsaid };
  } catch (error) {
    throw reason(named, error);
  }
}

function writeAtomically(path: string, text: string): void {
  const before = look(path);
  if (before?.isDirectory) throw cannot(path, "it is a folder: name a file in it");
  if (before !== null && !before.isFile) throw cannot(path, "it is no file: vuswitch config show");
  const bytes = new TextEncoder().encode(text);
  if (before?.size === bytes.length && Deno.readTextFileSync(path) === text) return;
  const temporary = join(dirname(path), `.${basename(path)}.${Deno.pid}.tmp`);
  // Never somebody else's file: it must not be there.
  const file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  try {
    try {
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
    } finally {
      file.close();
    }
    keepOwner(temporary, before);
    Deno.renameSync(temporary, path);
  } catch (error) {
    Deno.removeSync(temporary);
    throw error;
  }
}

/** The new file is its owner's, with the permissions that the old one had. */
function keepOwner(path: string, before: Deno.FileInfo | null): void {
  if (before === null) {
    Deno.chmodSync(path, 0o666 & ~Deno.umask());
    return;
  }
  const { uid, gid, mode } = before;
  const now = Deno.statSync(path);
  // Before the permissions: another owner takes special ones away.
  if (now.uid !== uid || now.gid !== gid) Deno.chownSync(path, uid, gid);
  if (mode !== null) Deno.chmodSync(path, mode & 0o7777);
}
