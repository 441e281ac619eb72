/**
 * The configuration of `run`: a TOML file and command-line flags, flags over file over defaults.
 * Every fault is one line that names file, place and fix.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { didYouMean } from "../../base/nearest.ts";
import { readText, tomlFix } from "./config_file.ts";
import { parseMetricsAddress } from "./metrics_address.ts";
import { OPTION_NAMES, readOptions } from "./port_options.ts";
import { checkPort } from "./port_spec.ts";
import { readTarget } from "./port_targets.ts";
import { checkLinks, checkNames } from "./names.ts";
import {
  ControlError,
  type LinkConfig,
  type MetricsAddress,
  type PortConfig,
  type SwitchConfig,
} from "../types.ts";

/** Keys of [switch]. */
const SWITCH_KEYS = [
  "fdb_age_seconds",
  "fdb_entries_max",
  "fdb_port_max",
  "mac_hold_seconds",
  "unknown",
  "snooping",
  "sandbox",
  "unsealed_memory",
];

/** Largest FDB that may be asked for. */
const FDB_ENTRIES_MAX = 1 << 20;

/** What flags or a file say; what is missing is a default. */
export interface ConfigInput {
  /** In the order they were given. A file's paths may be relative, see {@linkcode mergeConfig}. */
  readonly ports?: readonly PortConfig[] | undefined;
  /** In the order they were given. */
  readonly links?: readonly LinkConfig[] | undefined;
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

/** Puts flags over file over defaults and checks the whole. @throws {ControlError} */
export function mergeConfig(
  file: ConfigInput,
  flags: ConfigInput,
  controlPath: string,
): SwitchConfig {
  const control = flags.controlPath ?? file.controlPath ?? controlPath;
  const socketDir = socketFolder(file, flags, control);
  const filePorts = (file.ports ?? []).map((port) => ({
    ...port,
    ...readTarget(port.path, socketDir),
  }));
  const ports = [...filePorts, ...(flags.ports ?? [])];
  const links = [...(file.links ?? []), ...(flags.links ?? [])];
  checkNames(ports);
  checkLinks(links, ports);
  return {
    ports,
    links,
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
  throw invalid(`${name} ${value} must be a whole number from ${least} to ${most}`);
}

/** A TOML table as it was parsed. */
export type Table = Record<string, unknown>;

/** A reader of one table that refuses keys it does not know. */
function readTable(where: string, table: unknown, known: readonly string[]): Table {
  if (!isTable(table)) throw invalid(`${where} must be a table`);
  for (const key of Object.keys(table)) {
    if (!known.includes(key)) {
      const fix = didYouMean(key, known);
      const list = `known: ${known.join(", ")}`;
      throw invalid(`${where}: unknown key "${key}"${fix ? `, ${fix}` : `; ${list}`}`);
    }
  }
  return table;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function section(root: Table, name: string, known: readonly string[]): Table {
  const value = root[name] ?? {};
  if (Array.isArray(value)) throw invalid(`write [${name}], with one bracket: there is one`);
  return readTable(`[${name}]`, value, known);
}

function text(where: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  const key = where.split(" ").pop();
  const plain = typeof value === "number" || typeof value === "boolean";
  throw invalid(`${where} must be a text in quotes${plain ? `: ${key} = "${value}"` : ""}`);
}

function range(
  where: string,
  value: unknown,
  least: number,
  most: number,
): number | undefined {
  return value === undefined ? undefined : checkRange(where, value, least, most);
}

/** Reads the idle behaviour. @throws {ControlError} */
export function checkIdle(value: unknown): SwitchConfig["idle"] | undefined {
  if (value === undefined || value === "poll" || value === "adaptive" || value === "sleep") {
    return value;
  }
  throw invalid(`idle "${value}" must be poll, adaptive or sleep`);
}

/** Reads where unknown addresses go. @throws {ControlError} */
function checkUnknown(value: unknown): SwitchConfig["unknown"] | undefined {
  if (value === undefined || value === "flood" || value === "uplink") return value;
  throw invalid(`unknown "${value}" must be flood or uplink`);
}

/** Reads whether groups are snooped. @throws {ControlError} */
function checkSnooping(value: unknown): SwitchConfig["snooping"] | undefined {
  if (value === undefined || value === "off" || value === "on" || value === "strict") return value;
  if (typeof value === "boolean") return value ? "on" : "off";
  throw invalid(`snooping "${value}" must be off, on or strict`);
}

/** Reads what becomes of memory that can lose pages. @throws {ControlError} */
function checkUnsealed(value: unknown): SwitchConfig["unsealedMemory"] | undefined {
  if (value === undefined || value === "guard" || value === "refuse" || value === "allow") {
    return value;
  }
  throw invalid(`unsealed_memory "${value}" must be guard, refuse or allow`);
}

/**
 * What an object parsed from TOML says; sockets of its ports may be relative still, to the folder
 * that {@linkcode mergeConfig} finds. @throws {ControlError} without file name */
export function readConfigObject(root: Table): ConfigInput {
  readTable("top level", root, ["switch", "sockets", "dataplane", "control", "port", "link"]);
  const fdb = section(root, "switch", SWITCH_KEYS);
  const sockets = section(root, "sockets", ["directory", "mode", "group"]);
  const plane = section(root, "dataplane", ["cpus", "idle"]);
  const control = section(root, "control", ["socket", "metrics"]);
  const metrics = text("[control] metrics", control.metrics);
  const socketDir = text("[sockets] directory", sockets.directory);
  if (socketDir === "") {
    throw invalid("[sockets] directory is empty: name a folder, or leave it out");
  }
  const cpus = plane.cpus;
  if (cpus !== undefined && !Array.isArray(cpus)) {
    const list = typeof cpus === "number" || typeof cpus === "string" ? String(cpus) : "2";
    throw invalid(`[dataplane] cpus must be a list of numbers: cpus = [${list}]`);
  }
  if (typeof sockets.mode === "number") {
    // 660 was meant as typed; 432 is what TOML makes of 0o660.
    const typed = /^[04-7]{3}$/.test(String(sockets.mode));
    const meant = (typed ? String(sockets.mode) : sockets.mode.toString(8)).padStart(4, "0");
    throw invalid(
      `[sockets] mode must be a text in quotes: mode = "${
        /^0[0-7]{3}$/.test(meant) ? meant : "0660"
      }"`,
    );
  }
  const mode = text("[sockets] mode", sockets.mode);
  return {
    ports: readPorts(root.port ?? []),
    links: readLinks(root.link ?? []),
    socketDir,
    controlPath: text("[control] socket", control.socket),
    socketMode: mode === undefined ? undefined : parseMode(mode),
    socketGroup: text("[sockets] group", sockets.group),
    cpus: cpus?.map((cpu) => checkRange("[dataplane] cpus", cpu, 0, 1023)),
    idle: checkIdle(plane.idle),
    fdbAgeSeconds: range("fdb_age_seconds", fdb.fdb_age_seconds, 0, 1_000_000),
    fdbEntriesMax: range("fdb_entries_max", fdb.fdb_entries_max, 1, FDB_ENTRIES_MAX),
    fdbPortEntriesMax: range("fdb_port_max", fdb.fdb_port_max, 1, FDB_ENTRIES_MAX),
    macHoldSeconds: range("mac_hold_seconds", fdb.mac_hold_seconds, 0, 3600),
    unknown: checkUnknown(fdb.unknown),
    snooping: checkSnooping(fdb.snooping),
    metrics: metrics === undefined ? undefined : parseMetricsAddress("[control] metrics", metrics),
    sandbox: checkSandbox(fdb.sandbox),
    unsealedMemory: checkUnsealed(fdb.unsealed_memory),
  };
}

/** Reads whether it gives things up. @throws {ControlError} */
function checkSandbox(value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`[switch] sandbox ${value} must be true or false`);
}

function readPorts(value: unknown): PortConfig[] {
  if (!Array.isArray(value)) throw invalid("ports must be written as [[port]], two brackets each");
  return value.map((entry: Table, index) => {
    const where = `[[port]] ${index + 1}`;
    readTable(where, entry, ["name", "socket", ...OPTION_NAMES]);
    const name = text(`${where} name`, entry.name);
    if (name === undefined) throw invalid(`${where} has no name: name = "vm1"`);
    const socket = text(`${where} socket`, entry.socket);
    if (socket === "") throw invalid(`${where}: socket is empty: name a path, or leave it out`);
    const path = socket ?? `${name}.sock`;
    try {
      // Relative paths stay what they are until the folder of sockets is known.
      const { kind } = readTarget(path, "/");
      return checkPort({ name, path, ...readOptions(entry, kind) });
    } catch (error) {
      if (error instanceof ControlError) throw invalid(`${where}: ${error.message}`);
      throw error;
    }
  });
}

function readLinks(value: unknown): LinkConfig[] {
  if (!Array.isArray(value)) throw invalid("links must be written as [[link]], two brackets each");
  return value.map((entry: Table, index) => {
    const where = `[[link]] ${index + 1}`;
    const { ports } = readTable(where, entry, ["ports"]);
    const [one, other] = Array.isArray(ports) && ports.length === 2 ? ports : [];
    if (typeof one === "string" && typeof other === "string") return { ports: [one, other] };
    throw invalid(`${where}: ports must be the names of two ports such as ["vm1", "vm2"]`);
  });
}

/** Reads a configuration file. @throws {ControlError} one line: file, place, fix */
export async function readConfigFile(path: string): Promise<ConfigInput> {
  const source = await readText(path);
  const { parse, TomlError } = await import("smol-toml");
  try {
    return readConfigObject(parse(source) as Table);
  } catch (error) {
    if (error instanceof TomlError) {
      const what = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
      const line = source.split(/\r?\n/)[error.line - 1] ?? "";
      const fix = tomlFix(line);
      throw invalid(`${path}:${error.line}:${error.column}: ${what}${fix ? ` (${fix})` : ""}`);
    }
    if (error instanceof ControlError) throw invalid(`${path}: ${error.message}`);
    throw error;
  }
}
