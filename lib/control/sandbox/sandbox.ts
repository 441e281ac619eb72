/**
 * `--sandbox`: what a switch gives up once it has all it needs, so that whoever takes it over through
 * a fault of ours can do less with it. Files first, before the data plane's thread is made, which is
 * then limited as well; system calls when all ports are there. Neither can be taken back, and
 * both cost nothing a frame: frames need no system call.
 *
 * @module
 */
import { dirname } from "node:path";
import {
  AF_NETLINK,
  AF_UNIX,
  filterCalls,
  landlockVersion,
  SystemError,
  TUN_PATH,
  writeOnlyBelow,
} from "../../../ffi/mod.ts";
import { isSocketTarget, targetPath } from "../config/port_targets.ts";
import type { Logger } from "../log.ts";
import { ControlError, type SwitchConfig } from "../types.ts";
import { callFilter } from "./filter.ts";

/** What a sandbox is made of. */
export type SandboxConfig = Pick<SwitchConfig, "sandbox" | "ports" | "socketDir" | "controlPath">;

/** Written to by whoever has devices; not by name elsewhere. */
const DEVICES = [TUN_PATH, "/dev/null"];

/** Where a runtime that runs from sources keeps what it compiled. The single binary keeps nothing. */
function caches(): string[] {
  if (Deno.build.standalone) return [];
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = Deno.env.toObject();
  const own = XDG_CACHE_HOME ?? (HOME === undefined ? undefined : `${HOME}/.cache`);
  return [DENO_DIR, own].filter((path) => path !== undefined && path.startsWith("/")) as string[];
}

let confined = false;

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Paths below which a switch changes files. */
function writable({ ports, socketDir, controlPath }: SandboxConfig): string[] {
  const folders = ports.flatMap((port) => {
    if (port.fd !== undefined) return [];
    if (port.kind === undefined || isSocketTarget(port.kind)) return [dirname(targetPath(port))];
    const device = targetPath(port).replace(`${port.kind}:`, "");
    return device.startsWith("/") ? [device] : [];
  });
  const own = [socketDir, controlPath === null ? undefined : dirname(controlPath)]
    .filter((path) => path !== undefined);
  return [...new Set([...own, ...folders, ...DEVICES, ...caches()])].filter(exists);
}

/**
 * Gives up writing files elsewhere than where sockets are. Threads made from now on are limited.
 * Nothing happens without `sandbox`, and it is said where the kernel cannot.
 */
export function confineFiles(config: SandboxConfig, logger: Pick<Logger, "warn">): void {
  if (config.sandbox !== true) return;
  if (landlockVersion() === 0) {
    const text = "this kernel has no Landlock, or not switched on (lsm=): files are not confined";
    logger.warn("switch", "no-landlock", text);
    return;
  }
  try {
    writeOnlyBelow(writable(config));
    confined = true;
  } catch (error) {
    throw refused("files", error);
  }
}

/** Whether this process gave up writing elsewhere, which a refusal of the kernel's may be due to. */
export function areFilesConfined(): boolean {
  return confined;
}

/** Gives up system calls. @throws {ControlError} the kernel has no such filter */
export function confineCalls(config: SandboxConfig): void {
  if (config.sandbox !== true) return;
  const arch = Deno.build.arch;
  const families = config.ports.some(({ kind }) => kind === "tap")
    ? [AF_UNIX, AF_NETLINK]
    : [AF_UNIX];
  try {
    filterCalls(callFilter(arch, families));
  } catch (error) {
    throw refused("system calls", error);
  }
}

function refused(what: string, error: unknown): unknown {
  if (!(error instanceof SystemError)) return error;
  return new ControlError(
    "failed",
    `Cannot confine ${what}: ${error.message}`,
    "leave out --sandbox, and limit the switch from outside: vuswitch emit systemd",
  );
}
