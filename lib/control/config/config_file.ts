/**
 * Reading a configuration file's text, whatever kind of file it is, and what is usually meant where
 * it is not TOML.
 *
 * @module
 */
import { deadline } from "@std/async/deadline";
import { ControlError } from "../types.ts";

/** A configuration of the most ports takes a tenth of it. */
const BYTES_MAX = 1 << 20;
/** How long a pipe or terminal may take, ms. */
const READ_MS_MAX = 2000;

function unreadable(path: string, why: string): ControlError {
  return new ControlError("invalid", `Cannot read configuration ${path}: ${why}`);
}

/** The text of a file or pipe. @throws {ControlError} one line with the fix */
export async function readText(path: string): Promise<string> {
  try {
    const bytes = await deadline(readBytes(path), READ_MS_MAX);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw error instanceof ControlError ? error : unreadable(path, reason(error));
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  const { isDirectory, isSocket } = await Deno.stat(path);
  if (isDirectory) throw unreadable(path, "it is a folder: name the file in it");
  if (isSocket) throw unreadable(path, "it is a socket: name a file");
  using file = await Deno.open(path);
  // One byte more than is taken: a device need not end.
  const bytes = new Uint8Array(BYTES_MAX + 1);
  let length = 0;
  for (;;) {
    const got = await file.read(bytes.subarray(length));
    if (got === null) return bytes.subarray(0, length);
    length += got;
    if (length > BYTES_MAX) throw unreadable(path, `it has more than ${BYTES_MAX} bytes`);
  }
}

function reason(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `nothing ends it within ${READ_MS_MAX / 1000} s: name a file`;
  }
  if (error instanceof TypeError) return "it is not UTF-8 text";
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a folder";
  if (error instanceof Deno.errors.PermissionDenied) {
    return "no permission: chmod it, or run as its owner";
  }
  if (error instanceof Deno.errors.FilesystemLoop) return "its links go in a circle";
  return error instanceof Error ? error.message : String(error);
}

/** What was meant by a line that is not TOML, or null. */
export function tomlFix(line: string): string | null {
  const [, key = "", value = ""] = /^\s*([\w.-]+)\s*=\s*(.*?)\s*(?:#.*)?$/.exec(line) ?? [];
  if (/[\u2018\u2019\u201c\u201d]/.test(line)) return "write straight quotes";
  if (/^(?:True|TRUE|yes|on)$/.test(value)) return `write ${key} = true`;
  if (/^(?:False|FALSE|no|off)$/.test(value)) return `write ${key} = false`;
  if (/^0[0-9]+$/.test(value)) {
    return key === "mode"
      ? `quote it: mode = "${value}"`
      : `without the zero in front: ${key} = ${Number(value)}`;
  }
  if (/^[A-Za-z/][^"'[{]*$/.test(value)) return `quote it: ${key} = "${value}"`;
  if (/^"[^"]*$|^'[^']*$/.test(value)) return "close the quote";
  if (value === "" && key !== "") return `${key} has no value: leave the line out`;
  if (/^\s*[\w.-]+\s*:/.test(line)) return "write = between key and value";
  if (/^\s*(?:\/\/|;)/.test(line)) return "a comment starts with #";
  if (/^\s*\[[^\]]*$/.test(line)) return "close the bracket";
  if (/^\s*[\w.-]+\s*$/.test(line)) return "write KEY = VALUE";
  return null;
}
