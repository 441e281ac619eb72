/**
 * A cpio archive in the "newc" format, as Linux takes it for its first root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 *
 * @module
 */
import { concat } from "@std/bytes/concat";

/** One file, folder (mode 040755) or link of the archive. */
export interface CpioEntry {
  /** Path without a slash in front. */
  readonly name: string;
  /** File type and permissions, as in `st_mode`. */
  readonly mode: number;
  /** A file's content, a link's target; empty for a folder. */
  readonly data: Uint8Array;
}

const TRAILER: CpioEntry = { name: "TRAILER!!!", mode: 0, data: new Uint8Array() };

function pad(size: number): Uint8Array {
  return new Uint8Array((4 - (size % 4)) % 4);
}

/** Writes the archive. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const [index, { name, mode, data }] of [...entries, TRAILER].entries()) {
    const path = new TextEncoder().encode(`${name}\0`);
    const numbers = [index + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, path.length, 0];
    const header = `070701${numbers.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
    const head = new TextEncoder().encode(header);
    parts.push(head, path, pad(head.length + path.length), data, pad(data.length));
  }
  return concat(parts);
}
