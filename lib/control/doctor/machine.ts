/**
 * What `doctor` knows of a machine, read without changing anything. Tests make machines up.
 *
 * @module
 */
import type { PortStatus, SwitchStatus } from "../types.ts";

/** A file or folder, itself and not what a link leads to. */
export interface Node {
  /** What it is. */
  readonly kind: "folder" | "link" | "other";
  /** User who owns it. */
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** What checks want to know of the switch itself. */
export type RunningSwitch = Pick<SwitchStatus, "pid" | "version" | "cpus" | "idle">;

/** What the control socket says. */
export type Asked =
  | { readonly ports: readonly PortStatus[]; readonly running?: RunningSwitch }
  | { readonly error: string; readonly fix: string; readonly absent: boolean };

/** All that checks look at. */
export interface Machine {
  /** User who asks. */
  readonly uid: number;
  /** As Deno.build.arch. */
  readonly arch: string;
  /** Processors that this process may use. */
  readonly processors: number;
  /** Of the Deno that runs this. */
  readonly deno: string;
  /** A small file of /proc, /sys or /etc; null: it cannot be read. */
  readonly text: (path: string) => string | null;
  /** How many entries a folder has; null: it cannot be read. */
  readonly entries: (path: string) => number | null;
  /** What stands at a path; null: nothing that can be seen. */
  readonly node: (path: string) => Node | null;
  /** Whether a device can be opened to read and write; null: it is not there. */
  readonly opens: (path: string) => boolean | null;
  /** First line of what `PROGRAM --version` prints; null: there is none, or it is silent. */
  readonly version: (program: string) => Promise<string | null>;
  /** Where the control socket is, or is looked for. */
  readonly ctl: string;
  /** What the switch there says. */
  readonly asked: Asked;
}

/** How long a program may take to say its version, ms. */
const VERSION_MS_MAX = 2000;

async function versionOf(program: string): Promise<string | null> {
  try {
    const child = new Deno.Command(program, {
      args: ["--version"],
      ...{ stdin: "null", stdout: "piped", stderr: "null" },
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), VERSION_MS_MAX);
    const { stdout } = await child.output().finally(() => clearTimeout(timer));
    return new TextDecoder().decode(stdout).split("\n")[0]?.trim() || null;
  } catch {
    return null;
  }
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** This machine. @param asked what the switch at `ctl` said */
export function thisMachine(ctl: string, asked: Asked): Machine {
  return {
    uid: Deno.uid() ?? -1,
    arch: Deno.build.arch,
    processors: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    text: (path) => orNull(() => Deno.readTextFileSync(path)),
    entries: (path) => orNull(() => [...Deno.readDirSync(path)].length),
    node: (path) =>
      orNull(() => {
        const { isDirectory, isSymlink, uid, mode } = Deno.lstatSync(path);
        const kind = isSymlink ? "link" : isDirectory ? "folder" : "other";
        return { kind, uid: uid ?? -1, mode: (mode ?? 0) & 0o7777 };
      }),
    opens: (path) => {
      try {
        Deno.openSync(path, { read: true, write: true }).close();
        return true;
      } catch (error) {
        return error instanceof Deno.errors.NotFound ? null : false;
      }
    },
    version: versionOf,
    ctl,
    asked,
  };
}
