/**
 * Where the control socket is when nobody names it, and whether its folder is this user's alone: in
 * a folder such as /tmp anybody may have been first.
 *
 * @module
 */
import { dirname } from "node:path";
import { ControlError } from "../control/types.ts";
import { CliError, EXIT_PERMISSION } from "./failure.ts";

/** Permission bits of group and others: to write, and any. */
const WRITE_BITS = 0o022;
const ALL_BITS = 0o077;
const FIX = "set XDG_RUNTIME_DIR to a folder of your own, or name a socket with --ctl PATH";

interface Place {
  readonly path: string;
  /** Of these folders, each in the one before it, one must be this user's and closed to others. */
  readonly guards: readonly string[];
  /** What others may not have of it, permission bits. */
  readonly closed: number;
}

function place(): Place {
  const open = { guards: [], closed: WRITE_BITS };
  const own = Deno.env.get("VSW_CTL");
  if (own) return { path: own, ...open };
  // systemd names all folders of RuntimeDirectory=, the first is the unit's (systemd.exec(5)).
  const runtime = Deno.env.get("RUNTIME_DIRECTORY")?.split(":").find((each) => each !== "");
  if (runtime) return { path: `${runtime}/ctl.sock`, ...open };
  if (Deno.uid() === 0) return { path: "/run/vuswitch/ctl.sock", ...open };
  const session = Deno.env.get("XDG_RUNTIME_DIR");
  // Relative ones are to be ignored (XDG Base Directory Specification).
  if (session?.startsWith("/")) {
    const folder = `${session}/vuswitch`;
    return { path: `${folder}/ctl.sock`, guards: [session, folder], closed: WRITE_BITS };
  }
  const folder = `/tmp/vuswitch-${Deno.uid()}`;
  return { path: `${folder}/vuswitch/ctl.sock`, guards: [folder], closed: ALL_BITS };
}

/** The control socket used when no `--ctl` is given. */
export function defaultControlPath(): string {
  return place().path;
}

/** The same for a command that connects to it. @throws {CliError} it may be somebody else's */
export function trustedControlPath(): string {
  const { path, ...guarded } = place();
  const fault = faultOf(guarded);
  if (fault === null) return path;
  throw new CliError(
    EXIT_PERMISSION,
    `Cannot trust the control socket in ${fault.text}`,
    fault.fix,
  );
}

/** Makes the folder of the default control socket. @throws {ControlError} it cannot be ours */
export function makeControlFolder(): void {
  const { path, guards, closed } = place();
  const mask = Deno.umask();
  // Closed to group and others as far as `closed` or the user's own mask says; never to the owner.
  Deno.umask((mask & ALL_BITS) | closed);
  try {
    for (const guard of guards) makeFolder(guard);
    const fault = faultOf({ guards, closed });
    if (fault !== null) {
      throw new ControlError(
        "invalid",
        `Cannot put the control socket in ${fault.text}`,
        fault.fix,
      );
    }
    Deno.mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    if (error instanceof ControlError) throw error;
    throw new ControlError(
      "invalid",
      `Cannot make ${dirname(path)} for the control socket`,
      "name another one with --ctl PATH",
    );
  } finally {
    Deno.umask(mask);
  }
}

/** Makes a folder. One that exists is no error here: `faultOf` judges it, whoever made it. */
function makeFolder(path: string): void {
  try {
    Deno.mkdirSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Why none of the folders keeps others out, or null. A folder that is missing holds no socket. */
function faultOf(
  { guards, closed }: Pick<Place, "guards" | "closed">,
): { text: string; fix: string } | null {
  let fault: { text: string; fix: string } | null = null;
  for (const guard of guards) {
    fault = folderFault(guard, closed);
    if (fault === null) return null;
  }
  return fault;
}

function folderFault(path: string, closed: number): { text: string; fix: string } | null {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    return { text: `${path}: it is out of reach`, fix: FIX };
  }
  if (info.isSymlink) return { text: `${path}: it is a symbolic link`, fix: FIX };
  if (!info.isDirectory) return { text: `${path}: it is not a folder`, fix: FIX };
  if (info.uid !== Deno.uid()) {
    return { text: `${path}: it belongs to user ${info.uid}`, fix: FIX };
  }
  const mode = (info.mode ?? 0) & 0o7777;
  if ((mode & closed) === 0) return null;
  return {
    text: `${path}: others may ${closed === ALL_BITS ? "use" : "write in"} it (mode 0${
      mode.toString(8)
    })`,
    fix: `chmod ${closed === ALL_BITS ? "700" : "go-w"} ${path}`,
  };
}
