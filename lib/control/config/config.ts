/**
 * The configuration of `run`: a TOML file and command-line flags, flags over file over defaults.
 * Every fault is one line that names file, place and fix.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { dirname, resolve } from "node:path";
import { Faults, type Place } from "./faults.ts";
import { samePort } from "./option_values.ts";
import { readTarget } from "./port_targets.ts";
import { checkLinks, checkMirrors, checkNames, sameLink } from "./names.ts";
import {
  ControlError,
  type LinkConfig,
  type MetricsAddress,
  type MirrorConfig,
  type PortConfig,
  type SwitchConfig,
} from "../types.ts";

/** What flags or a file say; what is missing is a default. */
export interface ConfigInput {
  /** In the order they were given. A file's paths may be relative, see {@linkcode mergeConfig}. */
  readonly ports?: readonly PortConfig[] | undefined;
  /** In the order they were given. */
  readonly links?: readonly LinkConfig[] | undefined;
  /** In the order they were given. */
  readonly mirrors?: readonly MirrorConfig[] | undefined;
  /** Where ports, links and mirrors stand in the file that was read. */
  readonly places?: ReadonlyMap<object, Place> | undefined;
  /** Folder of sockets without a path; may be relative. */
  readonly socketDir?: string | undefined;
  /** Path of the control socket. */
  readonly controlPath?: string | undefined;
  /** Permission bits of port sockets, 0 to 0o777. */
  readonly socketMode?: number | undefined;
  /** Group of port sockets, by name or number. */
  readonly socketGroup?: string | undefined;
  /** Processors of the data plane, 0-1023. */
  readonly cpus?: readonly number[] | undefined;
  /** What the data plane does without traffic. */
  readonly idle?: SwitchConfig["idle"] | undefined;
  /** Seconds until an unused address is forgotten; 0: never. */
  readonly fdbAgeSeconds?: number | undefined;
  /** Addresses in all, from 1. */
  readonly fdbEntriesMax?: number | undefined;
  /** Addresses per port, from 1. */
  readonly fdbPortEntriesMax?: number | undefined;
  /** Seconds for which an address is in use after its last frame; 0: none is. */
  readonly macHoldSeconds?: number | undefined;
  /** Where frames to unknown addresses go. */
  readonly unknown?: SwitchConfig["unknown"] | undefined;
  /** Where metrics are served besides. */
  readonly metrics?: MetricsAddress | undefined;
  /** Where the web page is served. */
  readonly page?: MetricsAddress | undefined;
  /** Whether frames to groups go to who is in them. */
  readonly snooping?: SwitchConfig["snooping"] | undefined;
  /** Gives up what it does not need. */
  readonly sandbox?: boolean | undefined;
  /** What becomes of memory files that can lose pages. */
  readonly unsealedMemory?: SwitchConfig["unsealedMemory"] | undefined;
}

function invalid(message: string): ControlError {
  return new ControlError("invalid", message);
}

/**
 * The one folder of ports without a path, and of relative paths in the file and the control API,
 * absolute: that of flags, or of the file, or the control socket's own.
 */
export function socketFolder(
  file: Pick<ConfigInput, "socketDir">,
  flags: Pick<ConfigInput, "socketDir">,
  controlPath: string,
): string {
  return resolve(flags.socketDir ?? file.socketDir ?? dirname(controlPath));
}

/**
 * The ports of both. A file that was saved says what flags said: that is the same port.
 * @param places those of the file, by what they are read as; added to
 */
function mergePorts(
  file: ConfigInput,
  flags: ConfigInput,
  socketDir: string,
  places: Map<object, Place>,
): PortConfig[] {
  const given = flags.ports ?? [];
  const ports: PortConfig[] = [];
  for (const written of file.ports ?? []) {
    const port = { ...written, ...readTarget(written.path, socketDir) };
    if (given.some((flag) => samePort(flag, port))) continue;
    ports.push(port);
    const place = places.get(written);
    if (place !== undefined) places.set(port, place);
  }
  return [...ports, ...given];
}

/** The links of both, likewise. */
function mergeLinks(file: ConfigInput, flags: ConfigInput): LinkConfig[] {
  const given = flags.links ?? [];
  const isGiven = (link: LinkConfig): boolean => given.some((flag) => sameLink(flag, link));
  return [...(file.links ?? []).filter((link) => !isGiven(link)), ...given];
}

/** Puts flags over file over defaults and checks the whole. @throws {ControlError} the first fault */
export function mergeConfig(
  file: ConfigInput,
  flags: ConfigInput,
  controlPath: string,
): SwitchConfig {
  const faults = new Faults();
  const config = mergeAll(file, flags, controlPath, faults);
  faults.throwFirst();
  return config;
}

/** The same, with all faults. @param faults gets them: what is returned is of no use if there is one */
export function mergeAll(
  file: ConfigInput,
  flags: ConfigInput,
  controlPath: string,
  faults: Faults,
): SwitchConfig {
  const control = flags.controlPath ?? file.controlPath ?? controlPath;
  const socketDir = socketFolder(file, flags, control);
  const places = new Map<object, Place>(file.places ?? []);
  const ports = mergePorts(file, flags, socketDir, places);
  const links = mergeLinks(file, flags);
  const mirrors = file.mirrors ?? [];
  const tell = (text: string, of: object): void => faults.add(text, places.get(of) ?? null);
  checkNames(ports, tell);
  checkLinks(links, ports, tell);
  checkMirrors(mirrors, ports, tell);
  return {
    ports,
    links,
    mirrors,
    socketDir,
    controlPath: control,
    socketMode: flags.socketMode ?? file.socketMode ?? 0o660,
    socketGroup: flags.socketGroup ?? file.socketGroup ?? null,
    cpus: flags.cpus ?? file.cpus ?? [],
    idle: flags.idle ?? file.idle ?? "adaptive",
    fdbAgeSeconds: flags.fdbAgeSeconds ?? file.fdbAgeSeconds ?? 300,
    fdbEntriesMax: flags.fdbEntriesMax ?? file.fdbEntriesMax ?? 16384,
    fdbPortEntriesMax: flags.fdbPortEntriesMax ?? file.fdbPortEntriesMax ?? 1024,
    macHoldSeconds: flags.macHoldSeconds ?? file.macHoldSeconds ?? 5,
    unknown: flags.unknown ?? file.unknown ?? "flood",
    snooping: flags.snooping ?? file.snooping ?? "off",
    metrics: flags.metrics ?? file.metrics ?? null,
    page: flags.page ?? file.page ?? null,
    sandbox: flags.sandbox ?? file.sandbox ?? false,
    unsealedMemory: flags.unsealedMemory ?? file.unsealedMemory ?? "guard",
  };
}

/** Reads a link such as `vm1:vm2`. @throws {ControlError} */
export function parseLink(text: string): LinkConfig {
  const [one = "", other = "", ...more] = text.split(":");
  if (one !== "" && other !== "" && more.length === 0) return { ports: [one, other] };
  throw invalid(`Link "${text}" must be the names of two ports such as vm1:vm2`);
}

/** Reads permission bits such as `0660`. @throws {ControlError} */
export function parseMode(text: string): number {
  if (/^[0-7]{3,4}$/.test(text) && parseInt(text, 8) <= 0o777) return parseInt(text, 8);
  throw invalid(`Socket mode "${text}" must be octal permissions such as 0660`);
}

/** Reads processors such as `2`, `2,3` or `2-5`. @throws {ControlError} */
export function parseCpus(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.split(",")) {
    const match = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first || last > 1023) {
      throw invalid(`Processors "${text}" must be numbers below 1024 such as 2, 2,3 or 2-5`);
    }
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}

/** Checks a whole number within a range. @throws {ControlError} */
export function checkRange(name: string, value: unknown, least: number, most: number): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (
    typeof number === "number" && Number.isInteger(number) && number >= least && number <= most
  ) return number;
  throw invalid(`${name} ${shown(value)} must be a whole number from ${least} to ${most}`);
}
